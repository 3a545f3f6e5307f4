"""Thousands of programs in one sandbox: what grows, and what is left behind."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psutil
from sandbox_programs import rough

from askd.sandbox import Sandbox, SandboxLimits, SandboxRefused, SandboxSettings

MOST_GROWTH = 20.0
LIMITS = SandboxLimits(wall_seconds=10, cpu_seconds=1)
BATCH = 50


@dataclass(frozen=True)
class Usage:
    """What harness and sandbox hold while no program runs."""

    harness_mib: float
    sandbox_mib: float
    harness_descriptors: int
    sandbox_descriptors: int
    processes: int
    zombies: int
    temporary_files: int


def soak(tiers: list[str], count: int) -> int:
    """Run `count` programs in each tier and print what is used; 1 if it grows, else 0."""
    complaints = []
    with _folders() as folders:
        for tier in tiers:
            try:
                complaints += [f"{tier}: {what}" for what in _soak(tier, count, folders)]
            except SandboxRefused as error:
                print(f"{tier}: left out. {error}")
    for complaint in complaints:
        print(complaint)
    return int(bool(complaints))


@contextmanager
def _folders() -> Iterator[list[Path]]:
    """The temporary folders that are made while the block runs."""
    made: list[Path] = []
    original = tempfile.mkdtemp

    def make(*arguments, **named) -> str:
        made.append(Path(original(*arguments, **named)))
        return str(made[-1])

    tempfile.mkdtemp = make
    try:
        yield made
    finally:
        tempfile.mkdtemp = original


def _soak(tier: str, count: int, folders: list[Path]) -> list[str]:
    programs = rough(count)
    before = _usage(folders)
    wrong: list[str] = []
    with Sandbox(SandboxSettings(limits=LIMITS), tier) as sandbox:
        rows = {"start": _usage(folders)}
        started = time.monotonic()
        for first in range(0, count, BATCH):
            if first >= count // 2 and "middle" not in rows:
                rows["middle"] = _usage(folders)
            batch = programs[first : first + BATCH]
            results = sandbox.run_all([program for program, _ in batch])
            wrong += [
                f"{result.status} and not {status} ({result.reason} {result.detail}): {program}"
                for (program, status), result in zip(batch, results, strict=True)
                if result.status is not status
            ]
        rows["end"] = _usage(folders)
        seconds = time.monotonic() - started
    rows["closed"] = _usage(folders)
    print(f"{tier}: {count} programs in {seconds:.0f} s, {len(wrong)} wrong verdicts")
    _print({"before": before, **rows})
    return wrong + _complaints(before, rows)


def _usage(folders: list[Path]) -> Usage:
    harness = psutil.Process()
    sandbox = harness.children(recursive=True)
    alive = [process for process in sandbox if process.status() != psutil.STATUS_ZOMBIE]
    made = [folder for folder in folders if folder.exists()]
    return Usage(
        harness_mib=harness.memory_info().rss / 2**20,
        sandbox_mib=sum(process.memory_info().rss for process in alive) / 2**20,
        harness_descriptors=harness.num_fds(),
        sandbox_descriptors=sum(process.num_fds() for process in alive),
        processes=len(alive),
        zombies=len(sandbox) - len(alive),
        temporary_files=sum(len([folder, *folder.rglob("*")]) for folder in made),
    )


def _complaints(before: Usage, rows: dict[str, Usage]) -> list[str]:
    start, end, closed = rows["start"], rows["end"], rows["closed"]
    found = []
    for field in fields(Usage):
        grown = getattr(end, field.name) - getattr(start, field.name)
        if grown > (MOST_GROWTH if field.name.endswith("mib") else 0):
            found.append(f"{field.name} grew by {grown:g}")
        left = getattr(closed, field.name) - getattr(before, field.name)
        if left > 0 and not field.name.endswith("mib"):
            found.append(f"{field.name}: {left} left when the sandbox was closed")
    return found


def _print(rows: dict[str, Usage]) -> None:
    table = [["", *(field.name for field in fields(Usage))]]
    for when, usage in rows.items():
        table.append(
            [when, *(f"{x:.1f}" if isinstance(x, float) else str(x) for x in astuple(usage))]
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
