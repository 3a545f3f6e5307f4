"""The transformers rollout engine: many responses to many prompts, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from rich.progress import track
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from askd.artifacts import JOINT_ROLLOUTS, ROLLOUTS
from askd.config import MixturePolicy, Policy, Rollout, SpeculativePolicy
from askd.errors import AskdError
from askd.models.chat import end_of_turn, prompt_tokens, response_text
from askd.models.folder import LanguageModel
from askd.rollout.policies import Mixture, Speculative, TeacherSteps
from askd.rollout.sampler import InverseTransformSampler, Warp, uniforms


@dataclass(frozen=True)
class Request:
    """One response that is wanted."""

    prompt_id: str
    sample_id: int
    prompt: list[int]


def requests(
    language_model: LanguageModel, prompts: Sequence[dict], samples_per_prompt: int
) -> list[Request]:
    """Requests for `samples_per_prompt` responses to each row of a prompts table."""
    return [
        Request(prompt["prompt_id"], sample_id, tokens)
        for prompt in prompts
        for tokens in [prompt_tokens(language_model.tokenizer, prompt["messages"])]
        for sample_id in range(samples_per_prompt)
    ]


def rollouts_schema(policy: Policy | None) -> pa.Schema:
    """The schema of a table of what `sample` gives with `policy`."""
    return ROLLOUTS if policy is None else JOINT_ROLLOUTS


def sample(
    language_model: LanguageModel,
    wanted: Sequence[Request],
    settings: Rollout,
    seed: int,
    stream: str,
    policy: Policy | None = None,
    teacher: LanguageModel | None = None,
    progress: bool = False,
) -> list[dict]:
    """Rows of a rollouts table, one for each request, in the order of the requests.

    With a `policy`, `language_model` is a student that samples together with `teacher`, and the
    rows have its own `student_logprobs` as well.

    Raises:
        AskdError: a prompt leaves no room for `max_new_tokens` in a model's context.
    """
    for model in (language_model, teacher) if policy else (language_model,):
        check_context(model, wanted, settings)
    # Like lengths together: less padding. The sort is stable, so batches are reproducible.
    order = sorted(range(len(wanted)), key=lambda number: len(wanted[number].prompt))
    batches = [
        order[start : start + settings.batch_size]
        for start in range(0, len(order), settings.batch_size)
    ]
    rows: list[dict | None] = [None] * len(wanted)
    for batch in track(batches, description="rollout", disable=not progress):
        sampled = _sample_batch(
            language_model,
            [wanted[number] for number in batch],
            settings,
            seed,
            stream,
            policy,
            teacher,
        )
        for number, row in zip(batch, sampled, strict=True):
            rows[number] = row
    return rows


def check_context(
    language_model: LanguageModel, wanted: Sequence[Request], settings: Rollout
) -> None:
    """Refuse prompts that leave no room for a response in the model's context.

    Raises:
        AskdError: names the longest prompt.
    """
    context = language_model.context
    longest = max(wanted, key=lambda request: len(request.prompt))
    if context is not None and len(longest.prompt) + settings.max_new_tokens > context:
        raise AskdError(
            f"prompt {longest.prompt_id!r} has {len(longest.prompt)} tokens; with "
            f"rollout.max_new_tokens {settings.max_new_tokens} it exceeds the context of "
            f"{language_model.folder} ({context} tokens)."
        )


def _sample_batch(
    language_model: LanguageModel,
    batch: list[Request],
    settings: Rollout,
    seed: int,
    stream: str,
    policy: Policy | None,
    teacher: LanguageModel | None,
) -> list[dict]:
    model, tokenizer, device = language_model.model, language_model.tokenizer, language_model.device
    steps = settings.max_new_tokens
    width = max(len(request.prompt) for request in batch)
    input_ids = torch.full((len(batch), width), tokenizer.pad_token_id)
    attention_mask = torch.zeros_like(input_ids)
    for number, request in enumerate(batch):
        input_ids[number, width - len(request.prompt) :] = torch.tensor(request.prompt)
        attention_mask[number, width - len(request.prompt) :] = 1
    attention_mask = attention_mask.to(device)

    def numbers(stream: str) -> Tensor:
        rows = [uniforms(seed, stream, row.prompt_id, row.sample_id, steps) for row in batch]
        return torch.from_numpy(np.stack(rows)).to(device)

    warp = (settings.temperature, settings.top_p, language_model.vocabulary)
    joint = None
    if isinstance(policy, MixturePolicy):
        joint = Mixture(TeacherSteps(teacher, attention_mask), Warp(*warp), policy.teacher_weight)
    elif isinstance(policy, SpeculativePolicy):
        joint = Speculative(
            TeacherSteps(teacher, attention_mask),
            Warp(*warp),
            policy.top_k,
            numbers(f"{stream} replacement"),
        )
    sampler = InverseTransformSampler(numbers(stream), *warp, joint)
    ends = end_tokens(language_model)
    with torch.inference_mode(), _neutral_generation_config(model):
        output = model.generate(
            input_ids.to(device),
            attention_mask=attention_mask,
            logits_processor=LogitsProcessorList([sampler]),
            generation_config=GenerationConfig(
                max_new_tokens=steps,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=tokenizer.pad_token_id,
            ),
        )
    logprobs = {"sampler_logprobs": torch.stack(sampler.logprobs, dim=1).tolist()}
    if policy is not None:
        logprobs["student_logprobs"] = torch.stack(sampler.student_logprobs, dim=1).tolist()
    return [
        row_of(
            tokenizer,
            request,
            generated,
            ends,
            {name: values[number] for name, values in logprobs.items()},
        )
        for number, (request, generated) in enumerate(
            zip(batch, output[:, width:].tolist(), strict=True)
        )
    ]


def row_of(
    tokenizer: PreTrainedTokenizerBase,
    request: Request,
    generated: list[int],
    ends: Sequence[int],
    logprobs: dict[str, list[float]],
) -> dict:
    """The row of a rollouts table for the tokens that were generated for `request`.

    A response reaches up to its first end token; what follows is padding, and is cut off from the
    columns of `logprobs` too.
    """
    length = next(
        (step + 1 for step, token in enumerate(generated) if token in ends), len(generated)
    )
    tokens = generated[:length]
    return {
        "prompt_id": request.prompt_id,
        "sample_id": request.sample_id,
        "token_ids": tokens,
        "text": response_text(tokenizer, tokens),
        "finish_reason": "stop" if tokens[-1] in ends else "length",
        **{name: values[:length] for name, values in logprobs.items()},
    }


@contextmanager
def _neutral_generation_config(model: PreTrainedModel) -> Iterator[None]:
    """Put the model's own generation config aside: generate would take warping from it."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


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
