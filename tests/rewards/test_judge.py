"""Pairwise judging."""

from __future__ import annotations

import json

import pytest

from askd.errors import AskdError
from askd.rewards.grade import grade
from askd.rewards.judge import rule_judge, win_rate

RULES = {"pattern": "b.k.", "case": "lower"}


def judge_by(table: dict):
    return lambda first, second: table[(first, second)]


@pytest.mark.parametrize(
    ("there", "back", "rate"),
    [
        ("first", "second", 1.0),
        ("second", "first", 0.0),
        ("tie", "tie", 0.5),
        ("first", "first", 0.5),  # it prefers a place
        ("second", "second", 0.5),
        ("first", "tie", 0.5),
        ("tie", "second", 0.5),
        ("second", "tie", 0.5),
    ],
)
def test_the_win_rate_over_both_orders(there, back, rate):
    judge = judge_by({("a", "b"): there, ("b", "a"): back})
    assert win_rate(judge, "a", "b") == rate


def test_the_judge_of_rules():
    judge = rule_judge(RULES)
    assert judge("boka", "bxka") == "first"
    assert judge("bxka", "boka") == "second"
    assert judge("boka", "baki") == "tie"
    assert judge("bxka", "coka") == "tie"


def test_answers_are_graded_against_the_baseline_of_their_prompt():
    prompts = [
        {
            "prompt_id": "a",
            "reference": json.dumps({"rules": RULES, "baseline": "bxka"}),
            "messages": [],
        },
        {
            "prompt_id": "b",
            "reference": json.dumps({"rules": RULES, "baseline": "boka"}),
            "messages": [],
        },
    ]
    rollouts = [
        {"prompt_id": prompt, "sample_id": n, "text": text, "finish_reason": "stop"}
        for prompt in "ab"
        for n, text in enumerate(("baku", "coka", "xxxx"))
    ]
    table = grade(rollouts, prompts, "judge").to_pylist()
    assert [(row["reward"], row["correct"], row["reason"]) for row in table] == [
        (1.0, True, "win"),
        (0.5, False, "tie"),
        (0.0, False, "loss"),
        (0.5, False, "tie"),
        (0.0, False, "loss"),
        (0.0, False, "loss"),
    ]


@pytest.mark.parametrize(
    "reference", ["", "8", "[]", "{}", '{"rules": {}, "baseline": "x"}', '{"rules": 3}']
)
def test_a_reference_without_rules_and_baseline_is_refused(reference):
    rollouts = [{"prompt_id": "a", "sample_id": 0, "text": "x", "finish_reason": "stop"}]
    with pytest.raises(AskdError, match="the reference of 'a' does not hold rules and a baseline"):
        grade(rollouts, [{"prompt_id": "a", "reference": reference, "messages": []}], "judge")
