"""Whether two mathematical answers are equal: plain numbers exactly, all else by math-verify.

math-verify compares values and forms: 1/2, 0.5 and 50% are equal, as are (x+1)^2 and x^2+2x+1.
Decimals are compared with fractions at 6 digits. A formula that is not worked out counts as its
value, so that 12*13 answers what 12*13 is; an equation counts as its right-hand side.
"""

from __future__ import annotations

from collections.abc import Sequence

from askd.mathematics.answers import number
from askd.mathematics.workers import limited

CORRECT, WRONG, UNPARSED = "correct", "wrong", "unparsed"
BAD_REFERENCE = "bad reference"


def compare(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A verdict on each (reference, candidate): CORRECT, WRONG, UNPARSED or TIMEOUT.

    BAD_REFERENCE where it is the reference that cannot be read. Answers are those of
    `askd.mathematics.answers`.

    Raises:
        AskdError: a worker broke (`askd.mathematics.workers`).
    """
    verdicts = dict.fromkeys(pairs)
    for pair in verdicts:
        gold, candidate = map(number, pair)
        if gold and candidate:
            verdicts[pair] = CORRECT if gold.equals(candidate) else WRONG
    rest = [pair for pair, verdict in verdicts.items() if verdict is None]
    if rest:
        verdicts |= zip(rest, limited(_verdict, rest), strict=True)
    return [verdicts[pair] for pair in pairs]


def readable(answers: Sequence[str]) -> list[bool]:
    """Whether each answer can be compared with at all, within the limits of time.

    Raises: as `compare`.
    """
    formulas = [(answer,) for answer in answers if not number(answer)]
    found = dict(zip(formulas, limited(_is_formula, formulas), strict=True)) if formulas else {}
    return [found.get((answer,), True) is True for answer in answers]


# What follows runs in the workers.


def _parse(answer: str) -> list:
    """The formula, and its text; only the text where it could not be read; else nothing."""
    from math_verify import parse

    return parse(answer, parsing_timeout=None)


def _is_formula(answer: str) -> bool:
    return any(not isinstance(part, str) for part in _parse(answer))


def _verdict(reference: str, candidate: str) -> str:
    from math_verify import verify

    if not _is_formula(reference):
        return BAD_REFERENCE
    target = _parse(candidate)
    if verify(_parse(reference), target, timeout_seconds=None):
        return CORRECT
    return WRONG if any(not isinstance(part, str) for part in target) else UNPARSED
