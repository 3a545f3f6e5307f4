"""The gradient of a minibatch, and the table of the noise of gradients at tiny models."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from askd.artifacts import REWARDS, table_from_rows
from askd.config import validated_json
from askd.errors import AskdError
from askd.reporting.gradient_variance import VarianceTableSettings, write
from askd.reporting.shared_gradients import gradients
from askd.reporting.variance import REFERENCE, VarianceSettings, methods, variance
from askd.rewards.grade import grade
from askd.training.objective import Objective, Totals

SETTINGS = {
    "pair": "one",
    "rollout": {"samples_per_prompt": 2, "max_new_tokens": 6},
    "advantage": {},
    "skewness": {},
    "training": {"reduction": "sequence", "micro_batch_size": 4, "head_chunk": 1024},
    "grader": "arithmetic",
    "batches": 8,
    "prompts_per_batch": 3,
}
TABLE = {
    "pairs": {"one": "Big → Small", "other": "Large → Little"},
    "near": "DistiLLM-2",
    "batches": 8,
    "responses": {"one": 6, "other": 6},
}


@pytest.fixture(scope="module")
def measure(folders, prompts_path, tmp_path_factory):
    """Runs the measurement; returns the path of its output."""

    def measure(name: str, near=None, prompts=prompts_path, **settings):
        output = tmp_path_factory.mktemp(name) / "gradient_variance.csv"
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
    with measured.open(encoding="utf-8", newline="") as file:
        return {
            (row["student"], row["side"], row["skewness"], row["estimator"]): row
            for row in csv.DictReader(file)
        }


def test_a_row_for_each_estimator_and_student(rows):
    assert list(rows) == [
        (student, side, *cell)
        for student in ("untrained", "trained")
        for side in ("tgo", "sgo")
        for cell in methods(side)
    ]
    assert {row["pair"] for row in rows.values()} == {"one"}


def test_without_a_skew_the_sampled_form_is_the_likelihood(methods_of_config):
    """Vanilla on teacher outputs is SeqKD when sampled, and word-level KD on its prefixes when not;
    on student outputs it is the reverse KL."""
    for side, alpha in (("tgo", 1.0), ("sgo", 0.0)):
        for (skewness, _), method in methods(side).items():
            assert (method.terms[side].skewness == alpha) == (skewness == "vanilla")
    plus = methods_of_config["askd-plus"]
    for side, skewness in (("tgo", "projected"), ("sgo", "projected, kappa")):
        found = methods(side)
        assert found[skewness, "full vocabulary, outcome"].terms[side] == plus.terms[side]
        assert [key for key in found if key[1] == "full vocabulary, outcome"] == [
            (skewness, "full vocabulary, outcome")
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


def by_tokens(rollouts, *settings):
    """Rewards of a model that has learnt nothing: answers whose tokens add up to an even number."""
    rows = grade(rollouts, *settings).to_pylist()
    for row, rollout in zip(rows, rollouts, strict=True):
        row["correct"] = sum(rollout["token_ids"]) % 2 == 0
        row["reward"] = float(row["correct"])
    return table_from_rows(rows, REWARDS)


def test_an_outcome_is_more_noise_than_the_divergence_alone(measure, monkeypatch):
    """ASKD+ adds a policy gradient to the sum over the vocabulary."""
    monkeypatch.setattr("askd.reporting.variance.grade", by_tokens)
    with measure("rewarded").open(encoding="utf-8", newline="") as file:
        traces = {
            (row["side"], row["skewness"], row["estimator"]): float(row["trace"])
            for row in csv.DictReader(file)
        }
    for side, skewness in (("tgo", "projected"), ("sgo", "projected, kappa")):
        full = traces[side, skewness, REFERENCE]
        assert traces[side, skewness, "full vocabulary, outcome"] > 1.01 * full
    # Clipping counts too.
    assert traces["sgo", "projected", REFERENCE] != traces["sgo", "projected, kappa", REFERENCE]


def test_a_gradient_that_is_not_a_number_is_undefined_and_nothing_else(rows):
    """Eq. 11 as printed has none where c > 1 + 1/alpha, which some tokens reach."""
    printed = "sampled, product (printed)"
    undefined = {key for key, row in rows.items() if row["trace"] == "nan"}
    assert undefined and {(side, name) for _, side, _, name in undefined} == {("sgo", printed)}
    assert ("untrained", "sgo", "vanilla", printed) not in undefined


@pytest.fixture
def table(measured, tmp_path):
    """Makes the table of two pairs."""
    other = tmp_path / "other.csv"
    other.write_text(measured.read_text().replace("\none,", "\nother,"))

    def table(*data, **settings):
        chosen = validated_json(VarianceTableSettings, json.dumps({**TABLE, **settings}))
        write(chosen, data or [measured, other], tmp_path / "table")
        return tmp_path / "table.csv", (tmp_path / "table.md").read_text(encoding="utf-8")

    return table


def test_the_table_holds_the_rows_of_all_pairs(table, measured):
    path, _ = table()
    lines = measured.read_text().splitlines()
    found = path.read_text().splitlines()
    assert found[: len(lines)] == lines
    assert found[len(lines) :] == [line.replace("one,", "other,", 1) for line in lines[1:]]


def test_the_table_says_what_it_is_of_and_how_to_read_it(table):
    _, text = table()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        f"## {label}: student {student}"
        for label in ("Big → Small", "Large → Little")
        for student in ("untrained", "trained by DistiLLM-2")
    ]
    words = " ".join(text.split())
    assert words.count("From 8 independent minibatches of 6 responses per side.") == 4
    assert "NSR is tr Cov(g) / |E g|²" in words
    assert "| undefined " in text and "nan" not in text.replace("independent", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not what `variance-data` writes"),
        ("pair,student\none,untrained\n", "not what `variance-data` writes"),
        (None, "of the pair 'one', which the table does not have"),
    ],
)
def test_a_file_that_does_not_belong_is_refused(table, measured, tmp_path, text, message):
    path = tmp_path / "data.csv"
    path.write_text(measured.read_text() if text is None else text)
    with pytest.raises(AskdError, match=message):
        table(path, pairs={"other": "Large → Little"})


def test_the_same_again(measure, measured, folders):
    assert measure("again", near=folders.teacher).read_bytes() == measured.read_bytes()


def test_without_a_student_that_is_near(measure, table):
    _, text = table(measure("one"), pairs={"one": "Big → Small"})
    assert "student untrained" in text and "trained by" not in text


def test_moments_may_be_those_of_both_sides(measure):
    output = measure("joint", advantage={"sides": "joint", "normalization": "batch"})
    assert output.is_file()


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
def methods_of_config(request):
    return request.getfixturevalue("methods")


@pytest.fixture
def objective(student, teacher):
    def make(method) -> Objective:
        return Objective(method, student.model, teacher.model, 102, 0, "sequence", 7)

    return make


@pytest.mark.parametrize("size", [1, 3, 100])
def test_shared_gradients_are_those_of_the_losses(
    objective, make_rows, methods_of_config, student, size
):
    """However the minibatch is split, and whatever is measured beside; also with clipped rows."""
    chosen = [methods_of_config[name] for name in ("askd", "askd-wo-1", "askd-plus", "distillm2")]
    losses = [(objective(method), make_rows(method)) for method in chosen]
    found = gradients(losses, size)
    assert found.shape[0] == len(chosen)
    for (own, rows), one in zip(losses, found, strict=True):
        student.model.zero_grad()
        loss, _ = own(rows, Totals(rows))
        loss.backward()
        slopes = [part.grad.flatten() for part in student.model.parameters()]
        expected = torch.cat(slopes).numpy()
        assert np.abs(one - expected).max() <= 1e-5 * np.abs(expected).max()


def test_rows_that_are_all_clipped_have_no_gradient(objective, make_rows, methods_of_config):
    method = methods_of_config["askd"].model_copy(update={"tgo": None})
    rows = [row for row in make_rows(method) if row.kappa == 0]
    assert rows
    assert not gradients([(objective(method), rows)], 2).any()


def test_the_commands(askd_command, folders, prompts_path, tmp_path):
    models = ["--teacher", folders.teacher, "--student", folders.student]
    command = ["variance-data", "--seed", 0, *models, "--prompts", prompts_path]
    data, output = tmp_path / "data.csv", tmp_path / "tables/variance"
    result = askd_command(*command, "--settings", json.dumps(SETTINGS), "--output", data)
    assert result.returncode == 0, result.stderr
    written = data.read_text(encoding="utf-8")
    assert written.splitlines()[0].startswith("pair,student,accuracy,log_ratio,side")
    settings = json.dumps({**TABLE, "pairs": {"one": "Big → Small"}})
    command = ["variance", "--settings", settings, "--data", data, "--output", output]
    assert askd_command(*command).returncode == 0
    assert output.with_suffix(".csv").read_text(encoding="utf-8") == written
