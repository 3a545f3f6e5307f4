import csv
import os

import pytest

from askd.errors import AskdError
from askd.reporting.times import read_whole_run, times


def benchmark(path, seconds, memory="1.0", end=None):
    """A file as snakemake writes it when a job ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:02\t{memory}\n")
    if end is not None:
        os.utime(path, (end, end))


def test_jobs_of_a_stage_are_added_up(tmp_path):
    for stage, job, seconds, memory in (
        ("train", "a", 2.0, "100.5"),
        ("train", "b", 3.0, "300.0"),
        ("grade", "a", 1.0, "-"),
        # Of a sweep, which is no part of a run.
        ("train", "pair_askd@0.002_round1", 9.0, "900.0"),
        ("grade", "pair_shared_round0_sweep", 9.0, "900.0"),
        ("tune", "pair", 9.0, "900.0"),
        # Behind this stage, from an earlier run.
        ("report", "all", 9.0, "900.0"),
    ):
        path = tmp_path / "benchmarks" / stage / f"{job}.tsv"
        benchmark(path, seconds, memory)
    (tmp_path / "benchmarks/times").mkdir()  # snakemake makes it before the stage has run
    times(tmp_path / "benchmarks", tmp_path / "times")
    rows = list(csv.reader((tmp_path / "times.csv").open()))
    assert rows[1:] == [
        ["train", "2", "5.0", "2.5", "300"],
        ["grade", "1", "1.0", "1.0", ""],
        ["all", "3", "6.0", "", ""],
    ]
    assert "| train |" in (tmp_path / "times.md").read_text()


def test_wall_clock_counts_what_ran_at_once_a_single_time_and_no_pause(tmp_path):
    ran = {
        "train/a": (0, 60),
        "train/b": (10, 50),
        # Begins as the first one ends; then the run was stopped, and resumed.
        "grade/a": (60, 90),
        "grade/b": (900, 960),
    }
    for name, (start, end) in ran.items():
        benchmark(tmp_path / f"benchmarks/{name}.tsv", end - start, end=10_000 + end)
    times(tmp_path / "benchmarks", tmp_path / "times")
    found = read_whole_run(tmp_path / "times.json")
    assert (found.jobs, found.job_seconds, found.wall_clock_seconds) == (4, 190, 150)
    assert found.jobs_at_once == 2 and found.cores >= 1
    text = " ".join((tmp_path / "times.md").read_text().split())
    assert "Wall-clock time: 2.5 minutes" in text and "at most 2 at once" in text


def test_no_benchmark_files_is_an_error(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    with pytest.raises(AskdError, match="run the workflow first"):
        times(tmp_path / "benchmarks", tmp_path / "times")
