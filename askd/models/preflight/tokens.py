"""Checks of the tokens of a pair: tokenizers, ends of responses, chat templates, context."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from askd.config import Rollout
from askd.errors import AskdError
from askd.models.chat import end_tokens, prompt_tokens, text_behind_answer
from askd.models.folder import LanguageModel, tokenizer_differences
from askd.models.preflight.report import Report
from askd.models.preflight.samples import ANSWER, QUESTION, SYSTEM, size_of


def check_tokenizers(report: Report, teacher: LanguageModel, student: LanguageModel) -> None:
    """Compare the tokenizers, and say to how many tokens the heads are cropped."""
    differences = tokenizer_differences(teacher.tokenizer, student.tokenizer)
    for what, sentence in differences.items():
        report.add(f"tokenizers: {what}", "refused", sentence)
    if not differences:
        report.add(
            "tokenizers",
            "ok",
            f"equal: {student.vocabulary} tokens, special tokens, texts and chat templates.",
        )
    widths = [side.model.get_output_embeddings().weight.shape[0] for side in (teacher, student)]
    if "vocabulary" in differences or min(widths) < student.vocabulary:
        return
    if widths == [student.vocabulary] * 2:
        report.add("heads", "ok", f"as wide as the tokenizer, {student.vocabulary}.")
    else:
        report.add(
            "heads",
            "note",
            f"{widths[0]} wide in the teacher and {widths[1]} in the student; both are cropped to "
            f"the {student.vocabulary} tokens of the tokenizer before every softmax.",
        )


def check_ends(report: Report, teacher: LanguageModel, student: LanguageModel) -> None:
    """Compare the tokens that end a response."""
    for role, side in (("teacher", teacher), ("student", student)):
        if side.tokenizer.eos_token_id is None:
            report.add(
                f"{role}: end of sequence",
                "refused",
                f"{side.folder}: the tokenizer has no end-of-sequence token; set eos_token.",
            )
            return
    ours, theirs = end_tokens(teacher), end_tokens(student)
    if ours != theirs:
        report.add(
            "ends of responses",
            "refused",
            f"a response ends with {_names(teacher, ours)} in {teacher.folder} but with "
            f"{_names(student, theirs)} in {student.folder}; give both the same eos_token_id in "
            "generation_config.json, or the student will not stop where its teacher does.",
        )
        return
    report.add("ends of responses", "ok", f"{_names(student, ours)} in both.")
    for role, side in (("teacher", teacher), ("student", student)):
        configured = side.model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        if side.tokenizer.eos_token_id not in listed:
            report.add(
                f"{role}: generation config",
                "note",
                f"{side.folder}: generation_config.json lacks the tokenizer's end of sequence "
                f"{side.tokenizer.eos_token!r}; it ends responses here, but add it to eos_token_id "
                "for other programs.",
            )


def _names(side: LanguageModel, tokens: list[int]) -> str:
    return " or ".join(map(repr, side.tokenizer.convert_ids_to_tokens(tokens)))


def check_chat(report: Report, side: LanguageModel, own: list[list[dict]]) -> int | None:
    """Render conversations; the tokens of the longest prompt, None if the template fails.

    `own` are the user's conversations, which the template has to render; without any it has to
    render one question.
    """
    tokenizer, check = side.tokenizer, "chat template"
    longest = None
    with report.refusing(check):
        tokens = _longest(tokenizer, own or [[QUESTION]])
        _check_turn_end(report, check, side)
        longest = tokens
    if longest is None:
        return None
    for messages in ([SYSTEM, QUESTION], [QUESTION, ANSWER, QUESTION]):
        try:
            prompt_tokens(tokenizer, messages)
        except AskdError as error:
            report.add(check, "note", f"{error} Your prompts must do without.")
    return longest


def _longest(tokenizer: PreTrainedTokenizerBase, conversations: list[list[dict]]) -> int:
    """The tokens of the longest prompt; those that cannot be it are not read."""
    longest, turn = 0, len(prompt_tokens(tokenizer, [QUESTION]))
    for messages in conversations:
        # A turn's text has no more tokens than bytes, and what is around it no more than `turn`.
        if size_of(messages) + turn * len(messages) > longest:
            longest = max(longest, len(prompt_tokens(tokenizer, messages)))
    return longest


def _check_turn_end(report: Report, check: str, side: LanguageModel) -> None:
    """The token behind an assistant's turn is what chat models end with; it has to end responses.

    Raises:
        AskdError: the template cannot render an answer.
    """
    tokenizer = side.tokenizer
    behind = text_behind_answer(tokenizer).lstrip()
    tokens = tokenizer.encode(behind, add_special_tokens=False)
    if not tokens:
        report.add(
            check, "note", f"{side.folder}: it puts nothing behind an answer that could end one."
        )
    elif tokens[0] not in end_tokens(side):
        report.add(
            check,
            "refused",
            f"{side.folder}: the chat template closes an answer with {_names(side, tokens[:1])}, "
            f"but a response ends with {_names(side, end_tokens(side))} only, so the model would "
            "run on; add that token to eos_token_id in generation_config.json.",
        )
    else:
        report.add(check, "ok", f"renders, and closes an answer with {_names(side, tokens[:1])}.")


def check_context(
    report: Report, role: str, side: LanguageModel, prompt: int, max_new_tokens: int
) -> None:
    """Compare the longest prompt and response with the model's context, all in tokens."""
    context = side.context
    needs = f"{prompt} tokens of the longest prompt and {max_new_tokens} new ones"
    if context is None:
        report.add(f"{role}: context", "note", f"{side.folder}: its config names no limit.")
    elif prompt + max_new_tokens > context:
        report.add(
            f"{role}: context",
            "refused",
            f"{side.folder}: {needs} exceed its context of {context}; leave out long prompts "
            "(`longest_prompt` of the task's sources) or lower max_new_tokens.",
        )
    else:
        report.add(f"{role}: context", "ok", f"{needs} fit into {context}.")


def check_room_in_vllm(report: Report, prompt: int, rollout: Rollout) -> None:
    """Compare the longest prompt and response with what vLLM is told to keep room for."""
    room = rollout.vllm.max_model_length
    if rollout.engine != "vllm" or room is None:
        return
    needs = f"{prompt} tokens of the longest prompt and {rollout.max_new_tokens} new ones"
    if prompt + rollout.max_new_tokens > room:
        report.add(
            "room in vLLM",
            "refused",
            f"{needs} exceed rollout.vllm.max_model_length of {room}; raise it, or leave out long "
            "prompts with `longest_prompt` of the task's sources.",
        )
    else:
        report.add("room in vLLM", "ok", f"{needs} fit into {room}.")
