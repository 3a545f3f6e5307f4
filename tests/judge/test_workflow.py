"""A model behind an endpoint as the judge of a training, in the workflow: from rollouts that are
there already to a student, with student outputs that the training samples anew."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from askd.artifacts import (
    PROMPTS,
    REWARDS,
    ROLLOUTS,
    TRAINED_ON,
    read_table,
    table_from_rows,
    write_table,
)
from askd.config import EndpointJudge
from askd.judge.position_check import PAIRS
from askd.judge.prompts import Pair, both_orders

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-a-very-secret-key"
BASELINE = "5"
ROUND = "results/judged/sums/shared/seed0/round0"
STUDENT = "results/judged/sums/askd/seed0/round1"
BLOCKS = re.compile(r"answer A \w+ =====\n(.*?)\n===== answer B \w+ =====\n(.*?)\n=====", re.S)


def alphabetical(messages: list[dict]) -> str:
    """The answer that comes first in the alphabet is the better one."""
    first, second = BLOCKS.search(messages[0]["content"]).groups()
    return f"[[{'C' if first == second else 'A' if first < second else 'B'}]]"


def reward(text: str) -> float:
    return 0.5 if text == BASELINE else float(text < BASELINE)


@pytest.fixture
def server(serve):
    return serve(alphabetical)


@pytest.fixture
def folder(tmp_path, server, settings, folders, round_, prompt_rows) -> Path:
    """A working directory in which everything up to the rollouts seems to have been made."""
    judge: EndpointJudge = settings(server.url, key_variable="JUDGE_KEY", cache="judge-cache")
    own = [f"own/{name}" for name in ("train.jsonl", "teacher", "student")]
    configuration = {
        "extends": "none",
        "scale": "judged",
        "seeds": 1,
        "rounds": 1,
        "tasks": {
            "sums": {
                "kind": "jsonl",
                **dict.fromkeys(("train", "validation", "test"), own[0]),
                "grader": "judge",
            }
        },
        "models": {"teacher": {"source": own[1]}, "student": {"source": own[2]}},
        "pairs": {"sums": {"label": "S", **{n: n for n in ("teacher", "student")}, "task": "sums"}},
        "benchmarks": {},
        "tables": {},
        "rollout": {"samples_per_prompt": 2, "max_new_tokens": 6},
        "training": {
            "learning_rate": 0.01,
            "steps_per_round": 6,
            "prompts_per_step": 2,
            "refresh_every": 3,
        },
        "judge": judge.model_dump(mode="json"),
    }
    folder = tmp_path / "work"
    models = folder / "results/judged/models"
    for name, source in vars(folders).items():
        shutil.copytree(source, folder / "own" / name)
        shutil.copytree(source, models / name)
        (models / f"{name}.source.json").write_text("{}")
    (folder / own[0]).write_text('{"prompt": "1+1", "reference": {"baseline": "5"}}\n')
    rows = [{**row, "reference": json.dumps({"baseline": BASELINE})} for row in prompt_rows]
    for split in ("train", "validation", "test"):
        path = folder / f"results/judged/data/sums/{split}.parquet"
        write_table(path, table_from_rows(rows, PROMPTS), PROMPTS)
    (folder / ROUND).mkdir(parents=True)
    (folder / "results/judged/sums/preflight.json").write_text("{}")
    shutil.copy(round_.schedule, folder / ROUND / "../schedule.parquet")
    for side in ("teacher", "student"):
        (folder / ROUND / side).mkdir()
        for table in ("rollouts", "scores"):
            shutil.copy(getattr(getattr(round_, side), table), folder / ROUND / side)
    # In the order in which they would have been made.
    stages = ("own", "results/judged/data", "results/judged/models", "results/judged/sums")
    for age, stage in enumerate(stages):
        for path in (folder / stage).rglob("*"):
            late = path.name in ("rollouts.parquet", "scores.parquet")
            os.utime(path, (1e9 + age + late, 1e9 + age + late))
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration))
    # The workflow, which says here what snakemake passes on to jobs elsewhere.
    said = f'include: "{ROOT}/Snakefile"\nprint("declared:", *workflow.envvars)\n'
    (folder / "Snakefile").write_text(said)
    return folder


def snakemake(
    folder: Path, *words: object, configuration: str = "config.yaml", **variables: str
) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", *words, "--configfile", configuration),
            *("--cores", "2", "--rerun-triggers", "mtime"),
        ],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_training_by_the_rewards_of_an_endpoint(folder, server, prompt_rows):
    result = snakemake(folder, f"{STUDENT}/model/manifest.json", JUDGE_KEY=KEY)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "declared: JUDGE_KEY\n" in result.stdout
    # The stages' rewards are the judge's, and so are those of outputs that the training sampled.
    answers = set()
    for side in ("teacher", "student"):
        rollouts = read_table(folder / ROUND / side / "rollouts.parquet", ROLLOUTS).to_pylist()
        answers |= {(row["prompt_id"], row["text"]) for row in rollouts}
        rewards = read_table(folder / ROUND / side / "rewards.parquet", REWARDS).to_pylist()
        assert {row["reward"] for row in rewards} == {0.0, 1.0}
        about = json.loads((folder / ROUND / side / "rewards.judge.json").read_text())
        assert about["model"] == "stub" and about["position_check"]["consistent"] == 1.0
    rows = read_table(folder / STUDENT / "trained_on.parquet", TRAINED_ON).to_pylist()
    assert len(rows) == 2 * 6 * 2 * 2
    assert all(row["reward"] == reward(row["text"]) for row in rows)
    sampled_anew = {(row["prompt_id"], row["text"]) for row in rows} - answers
    assert {reward(text) for _, text in sampled_anew} == {0.0, 1.0}
    # Each question is asked once, by whichever job comes first.
    questions = {row["prompt_id"]: row["messages"][0]["content"] for row in prompt_rows}
    pairs = [Pair(questions[name], text, BASELINE) for name, text in answers | sampled_anew]
    asked = [body["messages"][0]["content"] for body in server.bodies]
    expected = {order[0]["content"] for pair in (*PAIRS, *pairs) for order in both_orders(pair)}
    assert len(asked) == len(expected) and set(asked) == expected
    # No word of the key, neither in results nor in what snakemake keeps.
    assert set(server.keys) == {f"Bearer {KEY}"}
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(".snakemake" in path.parts for path in files)
    assert KEY not in result.stdout + result.stderr
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_missing_key_is_refused_at_the_start_and_only_where_it_is_needed(folder, server):
    """Before the first job, not once models have answered."""
    result = snakemake(folder, f"{STUDENT}/model/manifest.json")
    assert result.returncode == 1 and server.bodies == []
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith(
        "error: judge.key_variable: the environment variable 'JUDGE_KEY' is not"
    )
    assert not (folder / "results/judged/logs").exists()

    # So it is with the key of a server that would sample.
    configuration = yaml.safe_load((folder / "config.yaml").read_text())
    served = {"base_url": server.url, "model": "served", "key_variable": "SERVER_KEY"}
    configuration["rollout"] |= {"engine": "openai", "openai": {"servers": {"teacher": served}}}
    (folder / "served.yaml").write_text(yaml.safe_dump(configuration))
    (folder / ROUND / "teacher/rollouts.parquet").unlink()
    target = f"{ROUND}/teacher/rollouts.parquet"
    result = snakemake(folder, target, configuration="served.yaml")
    assert result.returncode == 1 and server.bodies == []
    assert (
        "error: rollout.openai.servers: the environment variable 'SERVER_KEY' is not"
        in result.stderr
    )
    assert not (folder / "results/judged/logs").exists()

    (folder / f"{ROUND}/../schedule.parquet").unlink()
    result = snakemake(folder, "results/judged/sums/shared/seed0/schedule.parquet")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "declared:\n" in result.stdout and server.bodies == []
