"""Sets of instructions: the reference holds a baseline answer, with which a judge compares."""

from __future__ import annotations

import json

from askd.tasks.adapters.example import Example, NotGradable, filled, text


def ultrachat(row: dict) -> Example:
    """UltraChat 200k: the first turn of a conversation (`prompt`, `messages`).

    Its answer, by gpt-3.5-turbo, is the worked answer and the baseline as well.
    """
    turns = row["messages"]
    if len(turns) < 2 or (turns[0]["role"], turns[1]["role"]) != ("user", "assistant"):
        raise NotGradable("the conversation does not begin with a user and an assistant")
    answer = filled(turns[1]["content"], "the answer")
    return Example(filled(turns[0]["content"], "the prompt"), _baseline(answer), answer)


def alpaca_eval(row: dict) -> Example:
    """AlpacaEval: `instruction`, and `output` of text-davinci-003 (`generator`)."""
    answer = text(row, "output")
    return Example(text(row, "instruction"), _baseline(answer, row["generator"]))


def prompt_and_answer(row: dict) -> Example:
    """Evol-Instruct and UltraFeedback as DistiLLM-2 evaluates on them: `prompt`, and
    `generated_text` of gpt-3.5-turbo."""
    return Example(text(row, "prompt"), _baseline(text(row, "generated_text")))


def _baseline(answer: str, model: str = "gpt-3.5-turbo") -> str:
    return json.dumps({"baseline": answer, "model": model})
