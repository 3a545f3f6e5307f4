"""The times stage: what each stage cost, from the benchmark files of its jobs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from askd.artifacts import write_text
from askd.errors import AskdError

COLUMNS = ("stage", "jobs", "seconds", "seconds_per_job", "largest_memory_mb")


def times(benchmarks: Path, output: Path) -> None:
    """Write the times of the stages below `benchmarks` (STAGE/JOB.tsv) as OUTPUT.{csv,md}.

    Seconds are wall-clock, added up over jobs, of which several may have run at once; memory is
    the largest resident set of a job in MB.
    """
    rows = [
        (
            stage.name,
            str(stage.jobs),
            f"{stage.seconds:.1f}",
            f"{stage.seconds / stage.jobs:.1f}",
            "" if stage.memory_mb is None else f"{stage.memory_mb:.0f}",
        )
        for stage in measured(benchmarks)
    ]
    if not rows:
        raise AskdError(f"{benchmarks}: no benchmark files; run the workflow first.")
    rows.sort(key=lambda row: -float(row[2]))
    rows.append(("all", str(sum(int(row[1]) for row in rows)), _total(rows), "", ""))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_text(output.with_suffix(".csv"), text.getvalue())
    write_text(output.with_suffix(".md"), _markdown(rows))


@dataclass(frozen=True)
class StageTime:
    """What the jobs of a stage took: seconds in all, and the largest resident set of one in MB."""

    name: str
    jobs: int
    seconds: float
    memory_mb: float | None


def _is_of_the_sweep(path: Path) -> bool:
    """Whether the job tried settings, sampled for that, or chose; no table shows what it made."""
    return "@" in path.stem or path.stem.endswith("_sweep") or path.parent.name == "tune"


def measured(benchmarks: Path) -> list[StageTime]:
    """The stages below the folder `benchmarks` of which jobs have run, by name; without those of a
    sweep."""
    found = []
    for folder in sorted(path for path in benchmarks.glob("*") if path.is_dir()):
        paths = [path for path in sorted(folder.glob("*.tsv")) if not _is_of_the_sweep(path)]
        jobs = [job for path in paths for job in _read(path)]
        if not jobs:  # a stage that is running for the first time, as this one may be
            continue
        memory = [float(job["max_rss"]) for job in jobs if job["max_rss"] not in ("-", "NA")]
        seconds = sum(float(job["s"]) for job in jobs)
        found.append(StageTime(folder.name, len(jobs), seconds, max(memory, default=None)))
    return found


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _total(rows: list[tuple[str, ...]]) -> str:
    return f"{sum(float(row[2]) for row in rows):.1f}"


def _markdown(rows: list[tuple[str, ...]]) -> str:
    headings = ("stage", "jobs", "seconds", "seconds per job", "largest memory, MB")
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]

    def line(cells: tuple[str, ...]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |\n"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|\n"
    return line(headings) + rule + "".join(line(row) for row in rows)
