"""Verdicts are functions of the numbers."""

from __future__ import annotations

import math

import pytest

from askd.theory.statements import (
    CORRECTED,
    FAILS,
    HOLDS,
    IMPRECISE,
    Claim,
    Statement,
    at_least,
    at_most,
    largest,
    measured,
    positive,
    printed,
    smallest,
    vanishes,
)

TRUE, FALSE = at_most("x", 1, 2), at_most("y", 3, 2)


def _statement(*readings: tuple, correction=None, instead=None) -> Statement:
    return Statement(
        "Eq. 0",
        "text",
        tuple(Claim(f"reading {number}", checks) for number, checks in enumerate(readings)),
        correction and Claim("the correction", correction),
        instead and Claim("the rest", instead),
    )


@pytest.mark.parametrize(
    ("statement", "verdict", "what_holds"),
    [
        (_statement((TRUE,)), HOLDS, ""),
        (_statement((TRUE, TRUE), correction=(TRUE,)), HOLDS, ""),
        (_statement((TRUE, FALSE)), FAILS, ""),
        (_statement((FALSE,), instead=(TRUE,)), FAILS, "the rest"),
        (_statement((FALSE,), instead=(FALSE,)), FAILS, ""),
        (_statement((FALSE,), correction=(TRUE,)), CORRECTED, "the correction"),
        (_statement((FALSE,), correction=(FALSE,), instead=(TRUE,)), FAILS, "the rest"),
        (
            _statement((FALSE,), (TRUE,), instead=(TRUE,)),
            IMPRECISE,
            "it holds, read as: reading 1; the rest",
        ),
        (_statement((TRUE,), (TRUE,)), HOLDS, ""),
        (_statement((FALSE,), (FALSE,)), FAILS, ""),
    ],
)
def test_verdict(statement, verdict, what_holds):
    """Every combination; what failed its own checks is never said to hold."""
    assert statement.verdict == verdict
    assert statement.what_holds == what_holds


@pytest.mark.parametrize(
    ("check", "holds", "text"),
    [
        (at_most("x", 2, 2), True, "x: 2 <= 2"),
        (at_most("x", 2.001, 2), False, "x: 2 > 2"),
        (at_least("x", 0.12345, 1), False, "x: 0.123 < 1"),
        (at_least("x", 1.5, 1), True, "x: 1.5 >= 1"),
        (positive("x", 0), False, "x: 0 <= 0"),
        (positive("x", 1e-300), True, "x: 1e-300 > 0"),
        (vanishes("x", 1.234e-16), True, "x: 1e-16 <= 1e-10"),
        (vanishes("x", 1e-9), False, "x: 1e-09 > 1e-10"),
        (measured("x", -3), True, "x: -3"),
        (measured("x", math.nan), True, "x: undefined"),
        (vanishes("x", math.nan), False, "x: undefined"),
        (at_least("x", math.nan, 1), False, "x: undefined"),
    ],
)
def test_check(check, holds, text):
    """The printed relation is the true one, and NaN passes nothing."""
    assert check.holds == holds
    assert str(check) == text


def test_numbers():
    """Readings are named; remedies are shown where they are needed."""
    statement = _statement((TRUE,), (FALSE, TRUE), correction=(TRUE,), instead=(FALSE,))
    assert statement.numbers == (
        "[reading 0] x: 1 <= 2. [reading 1] y: 3 > 2; x: 1 <= 2. [corrected] x: 1 <= 2. "
        "[in its place] y: 3 > 2"
    )
    only = Statement("Eq. 0", "text", printed(TRUE), correction=Claim("c", (FALSE,)))
    assert only.numbers == "x: 1 <= 2"


@pytest.mark.parametrize(
    ("readings", "number"),
    [
        ([(TRUE, FALSE)], "3 > 2"),
        ([(measured("z", 5), TRUE, at_most("w", 0, 2))], "1 <= 2"),
        ([(TRUE,), (FALSE, TRUE)], "1 <= 2; 3 > 2"),
        ([(measured("z", math.nan),)], "undefined"),
    ],
)
def test_one_number_of_each_reading(readings, number):
    """Where a check fails it decides, and one without a bound only if there is no other."""
    assert _statement(*readings, correction=(TRUE,)).number == number


@pytest.mark.parametrize("values", [[1.0, math.nan], [math.nan, 1.0]])
def test_extremes_do_not_lose_nan(values):
    """Wherever it stands."""
    assert math.isnan(largest(values)) and math.isnan(smallest(values))
    assert (largest([1, 3, 2]), smallest(iter([3, 1, 2]))) == (3, 1)
