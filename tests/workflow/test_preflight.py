"""Rollouts wait for the check of their pair, and do not depend on its age. Dry runs only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from askd.layout import MODEL_FILES

ROOT = Path(__file__).resolve().parents[2]
PAIR = "results/nano/qwen2-math"
REPORT = f"{PAIR}/preflight.json"
ROLLOUTS = [
    f"{PAIR}/shared/seed0/round0/{side}/rollouts.parquet" for side in ("teacher", "student")
]


@pytest.fixture
def folder(tmp_path):
    """A working directory in which everything up to the rollouts seems to have been made."""
    models = [f"results/nano/models/qwen2-math-{role}" for role in ("teacher", "student")]
    made = [
        [
            f"results/nano/data/arithmetic/{split}.parquet"
            for split in ("train", "validation", "test")
        ],
        [f"{model}/{file}" for model in models for file in MODEL_FILES],
        [f"{model}.metrics.jsonl" for model in models],
        [REPORT, f"{PAIR}/shared/seed0/schedule.parquet"],
        ROLLOUTS,
    ]
    for age, paths in enumerate(made):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("made")
            os.utime(tmp_path / path, (1e9 + age, 1e9 + age))
    return tmp_path


def planned(folder: Path) -> str:
    """What a dry run for the rollouts says."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", *ROLLOUTS, "--snakefile", ROOT / "Snakefile"),
            *("--directory", folder, "--dry-run", "--rerun-triggers", "mtime"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_rollouts_are_not_made_anew_where_the_check_is_newer(folder):
    os.utime(folder / REPORT)
    assert "Nothing to be done" in planned(folder)


def test_rollouts_wait_for_the_check_of_their_pair(folder):
    for path in (REPORT, *ROLLOUTS):
        (folder / path).unlink()
    text = planned(folder)
    assert "Check the pair: qwen2-math" in text
    assert text.index("Check the pair") < text.index("Teacher answers")
