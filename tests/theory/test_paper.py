"""The verdicts on the paper, and that they follow what they are computed from."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from askd import objectives
from askd.reporting.claims import read_claims
from askd.theory.example import examples
from askd.theory.paper import (
    gradients,
    lemmas,
    losses,
    modes,
    optimum,
    quality,
    skewness,
    theorem,
    unbiased,
)
from askd.theory.statements import CORRECTED, FAILS, HOLDS, IMPRECISE

VERDICTS = {
    "Abstract: proportional": FAILS,
    "Eq. 2": IMPRECISE,
    "Section 2: modes": IMPRECISE,
    "Section 2: skewness and modes": FAILS,
    "Eq. 5": HOLDS,
    "Eq. 6": CORRECTED,
    "Eq. 7, Algorithm 1": IMPRECISE,
    "Eq. 8": HOLDS,
    "Eq. 9": IMPRECISE,
    "Section 3.1: SKL pulls up": HOLDS,
    "Sections 3.1, 4.2: SRKL pushes down": FAILS,
    "Eq. 10": CORRECTED,
    "Eq. 11: logarithm": CORRECTED,
    "Eq. 11: sum": IMPRECISE,
    "Eq. 11: product": CORRECTED,
    "Section 3.2: magnitudes": CORRECTED,
    "Section 3.2: SKL and alpha": HOLDS,
    "Section 3.2, Figure 1: c": FAILS,
    "Section 3.2: SRKL and alpha": CORRECTED,
    "Section 3.2: range of SRKL": CORRECTED,
    "Section 3.2: ends of SRKL": HOLDS,
    "Eq. 12: derivative": CORRECTED,
    "Eq. 12: range": HOLDS,
    "Eq. 12: uniform": CORRECTED,
    "Figure 2: groups": FAILS,
    "Eq. 13 with Eq. 12": FAILS,
    "Section 4.1: negative loss": IMPRECISE,
    "Section 4.1: full alignment": FAILS,
    "Section 4.1: fixed alpha": FAILS,
    "Theorem 1: factor": CORRECTED,
    "Theorem 1: premise": FAILS,
    "Theorem 1: mu": IMPRECISE,
    "Theorem 1: step size": HOLDS,
    "Theorem 1: rate": IMPRECISE,
    "Theorem 1: loss": FAILS,
    "Theorem 1: uniform": IMPRECISE,
    "Theorem 1: limit": FAILS,
    "Lemma 1: SKL": HOLDS,
    "Lemma 1: SRKL": IMPRECISE,
    "Lemma 2": IMPRECISE,
    "Lemma 3": HOLDS,
    "Section 4.2: zero advantage": HOLDS,
    "Section 4.2: GRPO unbounded": FAILS,
    "Section 4.2: direction": HOLDS,
    "Unbiased: SKL, token": HOLDS,
    "Unbiased: SKL, sequence mixture": HOLDS,
    "Unbiased: SKL, product": FAILS,
    "Unbiased: SKL, full vocabulary": CORRECTED,
    "Unbiased: SRKL, myopic, constant keep": FAILS,
    "Unbiased: SRKL, myopic, constant drop": FAILS,
    "Unbiased: SRKL, reward-to-go, constant keep": CORRECTED,
    "Unbiased: SRKL, reward-to-go, constant drop": CORRECTED,
    "Unbiased: SRKL, whole return": HOLDS,
    "Unbiased: SRKL, sequence mixture, constant keep": HOLDS,
    "Unbiased: SRKL, sequence mixture, constant drop": CORRECTED,
    "Unbiased: SRKL, product": FAILS,
    "Unbiased: SRKL, full vocabulary": FAILS,
    "Unbiased: SKL, outcome (ASKD+)": FAILS,
    "Unbiased: SRKL, outcome (ASKD+)": FAILS,
    "Unbiased: SRKL, ratio": FAILS,
}
# Nothing is said to hold in place of these.
WITHOUT_REMEDY = {"Theorem 1: loss", "Unbiased: SKL, product", "Unbiased: SRKL, product"}


def test_verdicts(table):
    """Each statement of the table, in the order of the paper."""
    assert {id_: statement.verdict for id_, statement in table.items()} == VERDICTS
    assert list(table) == list(VERDICTS)


def test_claims_name_statements_that_are_there():
    claims = read_claims(Path(__file__).parents[2] / "config" / "claims.yaml").claims
    named = {name for claim in claims for name in claim.theory}
    assert named and named <= set(VERDICTS)


def test_what_holds_is_said_where_it_is_needed(table):
    """And nowhere else; the claims in place of a statement pass their own checks."""
    for statement in table.values():
        needed = statement.verdict != HOLDS and statement.id not in WITHOUT_REMEDY
        assert bool(statement.what_holds) == needed, statement.id
        if statement.instead is not None:
            assert statement.instead.holds, statement.id


@pytest.mark.parametrize("id_", VERDICTS)
def test_numbers_decide(table, id_):
    """Numbers within all bounds make a statement hold; any one outside takes that from it."""
    statement = table[id_]

    def moved(inside: bool):
        return tuple(
            replace(
                reading,
                checks=tuple(
                    replace(check, value=_inside(check) if inside else _outside(check))
                    if check.decides
                    else check
                    for check in reading.checks
                ),
            )
            for reading in statement.readings
        )

    assert replace(statement, readings=moved(inside=True)).verdict == HOLDS
    assert replace(statement, readings=moved(inside=False)).verdict in (FAILS, CORRECTED)
    for number, reading in enumerate(moved(inside=True)):
        for place, check in enumerate(reading.checks):
            for value in (_outside(check), math.nan) if check.decides else ():
                checks = list(reading.checks)
                checks[place] = replace(check, value=value)
                readings = list(moved(inside=True))
                readings[number] = replace(reading, checks=tuple(checks))
                assert replace(statement, readings=tuple(readings)).verdict != HOLDS


def _inside(check) -> float:
    return check.high if math.isfinite(check.high) else check.low


def _outside(check) -> float:
    return check.high + 1 if math.isfinite(check.high) else check.low - 1


SHORT = examples(count=2, length=1)
EQUAL = [example.with_student(example.teacher) for example in examples(count=2)]
# Every output is a right answer, or none is: one alpha, and no kappa in the second case.
FLAT = [
    replace(example, correct=torch.zeros_like(example.correct)) for example in examples(count=2)
]


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        # Products, sums over later tokens and mixtures make no difference to a single token.
        (lambda: losses.eq_7(SHORT), HOLDS),
        (lambda: gradients.eq_9(SHORT), HOLDS),
        (lambda: gradients.eq_10(SHORT), HOLDS),
        (lambda: gradients.eq_11_sum(SHORT), HOLDS),
        (lambda: gradients.eq_11_product(SHORT), HOLDS),
        # Nor both conventions of alpha at one half, both logarithms at c = 1, or beta at 1.
        (lambda: losses.eq_6(examples(1), (0.5,)), HOLDS),
        (lambda: gradients.eq_11_logarithm(torch.ones(1, dtype=torch.float64)), HOLDS),
        (lambda: quality.slope((1.0,)), HOLDS),
        (lambda: quality.uniform((1.0,)), HOLDS),
        # Where q = p, c = 1 for every token.
        (lambda: skewness.pushing_down(EQUAL), HOLDS),
        (lambda: skewness.srkl_rises(EQUAL), HOLDS),
        (lambda: skewness.proportional(1.0, 1.0), HOLDS),
        # One alpha and no kappa.
        (lambda: losses.eq_7(FLAT), IMPRECISE),
        (lambda: optimum.negative_values(FLAT), FAILS),
        (lambda: optimum.adaptive_limit(FLAT), HOLDS),
        (lambda: optimum.tilt(FLAT), HOLDS),
        (lambda: optimum.constant_limit(FLAT, steps=1), HOLDS),
        # Groups of one output, and advantages that are not zero or not negative.
        (lambda: quality.clipped(size=1), HOLDS),
        (lambda: quality.zero_advantage((1.0, 0.0, 0.0, 0.0)), FAILS),
        (lambda: quality.direction((0.5,)), FAILS),
        # A convex loss, steps that are too long, one reward, students near the optimum only.
        (lambda: theorem.premise(wave=0.0), HOLDS),
        (lambda: theorem.step_size(allowed=1.5), FAILS),
        (lambda: theorem.rate(SHORT, (0.0, 0.0)), HOLDS),
        (lambda: theorem.monotone(SHORT, (0.1, 0.1)), HOLDS),
        (lambda: theorem.uniform(SHORT, (0.1, 0.1)), HOLDS),
        # An older student that is the student itself, and one that has no prefixes of its own.
        (lambda: unbiased.ratio(examples(1), staleness=0.0), HOLDS),
        (lambda: unbiased.ratio(SHORT), HOLDS),
        # A teacher without modes, and the weights of teacher and student exchanged.
        (lambda: modes.vanilla(rare=0.5), FAILS),
        (lambda: modes.skewed(skl=0.1, srkl=0.9), HOLDS),
        # No c for which the printed logarithm is undefined.
        (lambda: lemmas.lemma_1_reverse(ratios=(0.5, 1.5)), HOLDS),
    ],
)
def test_other_inputs_other_verdicts(table, make, verdict):
    """The verdict of the table is not built in."""
    statement = make()
    assert statement.verdict == verdict
    if statement.id != "Eq. 7, Algorithm 1" or verdict == HOLDS:
        assert table[statement.id].verdict != verdict


@pytest.mark.parametrize("estimator", unbiased.ESTIMATORS, ids=lambda estimator: estimator.name)
def test_unbiasedness_follows_the_quality(estimator):
    """With one alpha only the product and what holds prefixes fixed stay biased."""
    biased = estimator.per_prefix or "product" in estimator.name
    assert unbiased.unbiased(FLAT, estimator).verdict == (FAILS if biased else HOLDS)
    if "product" not in estimator.name:
        assert unbiased.unbiased(_flat(SHORT), estimator).verdict == HOLDS


def _flat(pairs: list) -> list:
    return [replace(example, correct=torch.zeros_like(example.correct)) for example in pairs]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("skew_kl_coefficient", gradients.eq_8),
        ("skew_reverse_kl_coefficient", gradients.eq_9),
        ("surrogate", gradients.eq_5),
    ],
)
def test_the_code_of_training_is_what_is_checked(monkeypatch, name, make):
    """A factor too many in an objective costs a statement its verdict."""
    pairs = examples(count=1)
    before = make(pairs).verdict
    function = getattr(objectives, name)
    monkeypatch.setattr(objectives, name, lambda *args, **options: 2 * function(*args, **options))
    assert make(pairs).verdict == FAILS != before
