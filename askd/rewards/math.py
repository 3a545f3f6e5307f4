"""The grader of mathematical answers: 1 if the answer of a response equals the reference.

`askd.mathematics.answers` says which part of a text is its answer, and `askd.mathematics.equality`
when two are equal. Reasons are `correct`, `wrong`, `unparsed` (no answer, or none that can be read)
and `timeout` (comparing took too long).
"""

from __future__ import annotations

from collections.abc import Sequence

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.mathematics.answers import reference_answer, response_answer
from askd.mathematics.equality import BAD_REFERENCE, CORRECT, UNPARSED, compare
from askd.rewards.result import Answer, Grade


def grade(answers: Sequence[Answer], _: SandboxSettings) -> tuple[list[Grade], None]:
    """A grade for each answer; no program is run.

    An answer that was cut at the longest response is graded like any other: benchmark tools do so.

    Raises:
        AskdError: a reference has no answer that can be read.
    """
    pairs = [(_reference(answer), response_answer(answer.text)) for answer in answers]
    asked = [pair for pair in pairs if None not in pair]
    verdicts = dict(zip(asked, compare(asked), strict=True))
    reasons = [verdicts.get(pair, UNPARSED) for pair in pairs]
    for answer, reason in zip(answers, reasons, strict=True):
        if reason == BAD_REFERENCE:
            raise _bad_reference(answer)
    return [Grade(float(reason == CORRECT), reason == CORRECT, reason) for reason in reasons], None


def _reference(answer: Answer) -> str:
    reference = reference_answer(answer.reference)
    if reference is None:
        raise _bad_reference(answer)
    return reference


def _bad_reference(answer: Answer) -> AskdError:
    return AskdError(
        f"prompts: the reference {answer.reference[:200]!r} of {answer.prompt_id!r} has no answer "
        "that can be read as mathematics, as grader 'math' needs; correct or leave out the prompt."
    )
