"""Rates of answers from summaries that are made up."""

import csv
import json
import re

import pytest

from askd.config import Table
from askd.errors import AskdError
from askd.reporting.answers import AnswersSettings, answers

SYSTEMS = ("teacher", "gkd")


def summary(unread, judge=None):
    rates = {"greedy": unread, "sampled": 2 * unread}
    if judge:
        rates = dict.fromkeys(rates)
    return {
        "parse_failures": rates,
        "timeouts": {"greedy": 0.0, "sampled": 0.25},
        "pass_at_k": {"1": 0.5, "4": 0.75, "16": 0.875},
        "judge": judge,
    }


def judged(inconsistent, **changes):
    rates = {
        "inconsistent": inconsistent,
        "invalid": 0.0,
        "first_position": 0.5,
        "length_controlled": {"mean": 0.625, "ci_low": 0.5, "ci_high": 0.75},
    }
    return {"greedy": {**rates, **changes}, "sampled": {**rates, "first_position": 0.75}}


@pytest.fixture
def run(tmp_path):
    """Writes summaries of a pair by seed, and gives the rows of the stage."""
    table = Table(
        title="T", pairs=["one"], systems=list(SYSTEMS), benchmarks=["easy"], compare="gkd"
    )

    def run(summaries):
        for (system, seed), value in summaries.items():
            path = tmp_path / f"results/one/{system}/seed{seed}/eval/easy/summary.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value))
        settings = AnswersSettings(
            tables={"table1": table, "again": table},
            pairs={"one": "Big → Small"},
            benchmarks={"easy": "GSM8K"},
            methods={"gkd": "GKD"},
            seeds=2,
            results=str(tmp_path / "results"),
        )
        answers(settings, tmp_path / "answers")
        with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file)), (tmp_path / "answers.md").read_text()

    return run


def test_rates_are_means_over_seeds_of_each_cell_once(run):
    rows, text = run(
        {("teacher", 0): summary(0.0), ("gkd", 0): summary(0.1), ("gkd", 1): summary(0.3)}
    )
    assert [(row["system"], row["metric"]) for row in rows] == [
        (system, metric) for system in SYSTEMS for metric in ("greedy", "sampled")
    ]
    gkd = {row["metric"]: row for row in rows if row["system"] == "gkd"}
    assert (gkd["greedy"]["unread"], gkd["sampled"]["unread"]) == ("20.00", "40.00")
    assert (gkd["greedy"]["too_slow"], gkd["sampled"]["too_slow"]) == ("0.00", "25.00")
    assert (gkd["greedy"]["k"], gkd["sampled"]["k"]) == ("", "16")
    assert gkd["sampled"]["pass_at_k"] == "87.50"
    assert gkd["greedy"]["inconsistent"] == ""
    assert "## Big → Small" in text and "87.5 (k = 16)" in text
    assert "Contradicted |" not in text


def test_a_judge_has_columns_of_its_own(run):
    runs = {("gkd", seed): summary(0, judged(seed / 10)) for seed in (0, 1)}
    rows, text = run({("teacher", 0): summary(0, judged(0)), **runs})
    gkd = {row["metric"]: row for row in rows if row["system"] == "gkd"}
    assert gkd["greedy"]["inconsistent"] == "5.00"
    assert gkd["sampled"]["first_position"] == "75.00"
    assert gkd["sampled"]["length_controlled"] == "62.50"
    assert (gkd["greedy"]["unread"], gkd["greedy"]["too_slow"]) == ("", "0.00")
    assert re.search(r"\| GKD +\| greedy +\| GSM8K +\| +\| +0.0 +\|", text)
    assert "Contradicted |" in text


@pytest.mark.parametrize(
    ("rate", "of_the_other_seed"),
    [
        ("first_position", "50.00"),  # all verdicts of a seed are ties
        ("inconsistent", "10.00"),  # none of its pairs has two verdicts
        ("length_controlled", "62.50"),  # it has a single prompt
    ],
)
def test_a_share_of_nothing_is_left_out(run, rate, of_the_other_seed):
    rates = {"inconsistent": 0.1}
    nothing, known = (summary(0, judged(**one)) for one in (rates | {rate: None}, rates))
    rows, text = run({("teacher", 0): nothing, ("gkd", 0): nothing, ("gkd", 1): known})
    greedy = {row["system"]: row[rate] for row in rows if row["metric"] == "greedy"}
    assert greedy == {"teacher": "", "gkd": of_the_other_seed}
    assert "Contradicted |" in text


def test_a_summary_that_is_missing_or_of_another_form_is_named(run):
    complete = {("teacher", 0): summary(0), ("gkd", 0): summary(0)}
    with pytest.raises(AskdError, match=r"gkd/seed1/eval/easy/summary\.json: no summary"):
        run(complete)
    with pytest.raises(AskdError, match="one/gkd: the summaries of easy are not what"):
        run({**complete, ("gkd", 1): {"judge": None}})
