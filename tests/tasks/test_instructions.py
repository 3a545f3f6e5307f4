"""Generated instructions."""

from __future__ import annotations

import json
import random

import pytest

from askd.config import ErrorProcess, InstructionsTask
from askd.tasks.generated import corpus, items, prompts
from askd.tasks.instructions import Instruction, answer, broken_rules, message, reference

NO_ERRORS = ErrorProcess()


def task(**changes) -> InstructionsTask:
    levels = {
        "short": {"operations": [4], "train": 100, "validation": 20, "test": 30},
        "long": {"operations": [5, 6], "train": 100, "validation": 20, "test": 30},
    }
    return InstructionsTask.model_validate({"kind": "instructions", "levels": levels, **changes})


def test_an_instruction_by_hand():
    instruction = Instruction("b.k.", "upper")
    assert message(instruction) == "upper b.k."
    word = answer(instruction, NO_ERRORS, random.Random(0))
    assert word.isupper() and word[0] == "B" and word[2] == "K" and len(word) == 4
    assert broken_rules(word, vars(instruction)) == 0
    assert json.loads(reference(instruction))["rules"] == {"pattern": "b.k.", "case": "upper"}
    assert reference(instruction) == reference(instruction)


@pytest.mark.parametrize(
    ("word", "broken"),
    [
        ("boka", 0),
        ("BOKA", 1),
        ("Boka", 1),
        ("boko", 0),
        ("bxka", 1),
        ("coka", 1),
        ("bok", 1),
        ("bokaa", 1),
        ("boka!", 1),
        ("", 4),
        ("xxxx", 4),
        ("XXXX", 5),
    ],
)
def test_broken_rules(word, broken):
    assert broken_rules(word, {"pattern": "b.k.", "case": "lower"}) == broken


def test_worked_answers_break_no_rule_and_baselines_at_least_one():
    rows = [row for split in prompts(task()).values() for row in split]
    references = [json.loads(row["reference"]) for row in rows]
    assert all(
        broken_rules(row["response"], known["rules"]) == 0
        for row, known in zip(rows, references, strict=True)
    )
    broken = [broken_rules(known["baseline"], known["rules"]) for known in references]
    assert min(broken) == 1 and max(broken) > 1


def test_noise_and_the_systematic_error():
    rows = corpus(task(), ErrorProcess(noise=0.3), 1000, seed=0)
    wrong = sum(
        broken_rules(row["response"], json.loads(row["reference"])["rules"]) > 0 for row in rows
    )
    assert 0.6 < wrong / len(rows) < 0.95
    always = ErrorProcess(systematic=1)
    for pattern, length in (("b.k.", 4), ("b.k.b", 4), ("b.k.b.", 5)):
        assert len(answer(Instruction(pattern, "lower"), always, random.Random(0))) == length


def test_splits_share_no_instruction():
    drawn = items(task())
    every = [item for levels in drawn.values() for level in levels.values() for item in level]
    assert len(every) == len(set(every)) == 300
    assert {len(item.pattern) for item in drawn["test"]["long"]} == {5, 6}
