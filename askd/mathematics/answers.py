r"""Where the answer stands in a text, by one rule for responses and references.

Of a response the last TEXT_LIMIT characters count, and in them

1. the number behind the last `####`, as in GSM8K;
2. else what the last whole `\boxed{...}` (or `\fbox`) holds, as in MATH;
3. else what math-verify finds in the last ANSWER_LIMIT characters: the formula or number behind
   "the answer is" or the like, or the last one.

A reference is an answer by itself, or a worked solution with one of the first two. An answer of
more than ANSWER_LIMIT characters is none: comparing it may take very long.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

TEXT_LIMIT = 2000
ANSWER_LIMIT = 300

_NUMBER = r"[-+]?\s*(?:\\?\$)?\s*(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?<=\d)\s*(?:\\?%)?"
# Not the beginning of something longer, such as 1/2 or the list 1,2.
_HASHES = re.compile(rf"####\s*({_NUMBER})(?![.,]?\d|\s*[/^*:])")
_PLAIN = re.compile(_NUMBER)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*")


class Number(NamedTuple):
    """A plain number; `percent` if it stands before a percent sign."""

    value: Fraction
    percent: bool

    def equals(self, other: Number) -> bool:
        """Exactly; 50% is 50 as well as 0.5, since questions ask for either."""
        if self.percent == other.percent:
            return self.value == other.value
        share, plain = (self, other) if self.percent else (other, self)
        return plain.value in (share.value, share.value / 100)


def response_answer(text: str) -> str | None:
    """The answer of a response as math-verify reads it; None if there is none."""
    text = text[-TEXT_LIMIT:]
    stated = _stated(text)
    answer = _unescaped(text[-ANSWER_LIMIT:]) if stated is None else _delimited(stated)
    return answer if answer.strip() and len(answer) <= ANSWER_LIMIT else None


def reference_answer(text: str) -> str | None:
    """The answer of a reference as math-verify reads it; None if there is none."""
    stated = _stated(text)
    answer = _delimited(text.strip() if stated is None else stated)
    return answer if answer and len(answer) <= ANSWER_LIMIT else None


def number(answer: str) -> Number | None:
    """`answer` if it is nothing but a number, such as -4, 1,234.50, $18 or 50%."""
    if not _PLAIN.fullmatch(answer.strip()):
        return None
    digits = re.sub(r"[^-\d.]", "", answer)
    return Number(Fraction(digits), "%" in answer)


def _stated(text: str) -> str | None:
    """What stands behind the last `####` or in the last whole box; None without either."""
    numbers = _HASHES.findall(text)
    if numbers:
        return numbers[-1]
    for box in reversed(list(_BOX.finditer(text))):
        content = _braced(text, box.end())
        if content is not None:
            return content
    return None


def _braced(text: str, start: int) -> str | None:
    r"""The group at `start`, as TeX reads it; None if it is not closed.

    Without a brace TeX boxes one token, but writers of `\boxed 12$` mean all of the formula.
    """
    if text[start : start + 1] != "{":
        return re.match(r"[^$\n]*", text[start:]).group().strip()
    depth = 0
    for mark in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(mark.group(), 0)
        if depth == 0:
            return text[start + 1 : start + mark.start()]
    return None


def _delimited(answer: str) -> str:
    """`answer` as math-verify reads it whole: plain numbers as they are, all else in a box."""
    answer = answer.strip()
    if not answer or number(answer):
        return _unescaped(answer)
    return f"\\boxed{{{answer}}}"


def _unescaped(text: str) -> str:
    r"""`text` without what math-verify does not read: `\$`, and `\%` with ANTLR's runtime 4.11."""
    return text.replace("\\$", "").replace("\\%", "%")
