"""The configuration in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from askd.config import (
    SIDES,
    ErrorProcess,
    GeneratedTask,
    Method,
    Model,
    ModelFromPackage,
    ModelFromSource,
    PairSections,
    PretrainedFromScratch,
    PrunedModel,
    Task,
    Training,
)
from askd.reporting.page.settings import PageSettings, Run
from askd.reporting.sweep_table import grouped, options_text

_SIDES = {
    "reference": "worked answers",
    "tgo": "teacher outputs",
    "sgo": "student outputs",
}
_DIVERGENCES = {
    "nll": "negative log-likelihood",
    "kl": "forward KL",
    "rkl": "reverse KL",
    "akl": "adaptive KL",
    "jsd": "generalized JSD",
    "skl": "skew KL",
    "srkl": "skew reverse KL",
}
_ESTIMATORS = {
    "full_vocabulary": "over the full vocabulary",
    "sampled": "from the sampled tokens",
    "policy_gradient": "by policy gradient",
}
_SUPERVISION = {
    "rewards": "rewards",
    "worked answers": "worked answers",
    "none": "nothing: the teacher alone",
}


def terms(method: Method) -> str:
    """What a method trains on, and with which divergences."""
    return "; ".join(f"{_SIDES[side]}: {_term(term)}" for side, term in method.terms.items())


def supervision(method: Method) -> str:
    """What a method sees of the true answers."""
    return _SUPERVISION[method.supervision]


def sampling(method: Method) -> str:
    """How a method differs in its samples and its projection of rewards."""
    parts = []
    if method.policy is not None:
        options = method.policy.model_dump(exclude={"kind"})
        parts.append(f"{method.policy.kind} sampling with the teacher, {options_text(options)}")
    if method.projection is not None:
        own = {k: v for k, v in method.projection.model_dump().items() if v is not None}
        parts.append(f"projection with {options_text(own)}")
    said = {"label", "policy", "projection", "learning_rate", "tuned_as", *SIDES}
    rest = method.model_dump(exclude=said, exclude_defaults=True)
    if "refresh_every" in rest:
        parts.append(f"student outputs sampled {_refresh(rest.pop('refresh_every'))}")
    parts.append(options_text(rest))
    return "; ".join(filter(None, parts))


def run(one: Run) -> str:
    """The learning rate of a method on a pair, and the options that are the pair's own."""
    return f"{one.learning_rate:g} {options_text(one.options)}".rstrip()


def _term(term: Any) -> str:
    values = term.model_dump(exclude_defaults=True)
    words = _DIVERGENCES[values.pop("divergence")]
    if term.full_vocabulary or "estimator" in values:
        words += f" {_ESTIMATORS[values.pop('estimator', 'full_vocabulary')]}"
    skewness = values.pop("skewness", None)
    if skewness == "projected":
        words += ", α projected from rewards"
    elif skewness is not None:
        words += f", α = {skewness:g}"
    if values.pop("clip_correct", False):
        words += ", κ = 0 for correct samples"
    return ", ".join(filter(None, (words, options_text(values))))


def errors(process: ErrorProcess) -> str:
    """How worked answers go wrong."""
    parts = []
    if process.noise:
        parts.append(f"noise in {process.noise:g} of the steps")
    if process.systematic:
        parts.append(f"a systematic error with probability {process.systematic:g}")
    return " and ".join(parts) or "no errors"


def model(name: str, models: Mapping[str, Model]) -> str:
    """What the model `name` is, and how long it was trained."""
    written = models[name]
    match written:
        case PretrainedFromScratch():
            return _from_scratch(written)
        case ModelFromSource(revision=None):
            return f"a folder of one's own, {written.source}"
        case ModelFromSource():
            return f"{written.source} of the Hugging Face hub at {written.revision}"
        case ModelFromPackage():
            return f"unpacked from the package {written.package}"
        case PrunedModel():
            layers = ", ".join(map(str, written.prune.keep_layers))
            return f"{model(written.prune.model, models)}; layers {layers} kept"
    start = written.warm_start
    answers = "worked answers" if start.teacher is None else f"answers of {start.teacher}"
    return (
        f"{model(start.model, models)}; then {start.steps} steps of {start.batch_size} {answers} "
        f"to {start.task}"
    )


def _from_scratch(written: PretrainedFromScratch) -> str:
    until = (
        ""
        if written.stop_at_accuracy is None
        else f", stopped once {100 * written.stop_at_accuracy:g} % of validation prompts "
        "are answered right"
    )
    return (
        f"{written.layers} layers of width {written.hidden_size}, from scratch; at most "
        f"{written.steps} steps of {written.batch_size} worked answers with "
        f"{errors(written.errors)}{until}"
    )


def task(written: Task) -> tuple[str, str, str]:
    """What the prompts of a task are, the errors of its worked answers, and who grades."""
    if not isinstance(written, GeneratedTask):
        return "prompts from files of one's own", "", written.grader
    levels = "; ".join(
        f"{name}: {', '.join(map(str, level.operations))} operations, {level.train} / "
        f"{level.validation} / {level.test}"
        for name, level in written.levels.items()
    )
    return levels, errors(written.errors), written.grader


def protocol(settings: PageSettings) -> list[str]:
    """How all methods were trained and evaluated; what differs between pairs, for each."""
    evaluation = settings.evaluation

    def each(heading: str, words: Callable[[PairSections], str]) -> list[str]:
        """What `words` says of the pairs, once for all of which it says the same."""
        said = grouped(
            (words(sections), settings.pairs[name].label)
            for name, sections in settings.sections.items()
        )
        return [
            f"{heading}: {text}" if len(said) == 1 else f"{heading} ({', '.join(labels)}): {text}"
            for text, labels in said.items()
        ]

    return [
        f"Seeds: {_times(settings.seeds, 'training seed')} of each method; the teacher and the "
        "student before distillation are one model each.",
        *each("Budget", lambda sections: _budget(sections, settings.rounds)),
        *each("Training", lambda sections: _training(sections.training)),
        *each("Samples", _samples),
        *each("Rewards", _rewards),
        f"Evaluation: the greedy answer and {evaluation.samples} samples of each item at "
        f"temperature {evaluation.temperature:g} and top-p {evaluation.top_p:g}.",
    ]


def _budget(sections: PairSections, rounds: int) -> str:
    training = sections.training
    return (
        f"{rounds * training.steps_per_round} optimizer steps ({_times(rounds, 'round')}) of "
        f"{training.prompts_per_step} prompts, with {sections.rollout.samples_per_prompt} samples "
        "for each prompt and side."
    )


def _training(training: Training) -> str:
    return (
        f"AdamW with β = ({training.adam_betas[0]:g}, {training.adam_betas[1]:g}) and weight decay "
        f"{training.weight_decay:g}, {training.warmup_steps} steps of warm-up, then a cosine to "
        f"{training.final_learning_rate:g} of the peak learning rate; gradients are clipped to "
        f"norm {training.max_grad_norm:g}. Losses are means over tokens"
        + (", then sequences. " if training.reduction == "sequence" else ". ")
        + f"{_weights(training)}, in {training.dtype}."
    )


def _samples(sections: PairSections) -> str:
    rollout = sections.rollout
    return (
        f"at temperature {rollout.temperature:g} and top-p {rollout.top_p:g}, of at most "
        f"{rollout.max_new_tokens} tokens; student outputs are sampled "
        f"{_refresh(sections.training.refresh_every)}, unless a method says otherwise."
    )


def _rewards(sections: PairSections) -> str:
    return (
        f"normalised by {sections.advantage.normalization}; the skewness is α = Φ(β A) with "
        f"β = {sections.skewness.beta:g}, unless a method has a projection of its own."
    )


def hexadecimal(digits: str) -> str:
    """A digest in groups, so that a narrow column can break it."""
    return " ".join(digits[start : start + 8] for start in range(0, len(digits), 8))


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _refresh(steps: int) -> str:
    return {0: "once a round", 1: "anew at every step"}.get(steps, f"anew every {steps} steps")


def _weights(training: Training) -> str:
    """Which weights are trained."""
    lora = training.lora
    if lora is None:
        return "All weights are trained"
    targets = lora.target_modules
    layers = "all linear layers" if targets == "all-linear" else ", ".join(targets)
    return (
        f"Adapters of rank {lora.rank} on {layers} are trained (LoRA, α = {lora.alpha:g}, dropout "
        f"{lora.dropout:g}) and merged after each round"
    )
