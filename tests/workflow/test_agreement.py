"""Our verdicts beside those of lm-eval and evalplus, as the two tools really give them."""

import csv
import json
import re
from pathlib import Path

import pytest

from askd.artifacts import ITEMS, read_table


@pytest.fixture(scope="module")
def tables(finished, evaluate_python):
    """The tables of the tiny workflow, after `snakemake agreement lm_eval`."""
    environment = finished.folder / ".venv-evaluate"
    if not environment.exists():
        environment.symlink_to(evaluate_python.parents[1])
    result = finished.make("agreement", "lm_eval")
    assert result.returncode == 0, result.stdout + result.stderr
    return finished.folder / "results/tiny/tables"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def verdicts(tables):
    return rows_of(tables / "agreement.csv")


def test_equal_verdicts_or_an_explained_list(verdicts):
    differing = [row for row in verdicts if row["ours"] != row["theirs"]]
    assert [row for row in differing if row["reason"] in ("", "no known reason")] == []
    assert len(differing) < len(verdicts) / 10


def test_all_problems_of_humaneval(verdicts):
    """Some mutants are right as well; half of the inputs (`base`) tell fewer of them apart."""
    passed = {
        (kind, verdict): [
            sum(
                row[side] == "passed"
                for row in verdicts
                if row["benchmark"] == benchmark and row["verdict"] == verdict
            )
            for side in ("ours", "theirs")
        ]
        for kind in ("canonical", "broken", "empty")
        for benchmark in [f"HumanEval, {kind} solutions"]
        for verdict in ("base", "check()")
    }
    assert passed == {
        ("canonical", "base"): [164, 163],  # evalplus 0.3.1 cannot judge HumanEval/32
        ("canonical", "check()"): [164, 163],
        ("broken", "base"): [33, 33],
        ("broken", "check()"): [18, 18],
        ("empty", "base"): [0, 0],
        ("empty", "check()"): [0, 0],
    }


def test_lm_eval_asks_what_we_ask_and_hears_the_same(tables):
    rows = rows_of(tables / "lm_eval.csv")
    assert [(row["system"], row["items"]) for row in rows] == [("teacher", "12"), ("askd", "12")]
    assert [row["equal"] for row in rows] == ["True", "True"]
    assert "2 jobs of lm-eval took " in (tables / "lm_eval.md").read_text()
    for system in ("teacher", "askd"):
        evaluated = tables.parent / "qwen2-math" / system / "seed0/eval"
        ours, theirs = (
            [
                row["text"]
                for row in read_table(path, ITEMS).to_pylist()
                if row["decoding"] == "greedy"
            ]
            for path in (
                evaluated / "arithmetic-easy/items.parquet",
                evaluated / "lm_eval/arithmetic-easy/items.parquet",
            )
        )
        assert theirs == ours
        summary = json.loads((evaluated / "lm_eval/arithmetic-easy/summary.json").read_text())
        assert summary["tool"]["name"] == "lm-eval" and summary["counted"] == {
            "arithmetic-easy": ["exact_match", "flexible-extract"]
        }


def test_evalplus_judges_a_model_as_it_was_fetched(copies):
    """What the documented command runs; the stage itself is in tests/evaluation."""
    project = copies(Path(__file__).resolve().parents[2] / "config/smollm2.yaml")
    result = project.make("--dry-run", "evalplus")
    assert result.returncode == 0, result.stdout + result.stderr
    jobs = re.findall(r"^Job \d+: (.*)$", result.stdout + result.stderr, re.MULTILINE)
    assert set(jobs) == {
        "Fetch smollm2-135m-instruct",
        "Problems of humaneval",
        "evalplus: instruct, teacher",
        "Scores beside evalplus",
    }
