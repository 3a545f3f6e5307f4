"""What a small table resolves, against the intervals of the table itself."""

import csv

import pytest

from askd.errors import AskdError
from askd.reporting.power import power
from askd.reporting.tables_settings import TablesSettings

LABELS = {"one": "Big → Small", "two": "Bigger → Smaller"}


@pytest.fixture
def run(small, tmp_path):
    def run(seeds=2, **changes):
        settings = TablesSettings(
            tables={"table2": small.table(**changes)},
            pairs=LABELS,
            benchmarks={"easy": "GSM8K", "hard": "MATH"},
            seeds=seeds,
            results=str(small.results),
        )
        power(settings, tmp_path / "power")
        with (tmp_path / "power.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return run


def test_half_widths_are_those_of_the_paired_tests(run, small):
    rows = run()
    with (small.build() / "table2_tests.csv").open(encoding="utf-8", newline="") as file:
        tests = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3  # pairs, metrics, two benchmarks and their average
    for row in rows:
        halves = [
            (float(test["ci_high"]) - float(test["ci_low"])) / 2
            for test in tests
            if all(test[key] == row[key] for key in ("pair", "metric", "benchmark"))
            and test["against"] not in ("teacher", "student")
        ]
        assert len(halves) == int(row["comparisons"]) == 2
        assert float(row["half_width_largest"]) == pytest.approx(max(halves), abs=0.02)
        assert float(row["half_width_median"]) == pytest.approx(sum(halves) / 2, abs=0.02)
        assert int(row["resolved"]) == 0  # a handful of items tells 3 points from nothing
    assert {row["items"] for row in rows if row["benchmark"] == "average"} == {"6"}


def test_what_there_is_to_read(run, tmp_path):
    run()
    text = (tmp_path / "power.md").read_text()
    assert "with 2 seeds" in text
    assert "## table2: Reasoning & more" in text
    assert "| Big → Small " in text and "| GSM8K " in text and "| AVG. " in text
    assert "0 of 2" in text


def test_a_table_without_another_trained_method_has_no_row(run):
    assert run(systems=["teacher", "student", "askd"]) == []
    assert run(compare="student") == []


def test_a_missing_evaluation_is_named(run):
    with pytest.raises(AskdError, match="seed 2"):
        run(seeds=3)
