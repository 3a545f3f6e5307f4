"""The default workflow itself, as `make` runs it, with one seed and fewer rows to save time."""

import csv
import xml.etree.ElementTree as ElementTree
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
    result = project.make()
    assert result.returncode == 0, result.stdout + result.stderr
    print(result.stdout)
    return project


@pytest.fixture(scope="module")
def tables(nano) -> dict[str, dict]:
    """The tables of the configuration that was run."""
    tables = yaml.safe_load((nano.folder / "config/config.yaml").read_text())["tables"]
    fewer = yaml.safe_load(OVERLAY.read_text())["tables"]
    return {name: table | fewer.get(name, {}) for name, table in tables.items()}


def rows_of(nano, name: str) -> list[dict[str, str]]:
    with (nano.folder / RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells(nano, table: str) -> dict[tuple[str, str, str, str], dict[str, str]]:
    return {
        (row["pair"], row["method"], row["benchmark"], row["metric"]): row
        for row in rows_of(nano, f"tables/{table}.csv")
    }


def test_every_cell_of_every_table_is_there(nano, tables):
    assert {"table1", "table2", "table3", "table4", "table5"} <= set(tables)
    for name, table in tables.items():
        found = cells(nano, name)
        groups = [*table["pairs"], *(["average"] if table.get("average_pairs") else [])]
        assert set(found) == {
            (pair, system, benchmark, metric)
            for pair in groups
            for system in table["systems"]
            for benchmark in (*table["benchmarks"], "average")
            for metric in ("greedy", "sampled")
        }
        for (_, system, _, _), row in found.items():
            assert row["n_seeds"] == ("1" if system in UNTRAINED else str(SEEDS))
            assert 0 <= float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"]) <= 100
        for ending in ("md", "tex", "html"):
            assert (nano.folder / RESULTS / f"tables/{name}.{ending}").stat().st_size > 0


def test_tables_of_the_paper_show_its_numbers(nano, tables):
    for name, table in tables.items():
        shown = [row for row in cells(nano, name).values() if row["paper"]]
        assert bool(shown) == ("paper" in table)


def test_every_report_is_made(nano):
    for figure in ("figure1", "figure2", "curves"):
        ElementTree.parse(nano.folder / RESULTS / f"figures/{figure}.svg")
    for name in ("claims.csv", "tables/theory.csv", "tables/gradient_variance.csv", "times.csv"):
        assert rows_of(nano, name)
    audit = rows_of(nano, "tables/sandbox_audit.csv")
    assert [row for row in audit if row["violations"]] == []
    assert [r for r in audit if (r["status"] == "passed") != (r["expected"] == "pass")] == []
    page = (nano.folder / RESULTS / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert str(nano.folder) not in page


def test_the_page_of_the_sweep_follows_what_was_chosen(nano):
    """The settings that ship were chosen; without them there is no such table."""
    tries = nano.folder / "config/tuned/nano.csv"
    for ending in ("csv", "md"):
        made = nano.folder / RESULTS / f"tables/sweep.{ending}"
        assert made.exists() == tries.exists()


def test_teachers_and_students_are_what_the_test_beds_need(nano):
    found = cells(nano, "table2")

    def mean(pair, system, metric="sampled"):
        return float(found[pair, system, "average", metric]["mean"])

    assert 70 <= mean("qwen2-math", "teacher") <= 95
    for pair in ("qwen2-math", "qwen2.5-math"):
        assert 15 <= mean(pair, "student") <= 65
    # Errors that are noise vanish from greedy answers; systematic ones do not.
    assert mean("qwen2-math", "teacher", "greedy") > 90
    assert mean("qwen2.5-math", "teacher", "greedy") < mean("qwen2-math", "teacher", "greedy") - 10
    for table, pair in (("table1", "qwen2-instruct"), ("table3", "deepseek-coder")):
        other = cells(nano, table)
        teacher, student = (
            float(other[pair, system, "average", "sampled"]["mean"]) for system in UNTRAINED
        )
        assert teacher > student


@pytest.mark.parametrize(
    ("table_name", "pair"),
    [
        ("table1", "qwen2-instruct"),
        ("table2", "qwen2-math"),
        ("table3", "deepseek-coder"),
    ],
)
def test_some_distillation_method_beats_the_student(nano, tables, table_name, pair):
    """By sampled answers, paired by item, with an interval above zero, where the teacher errs by
    noise; imitating a teacher that is systematically wrong need not help."""
    benchmarks = tables[table_name]["benchmarks"]
    methods = [
        name for name in ("gkd", "distillm2", "askd") if name in tables[table_name]["systems"]
    ]
    table = Table(
        title="",
        pairs=[pair],
        systems=["student", *methods],
        benchmarks=benchmarks,
        compare="askd",
    )
    outcomes = load(table, seeds=SEEDS, results=nano.folder / RESULTS)
    student = outcomes.of([pair], "student", benchmarks, "sampled")
    lows = {
        method: average_paired_difference(
            outcomes.of([pair], method, benchmarks, "sampled"), student
        ).ci_low
        for method in methods
    }
    assert max(lows.values()) > 0, lows
