"""Our runner beside lm-eval's: the same outputs and verdicts, from one model and from a record."""

import importlib.util

import pytest

from askd.config import Rollout
from askd.errors import AskdError
from askd.evaluation.lm_eval_agreement import FLEXIBLE, STRICT, agreement, compare, lm_eval_run

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)

NO_HASHES = "strict-match reads nothing but `#### n`"
# Text, answer, verdicts of strict-match and flexible-extract as lm-eval 0.4.13 gave them, and the
# reasons of what differs.
RECORDED = [
    ("9-4=5+3=8", "#### 8", 0.0, 1.0, [NO_HASHES]),
    ("9-4=5+3=7", "#### 8", 0.0, 0.0, []),
    ("So 5.\n#### 8", "#### 8", 1.0, 1.0, []),
    ("#### 8 of 9", "#### 8", 1.0, 0.0, ["no known reason"]),
]


def logged(number: int, filter_: str, text: str, score: float) -> dict:
    doc = {"id": str(number)}
    return {"doc": doc, "filter": filter_, "resps": [[text]], "exact_match": score}


def test_recorded_verdicts_are_set_beside_ours():
    questions = [{"id": str(n), "answer": row[1]} for n, row in enumerate(RECORDED)]
    samples = [
        logged(n, filter_, row[0], score)
        for n, row in enumerate(RECORDED)
        for filter_, score in ((STRICT, row[2]), (FLEXIBLE, row[3]))
    ]
    found = compare("A", questions, [row[0] for row in RECORDED], samples)
    assert [one.verdict for one in found] == ["output"] * 4 + [STRICT] * 4 + [FLEXIBLE] * 4
    for number, row in enumerate(RECORDED):
        reasons = [one.reason for one in found if one.item == str(number) and not one.equal]
        assert reasons == row[4]


def test_another_output_is_a_difference():
    samples = [logged(0, filter_, "#### 3", 1.0) for filter_ in (STRICT, FLEXIBLE)]
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
    with pytest.raises(AskdError, match=r"lm-eval is not installed; .*'askd\[evaluate\]'"):
        lm_eval_run([], tmp_path, Rollout(max_new_tokens=8))
