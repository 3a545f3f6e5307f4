"""Runs the programs of the audit, and says what each of them did that it must not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askd.config import SandboxLimits, SandboxSettings
from askd.sandbox.audit.canary import Canary
from askd.sandbox.audit.case import Case
from askd.sandbox.audit.monitor import Monitor, processes
from askd.sandbox.audit.programs import (
    crash,
    early_exit,
    files,
    forged_verdict,
    good,
    malformed,
    network,
    reading_tests,
    resources,
    secrets,
    wrong,
)
from askd.sandbox.audit.programs import processes as processes_
from askd.sandbox.program import Program
from askd.sandbox.result import Result, Status
from askd.sandbox.sandbox import Sandbox

CATEGORIES = {
    "wrong": wrong,
    "malformed": malformed,
    "early_exit": early_exit,
    "forged_verdict": forged_verdict,
    "reading_tests": reading_tests,
    "secrets": secrets,
    "files": files,
    "network": network,
    "processes": processes_,
    "resources": resources,
    "crash": crash,
    "good": good,
}
# Tight, so that what runs into them costs little.
LIMITS = SandboxLimits(wall_seconds=2, cpu_seconds=1, memory_mib=256)
# A program, its tests, and for each of them the short-lived process that makes its namespaces.
MORE_PROCESSES = 4
MEMORY_SLACK = 64 << 20
# Seconds: this machine may be busy with other work.
OVERRUN = 3.0


@dataclass(frozen=True)
class Outcome:
    """What became of a case. `violations` says in words what must not have happened."""

    name: str
    category: str
    expected: str
    status: str
    reason: str
    seconds: float
    peak_memory: int
    peak_processes: int
    violations: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether the verdict is not the deserved one."""
        return (self.status == Status.PASSED) != (self.expected == "pass")


def cases() -> dict[str, list[Case]]:
    """The cases by category."""
    return {category: module.CASES for category, module in CATEGORIES.items()}


def run(
    settings: SandboxSettings,
    tier: str | None = None,
    wanted: dict[str, Iterable[Case]] | None = None,
) -> list[Outcome]:
    """Run the cases one after the other in a new sandbox of one worker; LIMITS suit them.

    Raises:
        SandboxRefused: there is no such sandbox here.
    """
    descriptors = _descriptors()
    # The secrets come first: a sandbox that handed the environment on would hand them on.
    with (
        Canary() as canary,
        Sandbox(settings, tier) as sandbox,
        Monitor(sandbox.pids()) as monitor,
    ):
        baseline = processes(monitor.groups)
        outcomes = [
            _run(category, case, sandbox, canary, monitor, baseline)
            for category, members in (wanted or cases()).items()
            for case in members
        ]
        late = canary.damage()
    if _descriptors() != descriptors:
        late.append(f"{_descriptors() - descriptors} files more are open in the harness")
    if orphans():
        late.append(f"{orphans()} processes were not waited for")
    if late:
        outcomes.append(_late(late))
    return outcomes


def _run(
    category: str,
    case: Case,
    sandbox: Sandbox,
    canary: Canary,
    monitor: Monitor,
    baseline: list[tuple[int, str, int]],
) -> Outcome:
    """Run one case; `baseline` are the processes of the sandbox when it is idle."""
    groups = monitor.groups[:]
    monitor.reset()
    started = time.monotonic()
    program = Program(canary.fill(case.source), case.tests, case.name)
    try:
        result, violations = sandbox.run(program), []
    except Exception as error:  # it would end the grading of all other programs
        result = Result(Status.FAILED, "error", "", "", 0.0, 0.0, 0, sandbox.tier)
        violations = [f"the sandbox raised {type(error).__name__}: {error}"]
    seconds = time.monotonic() - started
    violations += canary.damage(f"{result.output}\n{result.detail}")
    violations += _overuse(result, seconds, sandbox.settings.limits, monitor, baseline)
    if left := _left(groups, len(baseline)):
        violations.append(f"{left} processes are left")
    if sandbox.pids() != groups:
        violations.append("the sandbox was started anew")
        monitor.groups = sandbox.pids()
    return Outcome(
        name=case.name,
        category=category,
        expected=case.expected,
        status=str(result.status),
        reason=result.reason,
        seconds=seconds,
        peak_memory=monitor.memory,
        peak_processes=monitor.count,
        violations=tuple(violations),
    )


def _overuse(
    result: Result,
    seconds: float,
    limits: SandboxLimits,
    monitor: Monitor,
    baseline: list[tuple[int, str, int]],
) -> list[str]:
    """What a program took beyond its limits, in words."""
    found = []
    runs = 2 if result.status is Status.TIMEOUT else 1
    if seconds > runs * (limits.wall_seconds + OVERRUN):
        found.append(f"it ran {seconds:.1f} s")
    idle = sum(memory for _, _, memory in baseline)
    if monitor.memory > idle + 2 * (limits.memory_mib << 20) + MEMORY_SLACK:
        found.append(f"{monitor.memory >> 20} MiB were resident")
    if monitor.count > len(baseline) + MORE_PROCESSES:
        found.append(f"there were {monitor.count} processes")
    if len(result.output.encode()) > 4 * (limits.output_kib << 10):
        found.append(f"{len(result.output)} characters of output were kept")
    return found


def _late(damage: list[str]) -> Outcome:
    return Outcome("after all", "files", "fail", "failed", "", 0.0, 0, 0, tuple(damage))


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _left(groups: list[int], allowed: int) -> int:
    """How many processes too many there are, after a moment in which they may end."""
    for _ in range(20):
        found = processes(groups)
        zombies = [number for number, state, _ in found if state == "Z"]
        if len(found) <= allowed and not zombies:
            return 0
        time.sleep(0.02)
    return max(len(found) - allowed, len(zombies))


def orphans() -> int:
    """Children of this process that have ended and were not waited for."""
    own = os.getpid()
    count = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            count += fields[0] == "Z" and int(fields[1]) == own
    return count
