"""The gradient of a minibatch, and the table of the noise of gradients at tiny models."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from askd.config import validated_json
from askd.errors import AskdError
from askd.reporting.variance import ESTIMATORS, SKEWNESSES, VarianceSettings, gradient, variance
from askd.training.objective import Objective, Totals

SETTINGS = {
    "rollout": {"samples_per_prompt": 2, "max_new_tokens": 6},
    "advantage": {},
    "skewness": {},
    "training": {"reduction": "sequence", "micro_batch_size": 4, "head_chunk": 1024},
    "grader": "arithmetic",
    "batches": 8,
    "prompts_per_batch": 3,
}


@pytest.fixture(scope="module")
def measure(folders, prompts_path, tmp_path_factory):
    """Runs the stage; returns the path of its outputs without their endings."""

    def measure(name: str, near=None, prompts=prompts_path, **settings):
        output = tmp_path_factory.mktemp(name) / "gradient_variance"
        chosen = validated_json(VarianceSettings, json.dumps({**SETTINGS, **settings}))
        variance(chosen, 0, folders.teacher, folders.student, near, prompts, output)
        return output

    return measure


@pytest.fixture(scope="module")
def measured(measure, folders):
    """With the teacher itself as the student that is near it."""
    return measure("both", near=folders.teacher)


@pytest.fixture(scope="module")
def rows(measured):
    with measured.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["student"], row["side"], row["skewness"], row["estimator"]): row
            for row in csv.DictReader(file)
        }


def test_a_row_for_each_estimator_and_student(rows):
    assert list(rows) == [
        (student, side, skewness, estimator)
        for student in ("untrained", "trained")
        for side in ("tgo", "sgo")
        for skewness in SKEWNESSES[side]
        for estimator in ESTIMATORS[side]
    ]


def test_summing_over_the_vocabulary_lowers_the_variance(rows):
    for side in ("tgo", "sgo"):
        full, sampled = (
            rows["untrained", side, "fixed", name] for name in ("full vocabulary", "sampled")
        )
        assert float(full["trace_high"]) < float(sampled["trace_low"])
        assert float(full["nsr_ratio"]) == 1 < float(sampled["nsr_ratio"])


def test_at_the_teacher_only_the_constant_is_left(rows):
    """q = p: the divergences have no gradient, and what dropping the constant leaves is nothing."""

    def trace(estimator):
        return float(rows["trained", "sgo", "fixed", estimator]["trace"])

    assert float(rows["trained", "sgo", "fixed", "sampled"]["log_ratio"]) == pytest.approx(0)
    assert trace("full vocabulary") < 1e-9 * trace("sampled")
    assert trace("sampled, constant dropped") < 1e-9 * trace("sampled")


def test_the_table_says_how_to_read_it(measured):
    text = measured.with_suffix(".md").read_text(encoding="utf-8")
    assert "8 independent minibatches of 6 responses" in text
    assert "NSR is tr Cov(g) / |E g|²" in text
    assert "## Student: untrained" in text and "## Student: trained" in text


def test_the_same_again(measure, measured, folders):
    again = measure("again", near=folders.teacher)
    for ending in (".csv", ".md"):
        first, second = (path.with_suffix(ending).read_bytes() for path in (measured, again))
        assert first == second


def test_without_a_student_that_is_near(measure):
    text = measure("one").with_suffix(".md").read_text(encoding="utf-8")
    assert "## Student: trained" not in text


def test_moments_may_be_those_of_both_sides(measure):
    output = measure("joint", advantage={"sides": "joint", "normalization": "batch"})
    assert output.with_suffix(".csv").is_file()


def test_too_few_prompts(measure, prompts_path):
    with pytest.raises(AskdError, match="takes 7 prompts, and there are 6"):
        measure("few", prompts_per_batch=7)


def test_too_few_minibatches():
    with pytest.raises(AskdError, match="batches"):
        validated_json(VarianceSettings, json.dumps({**SETTINGS, "batches": 3}))


def test_an_unknown_grader(measure):
    with pytest.raises(AskdError, match="unknown grader"):
        measure("grader", grader="arithmetics")


@pytest.fixture
def objective(student, teacher, methods):
    def make(name: str) -> Objective:
        method = methods[name]
        return Objective(method, student.model, teacher.model, 102, 0, "sequence", 1024)

    return make


@pytest.mark.parametrize("name", ["askd", "askd-wo-1", "sft"])
def test_the_gradient_is_that_of_the_loss(objective, make_rows, methods, student, name):
    rows = make_rows(methods[name])
    loss, _ = objective(name)(rows, Totals(rows))
    loss.backward()
    expected = torch.cat([part.grad.flatten() for part in student.model.parameters()]).numpy()
    for size in (1, 3, 100):
        found = gradient(objective(name), rows, size)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_rows_that_are_all_clipped_have_no_gradient(objective, make_rows, methods):
    method = methods["askd"].model_copy(update={"tgo": None})
    rows = [row for row in make_rows(method) if row.kappa == 0]
    assert rows
    assert not gradient(objective("askd"), rows, 2).any()


def test_the_command(askd_command, folders, prompts_path, tmp_path):
    models = ["--teacher", folders.teacher, "--student", folders.student]
    command = ["variance", "--seed", 0, *models, "--prompts", prompts_path]
    result = askd_command(*command, "--settings", json.dumps(SETTINGS), "--output", tmp_path / "v")
    assert result.returncode == 0
    written = (tmp_path / "v.csv").read_text(encoding="utf-8")
    assert written.splitlines()[0].startswith("student,accuracy,log_ratio,side")
