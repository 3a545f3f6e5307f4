"""What the sandbox says of a program, and the errors that are not the program's fault."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from askd.errors import AskdError


class Status(StrEnum):
    """The three verdicts on a program."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Result:
    """A verdict.

    `reason` is a short phrase to count by; `detail` and `output` (what the program printed) are
    untrusted text, cut at the limits. `seconds` is wall-clock time, `cpu_seconds` and `peak_memory`
    (bytes, resident) are the program's own.
    """

    status: Status
    reason: str
    detail: str
    output: str
    seconds: float
    cpu_seconds: float
    peak_memory: int
    tier: str

    @property
    def passed(self) -> bool:
        """Whether all tests passed."""
        return self.status is Status.PASSED


class SandboxRefused(AskdError):
    """No tier that the configuration allows works on this machine."""


class SandboxBroken(AskdError):
    """The sandbox failed, twice; nothing is known about the program."""


class BadTests(AskdError):
    """The tests cannot judge any program: the data set is at fault."""
