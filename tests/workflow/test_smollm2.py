"""A real language model, from its package to tables: vLLM samples and scores, and lm-eval asks what
we ask."""

import csv
import os
import subprocess
import sys

import pytest

from askd.artifacts import ROLLOUTS, SCORES, read_table

SYSTEMS = ["teacher", "student", "distillm2", "askd"]


@pytest.fixture(scope="module")
def results(copies, vllm_python, evaluate_python, leave_out):
    """Tables of `make smollm2-smoke`: of sums, and by lm-eval; with the environments of these
    tests."""
    folder = copies().folder
    (folder / ".venv-vllm").symlink_to(vllm_python.parents[1])
    (folder / ".venv-evaluate").symlink_to(evaluate_python.parents[1])
    result = subprocess.run(
        [
            *("make", "smollm2-smoke", "ARGUMENTS=-- table2 lm_eval", f"VENV={sys.prefix}"),
            *("-o", f"{sys.prefix}/installed", "-o", ".venv-vllm/installed"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1500,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    if "pip cannot download" in result.stdout + result.stderr:
        leave_out("the package of the model cannot be downloaded")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "results/smollm2-smoke"


def test_every_system_is_in_the_table(results):
    with (results / "tables/table2.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "greedy"]
    assert list(dict.fromkeys(row["method"] for row in rows)) == SYSTEMS
    assert {row["n_items"] for row in rows if row["benchmark"] == "sums"} == {"12"}


def test_lm_eval_and_our_runner_agree_on_a_real_model(results):
    with (results / "tables/lm_eval.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["system"], row["items"], row["equal"]) for row in csv.DictReader(file)]
    assert rows == [("teacher", "12", "True"), ("askd", "12", "True")]


def test_rollouts_are_of_a_real_vocabulary_and_are_scored(results):
    (shared,) = results.glob("*/shared/seed0/round0/student")
    rollouts = read_table(shared / "rollouts.parquet", ROLLOUTS).to_pylist()
    scores = read_table(shared / "scores.parquet", SCORES).to_pylist()
    assert max(token for row in rollouts for token in row["token_ids"]) > 1000
    for row, scored in zip(rollouts, scores, strict=True):
        assert len(scored["teacher_logprobs"]) == len(row["token_ids"]) > 0
        assert max(row["sampler_logprobs"]) <= 0 and max(scored["teacher_logprobs"]) <= 0
