"""The rollout and score stages: Parquet in, Parquet out, in shards that resume."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from askd.artifacts import (
    PROMPTS,
    ROLLOUTS,
    SCORES,
    read_table,
    table_from_rows,
    write_table,
)
from askd.config import Policy, Rollout
from askd.errors import AskdError
from askd.models.chat import prompt_tokens
from askd.models.folder import (
    LanguageModel,
    check_folder,
    check_same_tokenizer,
    load,
    load_tokenizer,
    read_manifest,
)
from askd.provenance import digest
from askd.rollout import vllm_engine
from askd.rollout.engine import Request, requests, rollouts_schema, sample
from askd.rollout.score import score
from askd.state import resumable

if TYPE_CHECKING:
    from askd.rollout.openai_engine import OpenAiEngine
    from askd.rollout.vllm_engine import VllmEngine


def rollout(
    model_folder: Path,
    prompts_path: Path,
    prompt_ids: list[str] | None,
    settings: Rollout,
    seed: int,
    stream: str,
    output: Path,
    state: Path,
    states: ExitStack,
    policy: Policy | None = None,
    teacher_folder: Path | None = None,
) -> None:
    """Sample responses to the prompts in `prompts_path` (those in `prompt_ids`, in that order).

    With a `policy` the model is a student that samples together with the teacher.

    Every `settings.shard_size` responses a shard is written to `state`; a run that was killed goes
    on behind its last whole shard and ends with the same bytes. The state stays until `states` is
    closed, behind the last seed of a job.

    Raises:
        AskdError: a policy is given without a teacher, or the teacher has another tokenizer.
    """
    if policy is not None and teacher_folder is None:
        raise AskdError(f"{output}: the policy {policy.kind} samples with a teacher; give it.")
    schema = rollouts_schema(policy)
    rows = select_prompts(read_table(prompts_path, PROMPTS).to_pylist(), prompt_ids, prompts_path)
    computed = {
        "code": digest("askd.rollout.stage"),
        "model": read_manifest(model_folder),
        "prompts": rows,
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "stream": stream,
        "policy": None if policy is None else policy.model_dump(mode="json"),
        "teacher": None if policy is None else read_manifest(teacher_folder),
    }
    folder = states.enter_context(resumable(state, computed))
    language_model, sampled_by = _sampler(
        model_folder, settings, seed, stream, policy, teacher_folder
    )
    wanted = requests(language_model, rows, settings.samples_per_prompt)
    shards = []
    for start in range(0, len(wanted), settings.shard_size):
        path = folder / f"shard-{start:09d}.parquet"
        if not path.is_file():
            sampled = sampled_by(wanted[start : start + settings.shard_size])
            write_table(path, table_from_rows(sampled, schema), schema)
            print(f"{start + len(sampled)} of {len(wanted)} responses", flush=True)
        shards.append(read_table(path, schema))
    write_table(output, pa.concat_tables(shards), schema)


def _sampler(
    model_folder: Path,
    settings: Rollout,
    seed: int,
    stream: str,
    policy: Policy | None,
    teacher_folder: Path | None,
) -> tuple[LanguageModel, Callable[[Sequence[Request]], list[dict]]]:
    """The model with its tokenizer, and what samples rows from it; without weights where another
    engine has them."""
    engine = None if policy else _engine(model_folder, settings)
    if engine is not None:
        return engine.language_model, lambda wanted: engine.sample(wanted, seed, stream)
    dtype = settings.dtype or "auto"
    language_model, teacher = load(model_folder, dtype), None
    if policy is not None:
        teacher = load(teacher_folder, dtype)
        check_same_tokenizer(teacher.tokenizer, language_model.tokenizer)
    return language_model, lambda wanted: sample(
        language_model,
        wanted,
        settings,
        seed,
        stream,
        policy,
        teacher,
        progress=sys.stderr.isatty(),
    )


def _engine(
    folder: Path, settings: Rollout, head_chunk: int | None = None
) -> VllmEngine | OpenAiEngine | None:
    """What runs the model in place of transformers; None where transformers runs it.

    With `head_chunk` it is to score, which only a teacher does.
    """
    if settings.engine == "vllm":
        return vllm_engine.engine_of(folder, settings, head_chunk)
    if settings.engine == "openai":
        # Here, since vLLM's environment lacks what it imports.
        from askd.rollout import openai_engine

        if head_chunk is not None or openai_engine.server_of(folder, settings):
            return openai_engine.engine_of(folder, settings)
        print(f"{folder}: rollout.openai.servers names no server of it; transformers samples.")
    return None


def select_prompts(rows: list[dict], prompt_ids: list[str] | None, path: Path | str) -> list[dict]:
    """The rows with `prompt_ids`, in that order; all rows for None.

    Raises:
        AskdError: an id is not in the table.
    """
    if prompt_ids is None:
        return rows
    by_id = {row["prompt_id"]: row for row in rows}
    missing = [prompt_id for prompt_id in prompt_ids if prompt_id not in by_id]
    if missing:
        raise AskdError(f"{path}: no prompt {missing[0]!r}.")
    return [by_id[prompt_id] for prompt_id in prompt_ids]


def score_rollouts(
    teacher_folder: Path,
    student_folder: Path,
    prompts_path: Path,
    rollouts_path: Path,
    settings: Rollout,
    head_chunk: int,
    output: Path,
) -> None:
    """Write the teacher's log-probabilities of the rollouts in `rollouts_path`.

    `settings` say the engine and the size of batches.

    Raises:
        AskdError: teacher and student do not share a tokenizer.
    """
    check_folder(teacher_folder)
    check_same_tokenizer(load_tokenizer(teacher_folder), load_tokenizer(student_folder))
    rollouts = read_table(rollouts_path, ROLLOUTS).to_pylist()
    prompts = {row["prompt_id"]: row for row in read_table(prompts_path, PROMPTS).to_pylist()}
    engine = _engine(teacher_folder, settings, head_chunk)
    if engine is not None:
        responses = _responses(engine.language_model, rollouts, prompts)
        table = _scores(rollouts, engine.score(responses))
    else:
        teacher = load(teacher_folder, settings.dtype or "auto")
        table = score_table(teacher, rollouts, prompts, settings.batch_size, head_chunk)
    write_table(output, table, SCORES)


def score_table(
    teacher: LanguageModel,
    rollouts: list[dict],
    prompts: dict[str, dict],
    batch_size: int,
    head_chunk: int,
) -> pa.Table:
    """The scores table of `rollouts`, whose prompts are found in `prompts` by id.

    Raises:
        AskdError: a rollout's prompt is unknown.
    """
    responses = _responses(teacher, rollouts, prompts)
    logprobs = score(teacher, responses, batch_size, head_chunk, progress=sys.stderr.isatty())
    return _scores(rollouts, logprobs)


def _responses(
    teacher: LanguageModel, rollouts: list[dict], prompts: dict[str, dict]
) -> list[tuple[list[int], list[int]]]:
    """(prompt tokens, response tokens) of each rollout."""
    wanted = list(dict.fromkeys(row["prompt_id"] for row in rollouts))
    tokens = {
        row["prompt_id"]: prompt_tokens(teacher.tokenizer, row["messages"])
        for row in select_prompts(list(prompts.values()), wanted, "prompts")
    }
    return [(tokens[row["prompt_id"]], row["token_ids"]) for row in rollouts]


def _scores(rollouts: list[dict], logprobs: list[list[float]]) -> pa.Table:
    return table_from_rows(
        [
            {**{key: row[key] for key in ("prompt_id", "sample_id")}, "teacher_logprobs": scored}
            for row, scored in zip(rollouts, logprobs, strict=True)
        ],
        SCORES,
    )
