import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq

from askd.artifacts import TRAINED_ON, read_table

RESULTS = Path("results/tiny")


def outputs(folder: Path) -> dict[str, bytes]:
    """Every result by path; logs, times and state differ between runs."""
    root = folder / RESULTS
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
        and path.relative_to(root).parts[0] not in ("logs", "benchmarks", "state")
        and not path.name.startswith((".snakemake", "times."))
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
    methods = ["sft", "gkd", "minillm", "speculative-kd", "distillm2", "askd"]
    assert list(dict.fromkeys(row["method"] for row in rows)) == ["teacher", "student", *methods]
    assert {row["benchmark"] for row in rows} == {"arithmetic-easy", "arithmetic-hard", "average"}
    for row in rows:
        assert float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"])


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
    """kill -9 of a training first, then of everything, then of snakemake alone."""
    project = tiny()
    _run_until_checkpoint(project, "gkd", kill=_kill_training)
    _run_until_checkpoint(project, "askd", kill=_kill_group)
    _run_until_checkpoint(project, "distillm2", kill=_kill_snakemake)
    result = project.make()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "resuming at step" in "".join(
        path.read_text() for path in (project.folder / RESULTS / "logs/train").iterdir()
    )
    theirs, ours = outputs(finished.folder), outputs(project.folder)
    assert sorted(theirs) == sorted(ours)
    assert [name for name in theirs if theirs[name] != ours[name]] == []


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
