"""From messages and answers to token numbers; chat templates are applied here and nowhere else."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from askd.errors import AskdError
from askd.models.folder import LanguageModel


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict]) -> list[int]:
    """Token numbers of `messages` up to where the assistant's answer begins.

    Raises:
        AskdError: the chat template refuses the messages or is broken; says its own reason.
    """
    try:
        return tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
    except Exception as error:  # a template is a program, and may raise anything
        roles = ", ".join(message["role"] for message in messages)
        raise AskdError(
            f"{tokenizer.name_or_path}: the chat template cannot render messages of the roles "
            f"{roles} ({error}); change the prompts or chat_template.jinja."
        ) from error


def end_tokens(language_model: LanguageModel) -> list[int]:
    """The tokens that end a response: the tokenizer's and those of the generation config."""
    configured = language_model.model.generation_config.eos_token_id
    if configured is None:
        configured = []
    elif isinstance(configured, int):
        configured = [configured]
    return sorted({language_model.tokenizer.eos_token_id, *configured})


def response_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token numbers of a written answer, closed by exactly one end-of-sequence token."""
    return [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]


def response_text(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> str:
    """The text of response tokens, without special tokens."""
    return tokenizer.decode(tokens, skip_special_tokens=True)
