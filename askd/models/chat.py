"""From messages and answers to token numbers; chat templates are applied here and nowhere else."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict]) -> list[int]:
    """Token numbers of `messages` up to where the assistant's answer begins."""
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )


def response_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token numbers of a written answer, closed by exactly one end-of-sequence token."""
    return [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]


def response_text(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> str:
    """The text of response tokens, without special tokens."""
    return tokenizer.decode(tokens, skip_special_tokens=True)
