"""The check that reads the weights: does a model know more of a few texts than nothing?"""

from __future__ import annotations

import math

import torch

from askd.models.folder import LanguageModel
from askd.models.logprobs import collate, token_logprobs
from askd.models.preflight.report import Report
from askd.models.preflight.samples import scored

# A model with random weights comes as near to a uniform one as chance has it, to either side.
BETTER_THAN_UNIFORM = 0.95


def nats_per_token(
    language_model: LanguageModel, own: list[dict], head_chunk: int
) -> dict[str, float]:
    """Mean of -log p (nats) over the tokens of each kind of text; `own` are answered prompts."""
    limit = language_model.context
    means = {}
    for name, rows in scored(language_model, own).items():
        parts = []
        for prompt, response in rows:
            kept = response if limit is None else response[: max(1, limit - len(prompt))]
            batch = collate(
                [(prompt, kept)], language_model.tokenizer.pad_token_id, language_model.device
            )
            vocabulary = language_model.vocabulary
            parts.append(token_logprobs(language_model.model, batch, vocabulary, head_chunk))
        means[name] = -float(torch.cat(parts).mean())
    return means


def check_likelihood(
    report: Report, role: str, language_model: LanguageModel, nats: dict[str, float]
) -> None:
    """Judge a model by its nats per token: finite, and lower than those of a uniform one."""
    check, folder = f"{role}: likelihood", language_model.folder
    uniform = math.log(language_model.vocabulary)
    broken = [name for name, value in nats.items() if not math.isfinite(value)]
    if broken:
        report.add(
            check,
            "refused",
            f"{folder}: the log-probabilities of {', '.join(broken)} are not finite; the weights "
            "are broken or overflow, so make or download the model again.",
        )
        return
    says = "perplexity " + ", ".join(
        f"{_perplexity(value)} on {name}" for name, value in nats.items()
    )
    says = f"{says}, where a uniform model has {language_model.vocabulary}"
    report.numbers[check] = nats
    if any(value < BETTER_THAN_UNIFORM * uniform for value in nats.values()):
        report.add(check, "ok", f"{says}.")
    elif role == "teacher":
        report.add(
            check,
            "refused",
            f"{folder}: {says}; it knows nothing of any of them, so take a trained model with its "
            "own tokenizer, or, if it knows nothing but your task, give your --prompts.",
        )
    else:
        report.add(check, "note", f"{says}: it has learnt nothing yet.")


def _perplexity(nats: float) -> str:
    # Where exp would overflow, or print a row of digits that nobody reads.
    return f"{math.exp(nats):.1f}" if nats < 10 else f"e^{nats:.0f}"


def compare_likelihood(
    report: Report, teacher: dict[str, float], student: dict[str, float]
) -> None:
    """Say so where the student knows every text better than its teacher."""
    if all(student[name] < teacher[name] for name in teacher):
        report.add(
            "teacher against student",
            "note",
            "the student predicts every text better than its teacher; are the two swapped?",
        )
