import csv

import pytest

from askd.errors import AskdError
from askd.reporting.times import times


def test_jobs_of_a_stage_are_added_up(tmp_path):
    for stage, job, seconds, memory in (
        ("train", "a", 2.0, "100.5"),
        ("train", "b", 3.0, "300.0"),
        ("grade", "a", 1.0, "-"),
        # Of a sweep, which is no part of a run.
        ("train", "pair_askd@0.002_round1", 9.0, "900.0"),
        ("grade", "pair_shared_round0_sweep", 9.0, "900.0"),
        ("tune", "pair", 9.0, "900.0"),
    ):
        path = tmp_path / "benchmarks" / stage / f"{job}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:02\t{memory}\n")
    (tmp_path / "benchmarks/times").mkdir()  # snakemake makes it before the stage has run
    times(tmp_path / "benchmarks", tmp_path / "times")
    rows = list(csv.reader((tmp_path / "times.csv").open()))
    assert rows[1:] == [
        ["train", "2", "5.0", "2.5", "300"],
        ["grade", "1", "1.0", "1.0", ""],
        ["all", "3", "6.0", "", ""],
    ]
    assert "| train |" in (tmp_path / "times.md").read_text()


def test_no_benchmark_files_is_an_error(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    with pytest.raises(AskdError, match="run the workflow first"):
        times(tmp_path / "benchmarks", tmp_path / "times")
