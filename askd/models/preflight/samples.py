"""What the checks read and score: plain texts, conversations, and the user's own prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from askd.artifacts import PROMPTS, read_table
from askd.models.chat import prompt_tokens, response_tokens
from askd.models.folder import LanguageModel

TEXTS = {
    "prose": "The sun rises in the east and sets in the west, and the moon follows it.",
    "sums": "2 + 3 = 5, and 5 + 3 = 8, so 2 + 3 + 3 = 8.",
    "code": "def add(first, second):\n    return first + second\n",
}
QUESTION = {"role": "user", "content": "What is 2 + 3?"}
ANSWER = {"role": "assistant", "content": "2 + 3 = 5"}
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
# Of the user's prompts with a response, so many are looked at.
LOOKED_AT = 8


@dataclass(frozen=True)
class OwnPrompts:
    """The user's prompts: one of each sequence of roles and then all, those of most bytes first;
    and some with a response."""

    conversations: list[list[dict]]
    answered: list[dict]


def own_prompts(path: Path | None) -> OwnPrompts:
    """The prompts of a prompts table that are worth a look; none without a table."""
    if path is None:
        return OwnPrompts([], [])
    rows = read_table(path, PROMPTS).to_pylist()
    by_roles = {tuple(turn["role"] for turn in row["messages"]): row for row in rows}
    longest = sorted((row["messages"] for row in rows), key=size_of, reverse=True)
    return OwnPrompts(
        [*(row["messages"] for row in by_roles.values()), *longest],
        [row for row in rows if row["response"]][:LOOKED_AT],
    )


def size_of(messages: list[dict]) -> int:
    """UTF-8 bytes of a conversation's texts, which have no more tokens than that."""
    return sum(len(turn["content"].encode()) for turn in messages)


def scored(
    language_model: LanguageModel, own: Sequence[dict]
) -> dict[str, list[tuple[list[int], list[int]]]]:
    """What the model has to predict, as (prompt tokens, response tokens) by name.

    Of a plain text everything behind its first token is predicted; of a conversation the answer.
    """
    tokenizer = language_model.tokenizer
    items = {}
    for name, text in TEXTS.items():
        tokens = tokenizer.encode(text)
        items[name] = [(tokens[:1], tokens[1:])]
    items["chat"] = [
        (prompt_tokens(tokenizer, [QUESTION]), response_tokens(tokenizer, ANSWER["content"]))
    ]
    if own:
        items["own answers"] = [
            (
                prompt_tokens(tokenizer, row["messages"]),
                response_tokens(tokenizer, row["response"]),
            )
            for row in own
        ]
    return items
