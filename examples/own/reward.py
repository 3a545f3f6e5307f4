"""The reward of the example: how well a response puts the letters of its prompt in order."""

from collections import Counter
from itertools import pairwise


def in_order(prompt: str, response: str, reference: str | None) -> float:
    """Share of the letters that were kept, times the share of neighbours that are in order.

    1 for "sort dbca" and "abcd"; it needs no reference.
    """
    letters = prompt.removeprefix("sort ")
    if len(response) < 2:
        return 0.0
    kept = (Counter(letters) & Counter(response)).total() / max(len(letters), len(response))
    neighbours = list(pairwise(response))
    return kept * sum(first <= second for first, second in neighbours) / len(neighbours)
