"""Pairwise judging."""

from __future__ import annotations

import json

import pytest

from askd.artifacts import REWARDS, read_table
from askd.config import RuleJudge, SandboxSettings
from askd.errors import AskdError
from askd.rewards.grade import grade
from askd.rewards.judge import in_both_orders, rule_judge
from askd.rewards.stage import write_rewards

RULES = {"pattern": "b.k.", "case": "lower"}


def prompt(prompt_id: str, reference: str) -> dict:
    messages = [{"role": "user", "content": "lower b.k."}]
    return {"prompt_id": prompt_id, "reference": reference, "messages": messages}


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
    assert in_both_orders(judge, "a", "b").score == rate


def test_the_judge_of_rules():
    judge = rule_judge(RULES)
    assert judge("boka", "bxka") == "first"
    assert judge("bxka", "boka") == "second"
    assert judge("boka", "baki") == "tie"
    assert judge("bxka", "coka") == "tie"


def test_answers_are_graded_against_the_baseline_of_their_prompt():
    prompts = [
        prompt("a", json.dumps({"rules": RULES, "baseline": "bxka"})),
        prompt("b", json.dumps({"rules": RULES, "baseline": "boka"})),
    ]
    rollouts = [
        {"prompt_id": prompt_id, "sample_id": n, "text": text, "finish_reason": "stop"}
        for prompt_id in "ab"
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
        grade(rollouts, [prompt("a", reference)], "judge")


def test_the_rates_of_the_judge_lie_beside_the_rewards(tmp_path):
    prompts = [prompt("a", json.dumps({"rules": RULES, "baseline": "bxka"}))]
    rollouts = [{"prompt_id": "a", "sample_id": 0, "text": "baku", "finish_reason": "stop"}]
    path = tmp_path / "rewards.parquet"
    write_rewards(path, rollouts, prompts, "judge", SandboxSettings(), RuleJudge())
    assert read_table(path, REWARDS).column("reward").to_pylist() == [1.0]
    assert json.loads((tmp_path / "rewards.judge.json").read_text()) == {
        "kind": "rule",
        "pairs": 1,
        "inconsistent": 0.0,
        "invalid": 0.0,
        "first_position": 0.5,
    }
