"""The times stage: what each stage cost, from the benchmark files of its jobs."""

from __future__ import annotations

import csv
import json
import os
import textwrap
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from askd.artifacts import write_json, write_text
from askd.errors import AskdError
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid

COLUMNS = ("stage", "jobs", "seconds", "seconds_per_job", "largest_memory_mb")
# What runs behind this stage, or is it; their files are those of an earlier run.
LAST = ("report", "times")
HEADINGS = ("stage", "jobs", "seconds", "seconds per job", "largest memory, MB")


def times(benchmarks: Path, output: Path) -> None:
    """Write the times of the stages below `benchmarks` (STAGE/JOB.tsv) as OUTPUT.{csv,md}, and what
    they took together as OUTPUT.json.

    Seconds of a stage are wall-clock, added up over jobs, of which several may have run at once;
    memory is the largest resident set of a job in MB.
    """
    stages = [stage for stage in measured(benchmarks) if stage.name not in LAST]
    if not stages:
        raise AskdError(f"{benchmarks}: no benchmark files; run the workflow first.")
    rows = [
        (
            stage.name,
            str(stage.jobs),
            f"{stage.seconds:.1f}",
            f"{stage.seconds / stage.jobs:.1f}",
            "" if stage.memory_mb is None else f"{stage.memory_mb:.0f}",
        )
        for stage in sorted(stages, key=lambda stage: -stage.seconds)
    ]
    together = whole_run(stages)
    rows.append(("all", str(together.jobs), f"{together.job_seconds:.1f}", "", ""))
    notes = "\n".join(
        textwrap.fill(note, 100, initial_indent="- ", subsequent_indent="  ")
        for note in together.notes
    )
    write_text(output.with_suffix(".csv"), csv_text(COLUMNS, rows))
    write_json(output.with_suffix(".json"), asdict(together))
    write_text(output.with_suffix(".md"), f"{grid(HEADINGS, rows)}\n\n{notes}\n")


def took(benchmarks: Path, tool: str) -> str:
    """What the jobs of `tool` took, in a sentence; `benchmarks` is the folder of their benchmark
    files, without which it is empty."""
    stages = [stage for stage in measured(benchmarks.parent) if stage.name == benchmarks.name]
    return "".join(
        f"{stage.jobs} job{'s' * (stage.jobs > 1)} of {tool} took {stage.seconds:.0f} seconds in "
        "all, with start-up and loading."
        for stage in stages
    )


@dataclass(frozen=True)
class StageTime:
    """What the jobs of a stage took: seconds in all, the largest resident set of one in MB, and
    start and end of each, in seconds of the clock."""

    name: str
    jobs: int
    seconds: float
    memory_mb: float | None
    ran: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class WholeRun:
    """What all jobs took together.

    A job ended when its benchmark file was written, and began as many seconds before as the file
    says. `wall_clock_seconds` is how long at least one job ran: where a run was resumed, or parts
    of it were made anew, the pauses are none of it, and neither is what a job did before it was
    killed. A copy of a results folder has to keep the times of its files.

    Attributes:
        jobs: number of jobs.
        job_seconds: their seconds, added up.
        wall_clock_seconds: time during which jobs ran.
        jobs_at_once: the most that ran at the same time.
        cores: that the machine lends to this process.
    """

    jobs: int
    job_seconds: float
    wall_clock_seconds: float
    jobs_at_once: int
    cores: int

    @property
    def notes(self) -> list[str]:
        """The numbers in words."""
        return [
            f"Wall-clock time: {self.wall_clock_seconds / 60:.1f} minutes, during which at least "
            f"one job ran, and at most {self.jobs_at_once} at once, on {self.cores} cores. The "
            "time between jobs, and that of jobs that were killed, is none of it.",
            "Seconds are wall-clock of a job, added up over jobs, of which several may have run at "
            f"once: {self.job_seconds / 60:.1f} minutes in all. Tries of a sweep are left out, and "
            "so is the report, which is written last.",
        ]


def read_whole_run(path: Path) -> WholeRun:
    """What the JSON file of this stage says.

    Raises:
        AskdError: the file is missing, or something else.
    """
    try:
        return WholeRun(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise AskdError(f"{path}: not what the times stage writes ({error}).") from error


def whole_run(stages: list[StageTime]) -> WholeRun:
    """What the jobs of `stages` took together."""
    # Of equal times the end goes first: a job that begins as another ends does not run beside it.
    changes = sorted(
        change for stage in stages for start, end in stage.ran for change in ((start, 1), (end, -1))
    )
    running = list(accumulate(change for _, change in changes))
    clock = [time for time, _ in changes]
    return WholeRun(
        jobs=sum(stage.jobs for stage in stages),
        job_seconds=round(sum(stage.seconds for stage in stages), 1),
        wall_clock_seconds=round(
            sum(
                after - before
                for before, after, jobs in zip(clock, clock[1:], running, strict=False)
                if jobs
            ),
            1,
        ),
        jobs_at_once=max(running),
        cores=len(os.sched_getaffinity(0)),
    )


def _is_of_the_sweep(path: Path) -> bool:
    """Whether the job tried settings, sampled for that, or chose; no table shows what it made."""
    return "@" in path.stem or path.stem.endswith("_sweep") or path.parent.name == "tune"


def measured(benchmarks: Path) -> list[StageTime]:
    """The stages below the folder `benchmarks` of which jobs have run, by name; without those of a
    sweep."""
    found = []
    for folder in sorted(path for path in benchmarks.glob("*") if path.is_dir()):
        paths = [path for path in sorted(folder.glob("*.tsv")) if not _is_of_the_sweep(path)]
        jobs = [(path.stat().st_mtime, job) for path in paths for job in _read(path)]
        if not jobs:  # a stage that is running for the first time, as this one may be
            continue
        seconds = [float(job["s"]) for _, job in jobs]
        memory = [float(job["max_rss"]) for _, job in jobs if job["max_rss"] not in ("-", "NA")]
        ran = tuple((end - took, end) for (end, _), took in zip(jobs, seconds, strict=True))
        found.append(
            StageTime(folder.name, len(jobs), sum(seconds), max(memory, default=None), ran)
        )
    return found


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))
