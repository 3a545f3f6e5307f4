"""The grader of mathematical answers, and the references that it refuses."""

from __future__ import annotations

import json

import pytest

from askd.config import JsonlTask, validate
from askd.errors import AskdError
from askd.rewards.grade import grade
from askd.tasks.jsonl import read
from askd.tasks.prompts import build

PROMPTS = [
    {"prompt_id": "a", "messages": [], "reference": "Half of 36.\n#### 18"},
    {"prompt_id": "b", "messages": [], "reference": r"\frac{1}{2}"},
]


def rollout(prompt_id: str, text: str, sample_id: int = 0, finish_reason: str = "stop") -> dict:
    return {
        "prompt_id": prompt_id,
        "sample_id": sample_id,
        "text": text,
        "finish_reason": finish_reason,
    }


def test_rewards_of_rollouts_come_in_their_order():
    rollouts = [
        rollout("b", r"\boxed{0.5}"),
        rollout("a", "#### 18"),
        rollout("a", "#### 19", 1),
        rollout("b", "I give up.", 1),
        rollout("a", r"\boxed{}", 2),
        rollout("b", r"\boxed{(10^{10})!}", 2),
        rollout("a", "#### 18 and on and", 3, "length"),
    ]
    rows = grade(rollouts, PROMPTS, "math").to_pylist()
    assert [row["reason"] for row in rows] == [
        "correct",
        "correct",
        "wrong",
        "unparsed",
        "unparsed",
        "timeout",
        "correct",
    ]
    for row in rows:
        assert row["correct"] == (row["reason"] == "correct") == (row["reward"] == 1.0)


@pytest.mark.parametrize("reference", ["", "??", r"\boxed{}", r"\frac{}{}"])
def test_a_reference_without_an_answer_is_an_error(reference):
    prompts = [{"prompt_id": "a", "messages": [], "reference": reference}]
    with pytest.raises(AskdError, match="of 'a' has no answer that can be read as mathematics"):
        grade([rollout("a", r"\boxed{x}")], prompts, "math")


def lines(*references: str) -> str:
    return "".join(json.dumps({"prompt": "?", "reference": text}) + "\n" for text in references)


def test_references_are_checked_when_the_data_are_built(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(lines("18", "(1,2)", "B", "... #### 5", r"$\boxed{x^2}$"))
    assert len(read(path, "math")) == 5
    path.write_text(lines("18", r"\frac{}{}", "B"))
    with pytest.raises(
        AskdError, match=r"train\.jsonl: row 'train-000002': the reference"
    ) as error:
        read(path, "math")
    assert "\n" not in str(error.value)
    assert len(read(path, "arithmetic")) == 3  # refused later, if at all


def test_a_bad_reference_leaves_no_tables(tmp_path):
    task = {"kind": "jsonl", "grader": "math"}
    for split in ("train", "validation", "test"):
        task[split] = str(tmp_path / f"{split}.jsonl")
        (tmp_path / f"{split}.jsonl").write_text(lines("18"))
    (tmp_path / "test.jsonl").write_text(lines("18", "??"))
    with pytest.raises(AskdError, match="row 'test-000002'"):
        build(validate(JsonlTask, task, "test"), tmp_path / "data")
    assert not (tmp_path / "data").exists()
