"""Rollouts wait for the check of their pair, and do not depend on its age. No job is run."""

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


def snakemake(folder: Path, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", *ROLLOUTS, "--snakefile", ROOT / "Snakefile"),
            *("--directory", folder, "--cores", "1", "--rerun-triggers", "mtime", *words),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def planned(folder: Path) -> str:
    """What a dry run for the rollouts says."""
    result = snakemake(folder, "--dry-run")
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


def test_a_run_that_cannot_sample_is_refused_at_its_start_but_can_be_planned(folder):
    """Before the first job, not once models are trained."""
    for path in ROLLOUTS:
        (folder / path).unlink()
    without = ("--config", 'rollout={"engine": "vllm", "vllm": {"python": "nowhere/python"}}')
    assert snakemake(folder, "--dry-run", *without).returncode == 0
    result = snakemake(folder, *without)
    assert result.returncode == 1
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: rollout.vllm.python: no interpreter ")
    assert error.endswith(
        "nowhere/python; make it with `make vllm-env`, or set rollout.engine: transformers."
    )
    assert not (folder / ROLLOUTS[0]).exists()
