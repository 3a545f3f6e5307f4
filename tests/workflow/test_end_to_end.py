import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from askd.artifacts import REWARDS, ROLLOUTS, SKEWNESS, TRAINED_ON, read_table
from askd.config import Advantage
from askd.rewards.project import project as project_rewards

RESULTS = Path("results/tiny")
TABLES = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())["tables"]


def outputs(folder: Path) -> dict[str, bytes]:
    """Every result by path; logs, times and state differ between runs, and preflight.json says what
    disk is free."""
    root = folder / RESULTS
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
        and path.relative_to(root).parts[0] not in ("logs", "benchmarks", "state")
        and not path.name.startswith((".snakemake", "times.", "preflight."))
    }


def test_table_has_every_row(finished):
    for kind in ("csv", "md", "tex", "html"):
        assert (finished.folder / RESULTS / f"tables/table2.{kind}").stat().st_size > 0
    with (finished.folder / RESULTS / "tables/table2.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "pair", "method", "benchmark", "metric", "mean", "ci_low", "ci_high", "n_items", "n_seeds",
        "paper",
    ]  # fmt: skip
    assert list(dict.fromkeys(row["method"] for row in rows)) == TABLES["table2"]["systems"]
    assert {row["benchmark"] for row in rows} == {"arithmetic-easy", "arithmetic-hard", "average"}
    for row in rows:
        assert float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"])


def cells(finished, table: str) -> dict[tuple[str, str, str, str], dict[str, str]]:
    with (finished.folder / RESULTS / f"tables/{table}.csv").open() as file:
        return {tuple(row.values())[:4]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_made(finished, table):
    found = cells(finished, table)
    assert {pair for pair, *_ in found} - {"average"} == {
        {"table1": "qwen2-instruct", "table3": "deepseek-coder"}.get(table, "qwen2-math")
    }
    if "systems" in TABLES[table]:
        assert {system for _, system, *_ in found} == set(TABLES[table]["systems"])
    text = " ".join((finished.folder / RESULTS / f"tables/{table}.md").read_text().split())
    assert ("win rate" in text) == (table == "table1")
    assert ("programs tried to fool or to leave it" in text) == (table == "table3")
    assert ("Mean of the pairs" in text) == (table == "table4")
    paper = any(row["paper"] for row in found.values())
    assert paper != ("The paper has no such table." in text) and paper == table.startswith("table")


def test_a_mean_of_one_pair_is_that_pair(finished):
    for (pair, *rest), row in cells(finished, "table4").items():
        if pair == "average":
            own = cells(finished, "table4")["qwen2-math", *rest]
            assert (row["mean"], row["ci_low"]) == (own["mean"], own["ci_low"])


def test_every_report_is_made(finished):
    for name in (
        "claims.csv",
        "claims.md",
        "askd_against_distillm2.csv",
        "askd_against_distillm2.md",
        "figures/figure1.svg",
        "figures/figure2.svg",
        "figures/facts.csv",
        "figures/captions.md",
        "figures/curves-qwen2-math.svg",
        "tables/gradient_variance.csv",
        "tables/theory.csv",
        "tables/budget.md",
        "tables/sandbox_audit.csv",
        "report.html",
        "times.csv",
    ):
        assert (finished.folder / RESULTS / name).stat().st_size > 0, name
    # Nothing was chosen, and the paths of the machine are nobody's business.
    assert not (finished.folder / RESULTS / "tables/sweep.csv").exists()
    assert str(finished.folder) not in (finished.folder / RESULTS / "report.html").read_text()


def test_answers_of_each_task_are_graded_by_its_grader(finished):
    for pair, benchmark, grader in (
        ("qwen2-math", "arithmetic-easy", "arithmetic"),
        ("deepseek-coder", "programs-mbpp", "code"),
        ("qwen2-instruct", "instructions-ultra", "judge"),
    ):
        path = finished.folder / RESULTS / f"{pair}/askd/seed0/eval/{benchmark}/summary.json"
        summary = json.loads(path.read_text())
        assert summary["grader"] == grader
        assert (summary["sandbox"] is not None) == (grader == "code")
        assert all(0 <= value <= 1 for value in summary["reward"].values())


def test_a_method_that_projects_by_itself_reads_the_common_rewards(finished):
    """By the batch: an advantage depends on all outputs of a round, and not on its group alone."""
    pair = finished.folder / RESULTS / "qwen2-math"
    own = pair / "askd-batch/seed0"
    for side, rewards in (
        ("teacher", pair / "shared/seed0/round0/teacher/rewards.parquet"),
        ("student", pair / "shared/seed0/round0/student/rewards.parquet"),
    ):
        assert [path.name for path in (own / "round0" / side).iterdir()] == ["skewness.parquet"]
        skewness = read_table(own / f"round0/{side}/skewness.parquet", SKEWNESS)
        batch = Advantage(normalization="batch")
        expected = project_rewards(read_table(rewards, REWARDS), batch, beta=1.0)
        assert skewness.to_pylist() == expected.to_pylist()
        alphas = {
            (row["prompt_id"], row["sample_id"]): row["alpha"] for row in skewness.to_pylist()
        }
        short = {"teacher": "tgo", "student": "sgo"}[side]
        for row in read_table(own / "round1/trained_on.parquet", TRAINED_ON).to_pylist():
            if row["side"] == short and row["step"] == 0:
                assert row["alpha"] == alphas[row["prompt_id"], row["sample_id"]]


def test_stale_outputs_are_those_of_the_student_at_the_start_of_the_round(finished):
    pair = finished.folder / RESULTS / "qwen2-math"
    for begin in (0, 1):
        own = pair / f"askd-stale/seed0/round{begin}/student"
        rollouts = {
            (row["prompt_id"], row["sample_id"]): row["token_ids"]
            for row in read_table(own / "rollouts.parquet", ROLLOUTS).to_pylist()
        }
        path = pair / f"askd-stale/seed0/round{begin + 1}/trained_on.parquet"
        rows = [r for r in read_table(path, TRAINED_ON).to_pylist() if r["side"] == "sgo"]
        assert {row["step"] for row in rows} == set(range(6))
        for row in rows:
            assert row["response"] == rollouts[row["prompt_id"], row["sample_id"]]
    # The first outputs are those that the others share, which are sampled for one step.
    shared = read_table(pair / "shared/seed0/round0/student/rollouts.parquet", ROLLOUTS)
    first = pair / "askd-stale/seed0/round0/student/rollouts.parquet"
    known = {
        (row["prompt_id"], row["sample_id"]): row["token_ids"]
        for row in read_table(first, ROLLOUTS).to_pylist()
    }
    assert len(shared) * 6 == len(known)
    for row in shared.to_pylist():
        assert row["token_ids"] == known[row["prompt_id"], row["sample_id"]]


def test_times_are_kept_and_printed(finished):
    text = (finished.folder / RESULTS / "times.md").read_text()
    for stage in ("pretrain", "rollout_teacher", "score", "grade", "project", "train", "evaluate"):
        assert stage in text


def test_second_make_does_nothing(finished):
    before = outputs(finished.folder)
    result = finished.make()
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr
    assert outputs(finished.folder) == before


def test_every_round_trains_on_fresh_student_outputs(finished):
    """Each step's student outputs come from another student, and round 1 begins with its tables."""
    seed = finished.folder / RESULTS / "qwen2-math/askd/seed0"
    trained_on = read_table(seed / "round2/trained_on.parquet", TRAINED_ON).to_pylist()
    first = {
        (row["prompt_id"], row["sample_id"]): row["response"]
        for row in trained_on
        if row["side"] == "sgo" and row["step"] == 0
    }
    staged = pq.read_table(seed / "round1/student/rollouts.parquet").to_pylist()
    assert first == {(row["prompt_id"], row["sample_id"]): row["token_ids"] for row in staged}
    steps = {row["step"] for row in trained_on if row["side"] == "sgo"}
    assert steps == set(range(6))
    assert not list((finished.folder / RESULTS / "state").rglob("checkpoint-*"))


def test_a_policy_samples_together_from_the_first_round_on(finished):
    """Outputs of its own in every round, and in every refresh; nobody else has any in round 0."""
    pair = finished.folder / RESULTS / "qwen2-math"
    shared = pq.read_table(pair / "shared/seed0/round0/student/rollouts.parquet")
    assert "student_logprobs" not in shared.column_names
    for method in ("minillm", "speculative-kd"):
        for begin in (0, 1):
            own = pq.read_table(pair / f"{method}/seed0/round{begin}/student/rollouts.parquet")
            assert "student_logprobs" in own.column_names
            path = pair / f"{method}/seed0/round{begin + 1}/trained_on.parquet"
            rows = read_table(path, TRAINED_ON).to_pylist()
            assert {row["side"] for row in rows} == {"sgo"}
            assert all(len(row["student_logprobs"]) == len(row["response"]) for row in rows)
            first = {(row["prompt_id"], row["sample_id"]): row["response"] for row in rows[:8]}
            staged = {(row["prompt_id"], row["sample_id"]): row for row in own.to_pylist()}
            assert first == {key: row["token_ids"] for key, row in staged.items()}
    assert not (pair / "askd/seed0/round0").exists()


def test_killed_run_in_another_folder_ends_with_the_same_bytes(finished, tiny):
    """kill -9 of a training first, then of everything, then of snakemake alone.

    Up to tables of these trainings, which saves the rest of the workflow.
    """
    project = tiny()
    _run_until_checkpoint(project, "gkd", kill=_kill_training)
    _run_until_checkpoint(project, "askd", kill=_kill_group)
    _run_until_checkpoint(project, "distillm2", kill=_kill_snakemake)
    result = project.make(*(str(RESULTS / f"tables/{name}.csv") for name in ("table4", "table5")))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "resuming at step" in "".join(
        path.read_text() for path in (project.folder / RESULTS / "logs/train").iterdir()
    )
    theirs, ours = outputs(finished.folder), outputs(project.folder)
    assert set(ours) <= set(theirs)
    for name in ("tables/table4.csv", "tables/table5.html"):
        assert name in ours
    for method in ("gkd", "askd", "distillm2"):
        assert f"qwen2-math/{method}/seed0/round2/model/model.safetensors" in ours
    assert [name for name in ours if theirs[name] != ours[name]] == []


def _run_until_checkpoint(project, method, kill):
    """Start the workflow, and kill as soon as a training of `method` has a checkpoint."""
    target = str(RESULTS / f"qwen2-math/{method}/seed0/round1/metrics.jsonl")
    process = subprocess.Popen(
        project.command(target),
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    state = project.folder / RESULTS / "state"
    deadline = time.monotonic() + 300
    while not list(state.glob(f"qwen2-math/{method}/seed0/round1/train/checkpoint-*/complete")):
        assert process.poll() is None, f"{method} ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    kill(process.pid)
    process.wait(timeout=120)


def _kill_training(group: int) -> None:
    for pid, command in _processes(group):
        if "askd train" in command and "bash" not in command:
            os.kill(pid, signal.SIGKILL)


def _kill_group(group: int) -> None:
    os.killpg(group, signal.SIGKILL)


def _kill_snakemake(group: int) -> None:
    for pid, command in _processes(group):
        if "bin/snakemake" in command:
            os.kill(pid, signal.SIGKILL)


def _processes(session: int) -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found.append((int(entry.name), b" ".join(words).decode()))
            except (ProcessLookupError, FileNotFoundError):
                continue
    return found
