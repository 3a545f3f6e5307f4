"""What the jobs of a round do with models: they sample, score and train.

`where` has what Snakemake's wildcards have for the job: `pair`, `round`, and further parts of its
folder, which are `side` and `run` of a table, and `method` of a training.
"""

from __future__ import annotations

import math
from dataclasses import replace

from askd.config import Rollout
from askd.layout import Layout
from askd.models.preflight.memory import BYTES, HEAD_COPIES
from askd.reporting.plan import costs
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import CHECKPOINTS, GIB, ROLLOUT_BYTES, Job

# Bytes of a scored token on disk.
SCORE_BYTES = 4
# Of a token that was trained on: its number, three log-probabilities, and some text.
TRAINED_ON_BYTES = 20
# What vLLM takes on a CPU when it is told nothing.
VLLM_CPU_CACHE_GIB = 2


def responses_of(inputs: Inputs, layout: Layout, where) -> int:
    """Responses of a side of a round, for one seed."""
    training = inputs.config.section("training", where.pair)
    steps = layout.window(where) if where.side == "student" else training.steps_per_round
    samples = inputs.config.section("rollout", where.pair).samples_per_prompt
    return inputs.prompts(where.pair, steps) * samples


def sampling_job(inputs: Inputs, layout: Layout, where, name: str) -> Job:
    """The sampling of a side of a round, for one seed."""
    config, own = inputs.config, inputs.config.pairs[where.pair]
    rollout, lengths = config.section("rollout", where.pair), inputs.lengths[own.task]
    responses = responses_of(inputs, layout, where)
    method = layout.method_of(where)
    mixes = where.side == "student" and method is not None and method.policy is not None
    is_trained = where.side == "student" and int(where.round) > 0
    model = own.teacher if where.side == "teacher" else own.student
    engine = "transformers" if mixes else _engine(rollout, None if is_trained else model)
    job = Job(
        f"rollout_{where.side}",
        name,
        where.pair,
        sampled=responses * lengths.response,
        disk=responses * lengths.response * ROLLOUT_BYTES,
    )
    if engine == "openai":
        return replace(job, served=True, reckoned=False)
    kept = [(model, "float32" if is_trained else inputs.dtype_of(model))]
    kept += [(own.teacher, inputs.dtype_of(own.teacher))] if mixes else []
    models = [(inputs.size(name), rollout.dtype or dtype) for name, dtype in kept]
    work = sum(
        costs.sampling(size, responses, lengths.prompt, lengths.response) for size, _ in models
    )
    longest = lengths.prompt + rollout.max_new_tokens
    if engine == "vllm":
        ((size, _),) = models
        memory = _vllm_memory(size, rollout.batch_size, longest, rollout, config.gpus)
        return replace(job, sampling=work, memory=memory)
    memory = sum(
        costs.sampling_memory(size, rollout.batch_size, longest, dtype) for size, dtype in models
    )
    return replace(job, sampling_transformers=work, memory=memory)


def scoring_job(inputs: Inputs, layout: Layout, where, name: str) -> Job:
    """The teacher's scoring of a side's responses, for one seed."""
    config, own = inputs.config, inputs.config.pairs[where.pair]
    teacher, lengths = inputs.size(own.teacher), inputs.lengths[own.task]
    rollout, training = (config.section(key, where.pair) for key in ("rollout", "training"))
    responses = responses_of(inputs, layout, where)
    job = Job("score", name, where.pair, disk=responses * lengths.response * SCORE_BYTES)
    engine = _engine(rollout, own.teacher)
    if engine == "openai":
        return replace(job, served=True, reckoned=False)
    if engine == "vllm":
        longest = lengths.prompt + rollout.max_new_tokens
        memory = _vllm_memory(teacher, training.head_chunk, longest, rollout, config.gpus)
    else:
        head = HEAD_COPIES * training.head_chunk * teacher.architecture.vocab_size * 4
        memory = teacher.parameters * BYTES[rollout.dtype or inputs.dtype_of(own.teacher)] + head
    scoring = costs.forward(teacher, responses, lengths.prompt + lengths.response)
    return replace(job, scoring=scoring, memory=memory)


def training_job(inputs: Inputs, layout: Layout, where) -> Job:
    """The training of a round, for one seed."""
    own, rollout = inputs.config.pairs[where.pair], inputs.config.section("rollout", where.pair)
    teacher, student = inputs.size(own.teacher), inputs.size(own.student)
    lengths = inputs.lengths[own.task]
    method, training = layout.method_of(where), layout.training_of(where)
    steps, tokens = training.steps_per_round, lengths.prompt + lengths.response
    per_step = {
        side: training.prompts_per_step * (1 if side == "reference" else samples)
        for side, samples in dict.fromkeys(method.terms, rollout.samples_per_prompt).items()
    }
    texts = steps * sum(per_step.values())
    read = steps * sum(
        per_step[side] for side, term in method.terms.items() if term.full_vocabulary
    )
    # Windows behind the first sample student outputs anew.
    window = layout.window(where)
    fresh = 0
    if "sgo" in method.terms:
        windows = math.ceil(steps / window) - 1
        fresh = windows * inputs.prompts(where.pair, window) * rollout.samples_per_prompt
    scored = fresh if method.is_sampled("sgo") else 0
    samplers = [student, teacher] if method.policy else [student]
    graded = fresh if method.uses_rewards("sgo") else 0
    loads_teacher = method.needs_teacher_model or (fresh and (method.policy or scored))
    lora, trained = training.lora, student.parameters
    if lora is not None:
        trained = student.adapters(lora)
    return Job(
        "train",
        f"{where.pair}_{where.method}_round{where.round}",
        where.pair,
        sampled=fresh * lengths.response,
        trained=texts * tokens,
        sampling_transformers=sum(
            costs.sampling(model, fresh, lengths.prompt, lengths.response) for model in samplers
        ),
        scoring=costs.forward(teacher, read + scored, tokens),
        training=costs.training(
            student, texts, tokens, lora is not None, training.gradient_checkpointing
        ),
        memory=costs.training_memory(
            student,
            teacher if loads_teacher else None,
            min(training.micro_batch_size, sum(per_step.values())),
            lengths.prompt + rollout.max_new_tokens,
            training.head_chunk,
            training.dtype,
            lora,
            training.gradient_checkpointing,
        ),
        disk=student.parameters * 4 + texts * tokens * TRAINED_ON_BYTES,
        state=CHECKPOINTS * trained * 12,
        **inputs.judging(own.task, graded),
    )


def _engine(rollout: Rollout, model: str | None) -> str:
    """What runs a model in the rollout and score stages; None is a trained student."""
    if rollout.engine == "openai" and model not in rollout.openai.servers:
        return "transformers"
    return rollout.engine


def _vllm_memory(size: costs.Size, batch: int, tokens: int, rollout: Rollout, gpus: int) -> int:
    """Bytes on each GPU. Without `cache_gib` the cache is whatever is left there, and at least what
    one sequence needs; on a CPU it has a size of its own."""
    cache_gib = rollout.vllm.cache_gib or (None if gpus else VLLM_CPU_CACHE_GIB)
    cache = None if cache_gib is None else int(cache_gib * GIB)
    return costs.vllm_memory(size, batch, tokens, rollout.vllm, cache)
