"""The arithmetic grader, and the rewards table of rollouts."""

from __future__ import annotations

import pytest

from askd.artifacts import REWARDS, check_table
from askd.errors import AskdError
from askd.rewards import arithmetic
from askd.rewards.grade import grade
from askd.rewards.result import Answer, Grade


def prompt(prompt_id: str, reference: str) -> dict:
    messages = [{"role": "user", "content": f"prompt {prompt_id}"}]
    return {"prompt_id": prompt_id, "reference": reference, "messages": messages}


PROMPTS = [prompt("a", "8"), prompt("b", "-3")]


def rollout(text: str, finish_reason: str = "stop", prompt_id: str = "a", sample_id: int = 0):
    return {
        "prompt_id": prompt_id,
        "sample_id": sample_id,
        "text": text,
        "finish_reason": finish_reason,
    }


@pytest.mark.parametrize(
    ("text", "finish_reason", "reference", "reason"),
    [
        ("6-1=5+1=6+2=8", "stop", "8", "correct"),
        ("=8", "stop", "8", "correct"),
        ("6+2=8  ", "stop", "8", "correct"),
        ("6+2=8\n", "stop", "8", "correct"),
        ("6+2= 8", "stop", "8", "correct"),
        ("6+2=08", "stop", "8", "correct"),
        ("6-9=-3", "stop", "-3", "correct"),
        ("6-9=3", "stop", "-3", "wrong answer"),
        ("6+2=7", "stop", "8", "wrong answer"),
        ("6+2=88", "stop", "8", "wrong answer"),
        ("6+2=8=7", "stop", "8", "wrong answer"),
        ("6+2=8", "length", "8", "unfinished"),
        ("6+2=7", "length", "8", "unfinished"),
        ("", "length", "8", "unfinished"),
        ("", "stop", "8", "no answer"),
        ("8", "stop", "8", "no answer"),
        ("6+2=", "stop", "8", "no answer"),
        ("6+2=8+", "stop", "8", "no answer"),
        ("6+2=8.", "stop", "8", "no answer"),
        ("6+2=8 or 9", "stop", "8", "no answer"),
        ("6+2=8+1", "stop", "8", "no answer"),
        ("6+2=- 8", "stop", "8", "no answer"),
        ("6+2=8x", "stop", "8", "no answer"),
    ],
)
def test_verdicts(text, finish_reason, reference, reason):
    correct = reason == "correct"
    expected = Grade(float(correct), correct, reason)
    assert arithmetic.grade_one(Answer("a", text, finish_reason, reference, [])) == expected


def test_rewards_of_rollouts_come_in_their_order():
    rollouts = [
        rollout("1+2=-3", prompt_id="b", sample_id=1),
        rollout("6+2=8"),
        rollout("6+2=8", "length", sample_id=1),
    ]
    table = grade(rollouts, PROMPTS, "arithmetic")
    assert check_table(table, REWARDS, "f").to_pylist() == [
        {"prompt_id": "b", "sample_id": 1, "reward": 1.0, "correct": True, "reason": "correct"},
        {"prompt_id": "a", "sample_id": 0, "reward": 1.0, "correct": True, "reason": "correct"},
        {"prompt_id": "a", "sample_id": 1, "reward": 0.0, "correct": False, "reason": "unfinished"},
    ]


def test_a_rollout_of_an_unknown_prompt_is_refused():
    with pytest.raises(AskdError, match="prompt_id 'c' is not in the prompts table"):
        grade([rollout("=8"), rollout("=8", prompt_id="c")], PROMPTS, "arithmetic")


@pytest.mark.parametrize("reference", ["eight", "", "8.5"])
def test_a_reference_that_is_no_number_is_refused(reference):
    prompts = [prompt("a", reference)]
    with pytest.raises(AskdError, match=r"the reference .* of 'a' is not a number"):
        grade([rollout("=8")], prompts, "arithmetic")


def test_an_answer_of_too_many_digits_is_wrong():
    table = grade([rollout("=" + "9" * 5000)], PROMPTS, "arithmetic")
    assert table.column("correct").to_pylist() == [False]


def test_an_unknown_grader_is_refused():
    with pytest.raises(AskdError, match="unknown grader 'aritmetic'; did you mean 'arithmetic'"):
        grade([rollout("=8")], PROMPTS, "aritmetic")
