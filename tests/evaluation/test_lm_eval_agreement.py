"""Our runner beside lm-eval's: the same outputs and verdicts, from one model and from a record."""

import importlib.util

import pytest

from askd.config import Rollout
from askd.errors import AskdError
from askd.evaluation.lm_eval_agreement import FLEXIBLE, STRICT, agreement, compare, lm_eval_run

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)

# Text, answer; what strict-match and flexible-extract found and how lm-eval 0.4.13 decided; and the
# reasons of what differs.
NO_HASHES = "strict-match reads nothing but `#### n`"
DIGITS = "lm-eval compares digits, not values"
LAST_NUMBER = "flexible-extract takes the last number, wherever it stands"
STATED = "flexible-extract takes the last number, we what follows `####` or is boxed"
RECORDED = [
    ("9-4=5+3=8", "#### 8", ("[invalid]", 0.0), ("8", 1.0), [NO_HASHES]),
    ("9-4=5+3=7", "#### 8", ("[invalid]", 0.0), ("7", 0.0), []),
    ("So 5.\n#### 8", "#### 8", ("8", 1.0), ("8", 1.0), []),
    ("#### 8 of 9", "#### 8", ("8", 1.0), ("9", 0.0), [LAST_NUMBER]),
    ("#### 8.00", "#### 8", ("8.00", 0.0), ("8.00", 0.0), [DIGITS, DIGITS]),
    ("#### 7 not 8", "#### 8", ("7", 0.0), ("8", 1.0), [STATED]),
    (
        *("#### 8\nNo.\n#### 7", "#### 8", ("8", 1.0), ("7", 0.0)),
        ["strict-match takes the first `####`, we the last"],
    ),
    # What no side's rules account for.
    ("#### 8", "#### 8", ("7", 0.0), ("8", 1.0), ["no known reason"]),
    ("#### 7", "#### 8", ("7", 1.0), ("7", 0.0), ["no known reason"]),
    ("it is 7", "#### 8", ("[invalid]", 0.0), ("7", 1.0), ["no known reason"]),
]


def logged(
    number: int, filter_: str, text: str, answer: str, found: str = "", score: float = 1.0
) -> dict:
    doc = {"id": str(number), "answer": answer}
    return {
        "doc": doc,
        "filter": filter_,
        "resps": [[text]],
        "filtered_resps": [found],
        "exact_match": score,
    }


def test_recorded_verdicts_are_set_beside_ours():
    questions = [{"id": str(n), "answer": row[1]} for n, row in enumerate(RECORDED)]
    samples = [
        logged(n, filter_, *row[:2], *theirs)
        for n, row in enumerate(RECORDED)
        for filter_, theirs in ((STRICT, row[2]), (FLEXIBLE, row[3]))
    ]
    found = compare("A", questions, [row[0] for row in RECORDED], samples)
    size = len(RECORDED)
    verdicts = ["output"] * size + [STRICT] * size + [FLEXIBLE] * size
    assert [one.verdict for one in found] == verdicts
    for number, row in enumerate(RECORDED):
        reasons = [one.reason for one in found if one.item == str(number) and not one.equal]
        assert (row[0], reasons) == (row[0], row[4])


def test_another_output_is_a_difference():
    samples = [logged(0, filter_, "#### 3", "#### 3", "3") for filter_ in (STRICT, FLEXIBLE)]
    found = compare("A", [{"id": "0", "answer": "#### 3"}], ["#### 3 "], samples)
    assert [one.verdict for one in found if not one.equal] == ["output"]
    assert (found[0].ours, found[0].theirs) == ("#### 3 ", "#### 3")


@needs_lm_eval
def test_one_model_answers_alike_in_both_runners(folders, prompt_rows):
    rollout = Rollout(max_new_tokens=8, batch_size=4)
    found, run = agreement("A", prompt_rows, folders.student, rollout)
    outputs = [one for one in found if one.verdict == "output"]
    assert len(outputs) == len(prompt_rows)
    assert all(one.equal for one in outputs)
    assert len({one.ours for one in outputs}) > 1
    assert run.about["task_version"] == "1.0" and len(run.about["task_hash"]) == 64
    assert len(run.samples) == 2 * len(prompt_rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reference": "x + 1"}, "the reference of 'train-0' is no number"),
        (
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "1+1"}]},
            "'train-0' is not one message of a user",
        ),
    ],
)
def test_prompts_that_the_task_cannot_hold_are_refused(prompt_rows, tmp_path, change, reason):
    with pytest.raises(AskdError, match=reason):
        agreement("A", [prompt_rows[0] | change], tmp_path, Rollout(max_new_tokens=8))


def test_lm_eval_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AskdError, match=r"lm-eval is not installed; .*'\.\[evaluate\]'"):
        lm_eval_run([], tmp_path, Rollout(max_new_tokens=8))
