"""How lm-eval's answers ended, which its samples do not say."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

STOP, LENGTH = "stop", "length"


class Ends:
    """`stop` or `length` for each prompt that a model of lm-eval answered.

    It stands where lm-eval has its cache of answers: a model hands each answer to it with its
    prompt, in the order in which it generated them. So what `generated` notes of a batch, the
    answers that follow take up. Greedy answers to equal prompts are equal, and end alike.
    """

    def __init__(self) -> None:
        self._pending: deque[str] = deque()
        self._by_prompt: dict[str, str] = {}

    def generated(self, reached_limit: Iterable[bool]) -> None:
        """Note of each answer of a batch whether it ran into the longest answer."""
        self._pending.extend(LENGTH if reached else STOP for reached in reached_limit)

    def add_partial(self, kind: str, request: tuple, answer: object) -> None:
        """What lm-eval calls with each `answer`; `request` is its prompt and how it was sampled."""
        if kind == "generate_until":
            self._by_prompt[request[0]] = self._pending.popleft()

    def of(self, prompt: str) -> str:
        """How the answer to `prompt` ended."""
        return self._by_prompt[prompt]
