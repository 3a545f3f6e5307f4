"""What trainings used, from small tables of what they trained on."""

from __future__ import annotations

import csv
import json

import pytest

from askd.artifacts import TRAINED_ON, write_table
from askd.config import validated_json
from askd.errors import AskdError
from askd.reporting.budget import BudgetSettings, budget
from askd.training.rows import Row, trained_on

SETTINGS = {
    "pairs": {"p": "Big → Small"},
    "methods": {"sft": "SFT", "both": "Both sides"},
    "trained": [{"pair": "p", "method": "sft"}, {"pair": "p", "method": "both"}],
    "seeds": 2,
    "rounds": 1,
}


def row(side, prompt, tokens, sample=0, **weights):
    return Row(side, prompt, sample, prompt=[], response=[7] * tokens, text="", **weights)


@pytest.fixture
def results(tmp_path):
    """Two steps of each of two seeds, by the number of tokens of each response."""
    for seed in range(2):
        steps = {
            "sft": [(0, row("reference", "a", 3)), (1, row("reference", "b", 5))],
            "both": [
                (0, row("tgo", "a", 4)),
                (0, row("tgo", "a", 2, sample=1)),
                (0, row("sgo", "a", 6)),
                # Left out of the loss; and one that only its outcome keeps there.
                (0, row("sgo", "a", 8, sample=1, kappa=0.0)),
                (1, row("tgo", "b", 4)),
                (1, row("sgo", "b", 10 + 4 * seed, kappa=0.0, outcome=0.5)),
            ],
        }
        for method, rows in steps.items():
            path = tmp_path / f"p/{method}/seed{seed}/round1/trained_on.parquet"
            write_table(path, trained_on(rows), TRAINED_ON)
    return tmp_path


def run(results):
    settings = {**SETTINGS, "results": str(results)}
    budget(validated_json(BudgetSettings, json.dumps(settings)), results / "budget")


def test_outputs_and_tokens_of_a_step_by_hand(results):
    run(results)
    rows = list(csv.reader((results / "budget.csv").open()))
    assert rows == [
        ["pair", "method", "steps", "prompts", "reference", "tgo", "sgo", "tokens_sampled",
         "tokens_trained_on"],
        ["p", "sft", "2", "1", "1", "0", "0", "0", "4"],
        # Of two steps: (4 + 2 + 6 + 8) and (4 + 12) sampled, 8 of them left out.
        ["p", "both", "2", "1", "0", "1.5", "1.5", "18", "14"],
    ]  # fmt: skip
    text = (results / "budget.md").read_text()
    assert "## Big → Small" in text and "| Both sides | 2     |" in text


def test_a_training_that_is_not_there_is_an_error(results):
    (results / "p/sft/seed1/round1/trained_on.parquet").unlink()
    with pytest.raises(AskdError, match=r"seed1/round1/trained_on\.parquet: no such file"):
        run(results)


def test_the_command_needs_no_torch(results, askd_command):
    result = askd_command(
        *("budget", "--settings", json.dumps({**SETTINGS, "results": str(results)})),
        *("--output", results / "budget"),
        python=("-X", "importtime"),
    )
    assert result.returncode == 0, result.stderr
    assert not any(line.endswith(" torch") for line in result.stderr.splitlines())
    assert (results / "budget.csv").is_file() and (results / "budget.md").is_file()
