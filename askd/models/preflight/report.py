"""What the checks of a pair found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from askd.errors import AskdError

Verdict = Literal["ok", "note", "refused"]


@dataclass(frozen=True)
class Finding:
    """One check's verdict, with what was found and what to do about it."""

    check: str
    verdict: Verdict
    says: str


@dataclass
class Report:
    """Findings in the order of the checks, and the numbers behind them by name."""

    findings: list[Finding] = field(default_factory=list)
    numbers: dict[str, dict] = field(default_factory=dict)

    def add(self, check: str, verdict: Verdict, says: str) -> None:
        """Add what a check found."""
        self.findings.append(Finding(check, verdict, says))

    @contextmanager
    def refusing(self, check: str) -> Iterator[None]:
        """A block whose AskdError is a refusal of `check`."""
        try:
            yield
        except AskdError as error:
            self.add(check, "refused", str(error))

    @property
    def refused(self) -> list[str]:
        """The checks that refuse the pair."""
        return [finding.check for finding in self.findings if finding.verdict == "refused"]

    def lines(self) -> list[str]:
        """One line per finding."""
        width = max(len(finding.check) for finding in self.findings)
        return [
            f"{finding.verdict:<7}  {finding.check:<{width}}  {finding.says}"
            for finding in self.findings
        ]

    def as_json(self) -> dict:
        """The report as plain data."""
        return {
            "verdict": "refused" if self.refused else "ok",
            "findings": [vars(finding) for finding in self.findings],
            "numbers": self.numbers,
        }
