"""Statements, and the verdicts that computed numbers give on them.

A statement has one or more readings, each with the checks that it would have to pass: a number
and a bound. What holds in its place, if something does, is checked in the same way. The verdict is
a function of these numbers and of nothing else.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass

HOLDS = "holds"
CORRECTED = "holds with a correction"
IMPRECISE = "not stated precisely"
FAILS = "does not hold"
VERDICTS = (HOLDS, CORRECTED, IMPRECISE, FAILS)

# Of sums in float64 over an enumerated model that are equal in exact arithmetic.
ROUNDING = 1e-10
_POSITIVE = sys.float_info.min


@dataclass(frozen=True)
class Check:
    """A computed number, and where it has to lie; without bounds it is for information."""

    label: str
    value: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def decides(self) -> bool:
        """Whether there is a bound."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    @property
    def holds(self) -> bool:
        """Whether the number lies within its bounds; NaN does not."""
        return not self.decides or self.low <= self.value <= self.high

    def __str__(self) -> str:
        return f"{self.label}: {self.relation}"

    @property
    def relation(self) -> str:
        """The number, and on which side of its bounds it lies."""
        text = _number(self.value)
        if self.value > self.high:
            return f"{text} > {_number(self.high)}"
        if self.value < self.low:
            return f"{text} <= 0" if self.low == _POSITIVE else f"{text} < {_number(self.low)}"
        if not self.holds:
            return text
        if self.high < math.inf:
            text += f" <= {_number(self.high)}"
        if self.low == _POSITIVE:
            text += " > 0"
        elif self.low > -math.inf:
            text += f" >= {_number(self.low)}"
        return text


def at_most(label: str, value: float, bound: float) -> Check:
    """`value` may not exceed `bound`."""
    return Check(label, float(value), high=bound)


def at_least(label: str, value: float, bound: float) -> Check:
    """`value` must reach `bound`."""
    return Check(label, float(value), low=bound)


def positive(label: str, value: float) -> Check:
    """`value` must be greater than zero."""
    return at_least(label, value, _POSITIVE)


def vanishes(label: str, value: float) -> Check:
    """`value`, a non-negative error, must be zero up to rounding."""
    return at_most(label, value, ROUNDING)


def largest(values: Iterable[float]) -> float:
    """The largest of `values`; NaN if one is, which `max` may overlook."""
    values = list(values)
    return math.nan if any(map(math.isnan, values)) else max(values)


def smallest(values: Iterable[float]) -> float:
    """The smallest of `values`; NaN if one is."""
    return -largest(-value for value in values)


def measured(label: str, value: float) -> Check:
    """`value` decides nothing."""
    return Check(label, float(value))


@dataclass(frozen=True)
class Claim:
    """Something precise enough to be checked.

    Attributes:
        text: what is claimed; of the only reading of a statement, empty.
        checks: what must hold for it.
    """

    text: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether all checks do."""
        return all(check.holds for check in self.checks)

    @property
    def decisive(self) -> Check:
        """The first check that fails; if none does, the first that could."""
        return min(self.checks, key=lambda check: (check.holds, not check.decides))


@dataclass(frozen=True)
class Statement:
    """A statement of the paper or about an estimator.

    Attributes:
        id: where it stands, such as "Eq. 8"; unique.
        text: the statement, in short words.
        readings: what it can mean.
        correction: the statement repaired.
        instead: what holds in its place without being a repair.
    """

    id: str
    text: str
    readings: tuple[Claim, ...]
    correction: Claim | None = None
    instead: Claim | None = None

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        held = [reading.holds for reading in self.readings]
        if all(held):
            return HOLDS
        if any(held):
            return IMPRECISE
        return CORRECTED if self.correction is not None and self.correction.holds else FAILS

    @property
    def what_holds(self) -> str:
        """What holds in place of a statement that does not hold as it is; only what was checked."""
        if self.verdict == HOLDS:
            return ""
        readings = [reading.text for reading in self.readings if reading.holds]
        held = [f"it holds, read as: {', or: '.join(readings)}"] if readings else []
        held += [claim.text for claim in self._remedies.values() if claim.holds]
        return "; ".join(held)

    @property
    def number(self) -> str:
        """Of each reading the one number that decides, in short."""
        return "; ".join(reading.decisive.relation for reading in self.readings)

    @property
    def numbers(self) -> str:
        """The numbers that decide."""
        parts = [_part(reading.text, reading) for reading in self.readings]
        if self.verdict != HOLDS:
            parts += [_part(name, claim) for name, claim in self._remedies.items()]
        return ". ".join(parts)

    @property
    def _remedies(self) -> dict[str, Claim]:
        claims = {"corrected": self.correction, "in its place": self.instead}
        return {name: claim for name, claim in claims.items() if claim is not None}


def printed(*checks: Check) -> tuple[Claim, ...]:
    """The readings of a statement that has just one."""
    return (Claim("", checks),)


def _part(name: str, claim: Claim) -> str:
    text = "; ".join(str(check) for check in claim.checks)
    return f"[{name}] {text}" if name else text


def _number(value: float) -> str:
    """Three digits; of rounding errors, whose digits mean nothing, one."""
    if math.isnan(value):
        return "undefined"
    return f"{value:.0e}" if 0 < abs(value) < ROUNDING else f"{value:.3g}"
