"""Our verdicts beside lm-eval's, on the written outputs; each difference has its reason."""

from __future__ import annotations

import importlib.util

import pytest

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.evaluation.agreement import Output, agreement, written
from askd.rewards.math import grade
from askd.rewards.result import Answer

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)

FILTERS = {"strict-match", "flexible-extract"}
METRICS = {"exact_match", "math_verify"}


@needs_lm_eval
@pytest.mark.parametrize(("task", "names"), [("gsm8k", FILTERS), ("minerva_math", METRICS)])
def test_written_answers(task, names):
    rows = written(task)
    outputs = [Output(str(number), row["text"], row["solution"]) for number, row in enumerate(rows)]
    for row, found in zip(rows, agreement(task, outputs), strict=True):
        recorded = (row["text"], row["reason"], row["differing"])
        assert (row["text"], found.reason, found.differing) == recorded
        assert set(found.lm_eval) == names


@pytest.mark.parametrize("task", ["gsm8k", "minerva_math"])
def test_every_difference_has_a_reason(task):
    rows = written(task)
    assert any(row["differing"] for row in rows)
    assert all(bool(row["why"]) == bool(row["differing"]) for row in rows)


@pytest.mark.parametrize("task", ["gsm8k", "minerva_math"])
def test_our_recorded_verdicts_need_no_lm_eval(task):
    outputs = [Output(str(n), row["text"], row["solution"]) for n, row in enumerate(written(task))]
    stop = "Question:" if task == "gsm8k" else "Problem:"
    answers = [
        Answer(one.item, one.text.split(stop)[0], "stop", one.solution, ()) for one in outputs
    ]
    grades, _ = grade(answers, SandboxSettings())
    assert [found.reason for found in grades] == [row["reason"] for row in written(task)]


@needs_lm_eval
def test_a_solution_without_a_box_is_refused():
    with pytest.raises(AskdError, match=r"the solution of 'x' has no \\boxed answer"):
        agreement("minerva_math", [Output("x", "7", "7")])


def test_lm_eval_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        AskdError, match=r"lm-eval is not installed; .*pip install --editable '\.\[evaluate\]'"
    ):
        agreement("gsm8k", [Output("x", "7", "#### 7")])
