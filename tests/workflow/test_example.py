"""The example of one's own prompts, reward and models, run as its README says."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from askd.artifacts import ITEMS, PROMPTS, read_table

CONFIG = "examples/own/config.yaml"
RESULTS = Path("results/own")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1500,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(folder)},
        check=False,
    )


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    # Arguments come first: a target behind --configfile is read as another file of it.
    return run(folder, f"{sys.prefix}/bin/snakemake", *arguments, "--configfile", CONFIG)


@pytest.fixture(scope="module")
def example(copies) -> Path:
    """A copy of the project in which the example has run to its end."""
    folder = copies().folder
    for result in (run(folder, sys.executable, "examples/own/make_models.py"), snakemake(folder)):
        assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def in_order(example):
    """The reward, as the user wrote it."""
    names: dict = {}
    exec((example / "examples/own/reward.py").read_text(), names)
    return names["in_order"]


def planned(folder: Path) -> set[str]:
    """The rules that a run would run now."""
    result = snakemake(folder, "--dry-run")
    assert result.returncode == 0, result.stdout + result.stderr
    text = result.stdout + result.stderr
    return {message.split(":")[0] for message in re.findall(r"^Job \d+: (.*)$", text, re.MULTILINE)}


def test_the_table_compares_the_methods_by_mean_reward(example):
    systems = yaml.safe_load((example / CONFIG).read_text())["tables"]["methods"]["systems"]
    with (example / RESULTS / "tables/methods.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["benchmark"] == "sort"]
    assert {row["method"] for row in rows} == set(systems)
    means = {(row["method"], row["metric"]): float(row["mean"]) for row in rows}
    assert means["teacher", "sampled"] > 90
    # It has learnt a part, so that there is something to distil and somewhere to go.
    assert 20 < means["student", "sampled"] < 80
    assert max(means[name, "sampled"] for name in systems[2:]) > means["student", "sampled"]
    text = (example / RESULTS / "tables/methods.md").read_text()
    assert "Greedy answers (mean reward)" in text


def test_rewards_are_those_of_the_users_function(example, in_order):
    prompts = read_table(example / RESULTS / "data/sort/test.parquet", PROMPTS).to_pylist()
    asked = {row["prompt_id"]: row["messages"][0]["content"] for row in prompts}
    path = example / RESULTS / "own/student/seed0/eval/sort/items.parquet"
    items = read_table(path, ITEMS).to_pylist()
    rewards = [in_order(asked[item["prompt_id"]], item["text"], None) for item in items]
    assert [item["reward"] for item in items] == rewards
    assert [item["correct"] for item in items] == [reward == 1 for reward in rewards]
    assert len({reward for reward in rewards if 0 < reward < 1}) > 5
    summary = json.loads(path.with_name("summary.json").read_text())
    assert summary["grader"] == "examples.own.reward:in_order"


def test_worked_answers_are_worth_1(example, in_order):
    lines = (example / "examples/own/train.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {in_order(row["prompt"], row["response"], None) for row in rows} == {1.0}


def test_nothing_of_the_nano_scale_is_run(example):
    assert [path.name for path in (example / "results").iterdir()] == ["own"]
    found = {path.name for path in (example / RESULTS).iterdir()}
    assert {"report.html", "times.md", "tables", "own"} <= found
    assert not found & {"claims.md", "figures"}
    assert {path.name for path in (example / RESULTS / "models").iterdir() if path.is_dir()} == {
        "teacher",
        "student",
    }


def test_a_second_run_does_nothing_and_an_edit_of_the_reward_grades_again(example):
    assert planned(example) == set()
    path = example / "examples/own/reward.py"
    text = path.read_text()
    try:
        path.write_text(text + "\n# only a comment\n")
        assert planned(example) == set()
        path.write_text(text.replace("return 0.0", "return 0.1"))
        again = planned(example)
        assert {"Grade", "Train", "Evaluate"} <= again
        assert not again & {"Fetch teacher", "Teacher answers", "Student answers", "Score"}
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("models={teacher: {source: gone}}", "models.teacher.source: no folder gone in"),
        ("tasks={sort: {train: gone.jsonl}}", "tasks.sort.train: no file gone.jsonl in"),
        ("tables={methods: {systems: [skd]}}", "unknown method 'skd'; did you mean 'askd'?"),
        ("benchmarks={sort: {task: srt}}", "unknown task 'srt'; did you mean 'sort'?"),
        ("tasks={sort: {grader: 'gone:f'}}", "gone:f: no file gone.py in"),
        ("extends=nothing", "extends: Input should be 'nano' or 'none'"),
    ],
)
def test_a_bad_configuration_is_one_sentence(example, arguments, sentence):
    result = snakemake(example, "--dry-run", "--config", arguments)
    assert result.returncode != 0
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert sentence in errors[0]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file is empty; expected one JSON object per line."),
        ('{"prompt": "sort b', "line 1 is not JSON"),
        ('{"response": "ab"}\n', "line 1 has no key 'prompt'."),
    ],
)
def test_bad_prompts_are_one_sentence_and_leave_no_table(example, text, sentence):
    (example / "bad.jsonl").write_text(text)
    data = example / "wrong/own/data/sort"
    result = snakemake(
        example,
        "wrong/own/data/sort/train.parquet",
        "--config",
        "results=wrong",
        "tasks={sort: {train: bad.jsonl}}",
    )
    assert result.returncode != 0
    output = result.stdout + result.stderr
    errors = [line for line in output.splitlines() if line.strip().startswith("error: ")]
    assert len(errors) == 1, output
    assert f"bad.jsonl: {sentence}" in errors[0]
    assert not list(data.glob("*.parquet"))
