"""The jobs that make models, and those that only load them."""

from __future__ import annotations

from collections.abc import Iterator

from askd.config import PretrainedFromScratch, PrunedModel, WarmStartedModel
from askd.models.preflight.memory import BYTES
from askd.reporting.plan import costs
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import CHECKPOINTS, Job


def model_jobs(inputs: Inputs, name: str) -> Iterator[Job]:
    """The jobs that make the model `name`, behind those of the models that it is made from."""
    model, size = inputs.config.models[name], inputs.size(name)
    for origin in model.models:
        yield from model_jobs(inputs, origin)
    if isinstance(model, PretrainedFromScratch):
        yield _supervised(inputs, "pretrain", name, model, model.task)
    elif isinstance(model, WarmStartedModel):
        start = model.warm_start
        yield Job("prompts", start.task)
        yield _supervised(inputs, "warm_start", name, start, start.task)
    else:
        stage = "prune" if isinstance(model, PrunedModel) else "fetch"
        # The hub's cache keeps a model too.
        copies = 2 if getattr(model, "revision", None) else 1
        weights = size.parameters * BYTES[inputs.dtype_of(name)]
        yield Job(stage, name, disk=copies * weights)


def loading_job(inputs: Inputs, stage: str, name: str, pair: str) -> Job:
    """A short job that loads the teacher and the student of a pair."""
    own = inputs.config.pairs[pair]
    sizes = {model: inputs.size(model) for model in (own.teacher, own.student)}
    weights = sum(size.parameters * BYTES[inputs.dtype_of(model)] for model, size in sizes.items())
    return Job(stage, name, pair, memory=weights, reckoned=False)


def _supervised(inputs: Inputs, stage: str, name: str, model, task: str) -> Job:
    # Validation answers of a model that is trained on a task are few, and are left out.
    size, lengths = inputs.size(name), inputs.lengths[task]
    tokens = lengths.prompt + lengths.response
    texts = model.steps * model.batch_size
    teacher = getattr(model, "teacher", None)
    responses = texts if teacher else 0
    return Job(
        stage,
        name,
        sampled=responses * lengths.response,
        trained=texts * tokens,
        sampling_transformers=costs.sampling(
            inputs.size(teacher), responses, lengths.prompt, lengths.response
        )
        if teacher
        else 0,
        training=costs.training(size, texts, tokens),
        memory=costs.training_memory(
            size,
            inputs.size(teacher) if teacher else None,
            getattr(model, "micro_batch_size", model.batch_size),
            tokens,
            inputs.config.training.head_chunk,
            "float32",
        ),
        disk=size.parameters * 4,
        state=CHECKPOINTS * size.parameters * 12,
    )
