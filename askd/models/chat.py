"""From messages and answers to token numbers; chat templates are applied here and nowhere else."""

from __future__ import annotations

from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from askd.errors import AskdError
from askd.models.folder import LanguageModel


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict]) -> list[int]:
    """Token numbers of `messages` up to where the assistant's answer begins.

    Raises:
        AskdError: the chat template refuses the messages, such as a system message where the model
            knows none, or is broken; says its own reason.
    """
    return _applied(tokenizer, messages, add_generation_prompt=True, tokenize=True)


def end_tokens(language_model: LanguageModel) -> list[int]:
    """The tokens that end a response: the tokenizer's, the template's and the generation config's.

    The template's counts also for a base model, whose generation config does not know it.
    """
    tokenizer = language_model.tokenizer
    configured = language_model.model.generation_config.eos_token_id
    if configured is None:
        configured = []
    elif isinstance(configured, int):
        configured = [configured]
    return sorted({tokenizer.eos_token_id, end_of_turn(tokenizer), *configured})


def response_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token numbers of a written answer, closed by exactly one end-of-turn token.

    What looks like a special token in `text` is text. Line breaks that the template has between
    where an answer begins and its text, or its text and the end, belong to the answer, since the
    model has to write them: DeepSeek-Coder's does so.
    """
    before, behind = _line_breaks(tokenizer, tokenizer.chat_template)
    tokens = tokenizer.encode(
        f"{before}{text}{behind}", add_special_tokens=False, split_special_tokens=True
    )
    return [*tokens, end_of_turn(tokenizer)]


def response_text(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> str:
    """The text of response tokens, without special tokens."""
    # Some tokenizers ask for a cleaning up, which takes out spaces that were written.
    return tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends an answer: the first special one that the template writes behind it.

    It need not be the end of sequence: Llama 3 ends a turn with <|eot_id|>, Gemma with
    <end_of_turn>, and base models often end their texts with a token that no chat has. A template
    that writes none behind an answer leaves the end of sequence.
    """
    return _end_of_turn(tokenizer, tokenizer.chat_template)


def text_behind_answer(tokenizer: PreTrainedTokenizerBase) -> str:
    """What the template writes behind an answer.

    Raises:
        AskdError: it cannot render a finished conversation.
    """
    return _finished(tokenizer).rpartition(ANSWER)[2]


QUESTION, ANSWER = "question", "answer"


def _finished(tokenizer: PreTrainedTokenizerBase) -> str:
    messages = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
    return _applied(tokenizer, messages, add_generation_prompt=False, tokenize=False)


# By the template too, since a tokenizer's may be exchanged.
@lru_cache
def _end_of_turn(tokenizer: PreTrainedTokenizerBase, template: str) -> int:
    # The map of special tokens has the end of sequence but not the likes of <|eot_id|>.
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    tokens = tokenizer.encode(text_behind_answer(tokenizer), add_special_tokens=False)
    return next((token for token in tokens if token in special), tokenizer.eos_token_id)


@lru_cache
def _line_breaks(tokenizer: PreTrainedTokenizerBase, template: str) -> tuple[str, str]:
    """Line breaks in front of an answer and behind it, up to the end of the turn."""
    question = [{"role": "user", "content": QUESTION}]
    prompt = _applied(tokenizer, question, add_generation_prompt=True, tokenize=False)
    finished, end = _finished(tokenizer), tokenizer.decode([end_of_turn(tokenizer)])
    before = finished.removeprefix(prompt).rpartition(ANSWER)[0]
    behind, found, _ = text_behind_answer(tokenizer).partition(end)
    return _if_line_breaks(before), _if_line_breaks(behind if found else "")


def _if_line_breaks(text: str) -> str:
    # A space is not written here, since tokenizers put one of their own in front of words.
    return text if text.strip("\n") == "" else ""


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
    except Exception as error:  # a template is a program, and may raise anything
        roles = ", ".join(message["role"] for message in messages)
        raise AskdError(
            f"{tokenizer.name_or_path}: the chat template cannot render messages of the roles "
            f"{roles} ({error}); change the prompts or chat_template.jinja."
        ) from error
