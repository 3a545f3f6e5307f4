"""Whether a judge follows the answers or their places: asked before anything else of a run.

Ten pairs of our own, each with an answer that is clearly better, are shown in both orders. A judge
that sees this prefers the same answer in both; one that always says A, or draws, or calls all a
tie, does not. In five pairs the better answer is the shorter one, so that length alone decides
nothing. Such a check is ours and is no part of the paper's protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from askd.config import EndpointJudge
from askd.errors import AskdError
from askd.judge.prompts import Pair
from askd.judge.verdicts import PairVerdict, rates

# Question, better answer, worse answer (which stands as the baseline).
PAIRS = (
    Pair(
        "What is the capital of Japan?",
        "The capital of Japan is Tokyo.",
        "The capital of Japan is Osaka, which lies in the north of the country, near Sapporo.",
    ),
    Pair(
        "How do I boil an egg until the yolk is firm?",
        "Lower the egg into boiling water, let it cook for ten minutes, and cool it in cold water.",
        "In a pan.",
    ),
    Pair("What is 17 * 6?", "17 * 6 = 102.", "17 * 6 = 10 * 6 + 7 * 6 = 50 + 32 = 82."),
    Pair(
        "Decline an invitation to dinner on Friday in one polite sentence.",
        "Thank you so much for the invitation, but I am afraid that I cannot come on Friday.",
        "No, your dinners are boring.",
    ),
    Pair(
        "Translate into French: The cat is sleeping.",
        "Le chat dort.",
        "I could translate this sentence into French for you, but today I do not feel like it.",
    ),
    Pair(
        "Name three renewable sources of energy.",
        "Sunlight, wind and running water.",
        "Three renewable sources of energy are coal, crude oil, and above all natural gas.",
    ),
    Pair(
        "Why does ice float on water?",
        "Ice is less dense than liquid water: frozen molecules form a lattice with more room "
        "between them.",
        "Because ice is heavier than water.",
    ),
    Pair(
        "Write a Python function `largest` that returns the largest number of a list.",
        "def largest(numbers):\n    return max(numbers)",
        "def largest(numbers):\n    # The first number of a list is always its largest one.\n"
        "    return numbers[0]",
    ),
    Pair(
        "Summarise in one sentence: The library is closed for repairs on Monday. It opens again on "
        "Tuesday at nine.",
        "The library is closed for repairs on Monday and opens again on Tuesday at nine.",
        "The library sells old books on Monday.",
    ),
    Pair(
        "My friend has failed an exam and is sad. What can I say?",
        "Say that you are sorry, that one exam does not show what your friend can do, and offer to "
        "look through it together.",
        "Say that it serves your friend right.",
    ),
)


def result_of(verdicts: Sequence[PairVerdict], settings: EndpointJudge) -> dict:
    """What the verdicts on `PAIRS` say of the judge.

    `consistent` is the share of pairs in which it prefers the same answer in both orders, `better`
    that in which this is the better one, and `first_position` as in `askd.judge.verdicts.rates`.

    Raises:
        AskdError: `consistent` lies below `lowest_consistency` of `settings`.
    """
    decided = [v for v in verdicts if v.is_consistent and v.reason != "tie"]
    consistent = len(decided) / len(verdicts)
    first = rates(verdicts)["first_position"]
    if consistent < settings.lowest_consistency:
        place = "no answer at all" if first is None else f"answer A in {first:.0%} of its choices"
        raise AskdError(
            f"judge {settings.model}: it keeps to one answer in both orders in {len(decided)} of "
            f"{len(verdicts)} pairs with a clearly better one, and prefers {place}; "
            f"judge.lowest_consistency = {settings.lowest_consistency:g} asks for a larger share. "
            "Choose another model, or lower judge.lowest_consistency (0 lets any judge pass)."
        )
    return {
        "pairs": len(verdicts),
        "consistent": consistent,
        "better": sum(verdict.score == 1 for verdict in verdicts) / len(verdicts),
        "first_position": first,
        "lowest_consistency": settings.lowest_consistency,
    }
