"""Our verdicts beside those of lm-eval and evalplus, as the two tools really give them."""

import csv
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEED_THE_TOOLS = [
    f"tests/evaluation/test_{name}.py"
    for name in ("agreement", "lm_eval_agreement", "evalplus_agreement")
]


def test_what_needs_the_tools_passes_with_them(evaluate_python):
    result = subprocess.run(
        [evaluate_python, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *NEED_THE_TOOLS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout
    assert "skipped" not in result.stdout


@pytest.fixture(scope="module")
def verdicts(finished, evaluate_python):
    """The rows of `snakemake agreement` for the tiny workflow."""
    environment = finished.folder / ".venv-evaluate"
    if not environment.exists():
        environment.symlink_to(evaluate_python.parents[1])
    result = finished.make("agreement")
    assert result.returncode == 0, result.stdout + result.stderr
    path = finished.folder / "results/tiny/tables/agreement.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_equal_verdicts_or_an_explained_list(verdicts):
    differing = [row for row in verdicts if row["ours"] != row["theirs"]]
    assert [row for row in differing if row["reason"] in ("", "no known reason")] == []
    assert len(differing) < len(verdicts) / 10


def test_all_problems_of_humaneval(verdicts):
    passed = {
        kind: sum(
            row["ours"] == "passed"
            for row in verdicts
            if row["benchmark"] == f"HumanEval, {kind} solutions" and row["verdict"] == "base"
        )
        for kind in ("canonical", "broken", "empty")
    }
    assert passed["canonical"] == 164
    assert passed["empty"] == 0
    assert passed["broken"] < 30
