"""A pair of the default workflow's Table 2: models that have learnt, and methods that teach."""

import csv
from pathlib import Path

import pytest
import yaml

from askd.config import Table
from askd.evaluation.stats import average_paired_difference
from askd.reporting.outcomes import load

OVERLAY = Path(__file__).with_name("nano.yaml")
SEEDS = yaml.safe_load(OVERLAY.read_text())["seeds"]
RESULTS = "results/nano"
UNTRAINED = ("teacher", "student")


@pytest.fixture(scope="module")
def nano(copies):
    project = copies(OVERLAY)
    result = project.make("table2")
    assert result.returncode == 0, result.stdout + result.stderr
    return project


@pytest.fixture(scope="module")
def table(nano) -> dict:
    """Table 2 of the configuration that was run."""
    tables = yaml.safe_load((nano.folder / "config/config.yaml").read_text())["tables"]
    return tables["table2"] | yaml.safe_load(OVERLAY.read_text())["tables"]["table2"]


@pytest.fixture(scope="module")
def cells(nano) -> dict[tuple[str, str, str, str], dict[str, str]]:
    with (nano.folder / RESULTS / "tables/table2.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["pair"], row["method"], row["benchmark"], row["metric"]): row
            for row in csv.DictReader(file)
        }


def test_every_cell_of_the_table_is_there(nano, table, cells):
    assert set(cells) == {
        (pair, system, benchmark, metric)
        for pair in table["pairs"]
        for system in table["systems"]
        for benchmark in (*table["benchmarks"], "average")
        for metric in ("greedy", "sampled")
    }
    for (_, system, _, _), row in cells.items():
        assert row["n_seeds"] == ("1" if system in UNTRAINED else str(SEEDS))
        assert 0 <= float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"]) <= 100
    assert [row for row in cells.values() if row["paper"]]
    for ending in ("md", "tex", "html"):
        assert (nano.folder / RESULTS / f"tables/table2.{ending}").stat().st_size > 0


def test_teacher_and_student_are_what_the_test_bed_needs(cells):
    def mean(system, metric="sampled"):
        return float(cells["qwen2-math", system, "average", metric]["mean"])

    assert 70 <= mean("teacher") <= 95
    assert 15 <= mean("student") <= 65
    # Errors that are noise vanish from greedy answers.
    assert mean("teacher", "greedy") > 90


def test_some_distillation_method_beats_the_student(nano, table):
    """By sampled answers, paired by item, with an interval above zero, where the teacher errs by
    noise; imitating a teacher that is systematically wrong need not help."""
    pair, methods = "qwen2-math", ["gkd", "distillm2", "askd"]
    shown = Table(
        title="",
        pairs=[pair],
        systems=["student", *methods],
        benchmarks=table["benchmarks"],
        compare="askd",
    )
    outcomes = load(shown, seeds=SEEDS, results=nano.folder / RESULTS)
    student = outcomes.of([pair], "student", table["benchmarks"], "sampled")
    lows = {
        method: average_paired_difference(
            outcomes.of([pair], method, table["benchmarks"], "sampled"), student
        ).ci_low
        for method in methods
    }
    assert max(lows.values()) > 0, lows
