"""The default workflow itself, as `make` runs it: both pairs of Table 2, three seeds."""

import csv

import pytest

from askd.config import Table
from askd.evaluation.stats import average_paired_difference
from askd.reporting.outcomes import load

PAIRS = ("qwen2-math", "qwen2.5-math")
BENCHMARKS = ("arithmetic-easy", "arithmetic-hard", "average")


@pytest.fixture(scope="module")
def nano(copies):
    project = copies()
    result = project.make()
    assert result.returncode == 0, result.stdout + result.stderr
    print(result.stdout)
    return project


@pytest.fixture(scope="module")
def cells(nano) -> dict[tuple[str, str, str, str], dict[str, str]]:
    with (nano.folder / "results/nano/tables/table2.csv").open() as file:
        return {
            (row["pair"], row["method"], row["benchmark"], row["metric"]): row
            for row in csv.DictReader(file)
        }


def test_every_cell_is_there(cells):
    systems = ("teacher", "student", "sft", "gkd", "distillm2", "askd")
    assert set(cells) == {
        (pair, system, benchmark, metric)
        for pair in PAIRS
        for system in systems
        for benchmark in BENCHMARKS
        for metric in ("greedy", "sampled")
    }
    for (_, system, benchmark, _), row in cells.items():
        assert row["n_seeds"] == ("1" if system in ("teacher", "student") else "3")
        assert row["n_items"] == ("600" if benchmark == "average" else "300")


def test_teachers_and_students_are_what_the_test_beds_need(cells):
    def sampled(pair, system):
        return float(cells[pair, system, "average", "sampled"]["mean"])

    assert 75 <= sampled("qwen2-math", "teacher") <= 90
    for pair in PAIRS:
        assert 25 <= sampled(pair, "student") <= 65
    # Errors that are noise vanish from greedy answers; systematic ones do not.
    assert float(cells["qwen2-math", "teacher", "average", "greedy"]["mean"]) > 95
    teacher = float(cells["qwen2.5-math", "teacher", "average", "greedy"]["mean"])
    assert teacher < float(cells["qwen2.5-math", "student", "average", "greedy"]["mean"])


@pytest.mark.parametrize("pair", PAIRS)
def test_some_distillation_method_beats_the_student(nano, pair):
    """By sampled accuracy, paired by item, with an interval above zero."""
    benchmarks = ["arithmetic-easy", "arithmetic-hard"]
    methods = ["gkd", "distillm2", "askd"]
    table = Table(
        title="",
        pairs=[pair],
        systems=["student", *methods],
        benchmarks=benchmarks,
        compare="askd",
        paper="",
    )
    outcomes = load(table, seeds=3, results=nano.folder / "results/nano")
    student = outcomes.of(pair, "student", benchmarks, "sampled")
    lows = {
        method: average_paired_difference(
            outcomes.of(pair, method, benchmarks, "sampled"), student
        ).ci_low
        for method in methods
    }
    assert max(lows.values()) > 0, lows
