"""From messages and answers to token numbers; chat templates are applied here and nowhere else."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from askd.errors import AskdError


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict]) -> list[int]:
    """Token numbers of `messages` up to where the assistant's answer begins.

    Raises:
        AskdError: the chat template refuses the messages, such as a system message where the model
            knows none.
    """
    return _applied(tokenizer, messages, add_generation_prompt=True, tokenize=True)


def response_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token numbers of a written answer, closed by exactly one end-of-turn token.

    What looks like a special token in `text` is text.
    """
    tokens = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return [*tokens, end_of_turn(tokenizer)]


def response_text(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> str:
    """The text of response tokens, without special tokens."""
    return tokenizer.decode(tokens, skip_special_tokens=True)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends an answer: the first special one that the template writes behind it.

    It need not be the end of sequence: Llama 3 ends a turn with <|eot_id|>, Gemma with
    <end_of_turn>, and base models often end their texts with a token that no chat has. A template
    that writes none behind an answer leaves the end of sequence.
    """
    return _end_of_turn(tokenizer, tokenizer.chat_template)


@lru_cache
def _end_of_turn(tokenizer: PreTrainedTokenizerBase, template: str) -> int:
    answer = "answer"
    messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": answer}]
    rendered = _applied(tokenizer, messages, add_generation_prompt=False, tokenize=False)
    behind = rendered[rendered.rindex(answer) + len(answer) :]
    # The map of special tokens has the end of sequence but not the likes of <|eot_id|>.
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    tokens = tokenizer.encode(behind, add_special_tokens=False)
    return next((token for token in tokens if token in special), tokenizer.eos_token_id)


def _applied(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[dict],
    add_generation_prompt: bool,
    tokenize: bool,
) -> list[int] | str:
    try:
        # The template writes the beginning of sequence itself, if the model has one.
        return tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=add_generation_prompt,
            tokenize=tokenize,
            return_dict=False,
        )
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise AskdError(
            f"{tokenizer.name_or_path}: the chat template refuses messages of the roles {roles} "
            f"({error}); write what a system message says into the user's."
        ) from error
