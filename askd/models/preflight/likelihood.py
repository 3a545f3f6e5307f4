"""The check that reads the weights: does a model know more of a few texts than nothing?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from askd.models.folder import LanguageModel
from askd.models.logprobs import collate, token_logprobs
from askd.models.preflight.report import Report
from askd.models.preflight.samples import scored

# A model with random weights comes as near to a uniform one as chance has it, to either side.
BETTER_THAN_UNIFORM = 0.95


def logprobs_of_texts(
    language_model: LanguageModel, own: list[dict], head_chunk: int
) -> dict[str, Tensor]:
    """log p (nats) of the tokens of each kind of text, [T]; `own` are answered prompts."""
    limit = language_model.context
    found = {}
    for name, rows in scored(language_model, own).items():
        parts = []
        for prompt, response in rows:
            kept = response if limit is None else response[: max(1, limit - len(prompt))]
            batch = collate(
                [(prompt, kept)], language_model.tokenizer.pad_token_id, language_model.device
            )
            vocabulary = language_model.vocabulary
            parts.append(token_logprobs(language_model.model, batch, vocabulary, head_chunk))
        found[name] = torch.cat(parts).cpu()
    return found


def nats_per_token(logprobs: dict[str, Tensor]) -> dict[str, float]:
    """Mean of -log p over the tokens of each kind of text."""
    return {name: -float(values.mean()) for name, values in logprobs.items()}


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
    report: Report, teacher: dict[str, Tensor], student: dict[str, Tensor]
) -> None:
    """Say how far the log-probabilities of the same tokens are apart in teacher and student, and
    whether the student knows every text better.

    By kind of text: the mean of |log p - log q|, and Pearson's correlation of the two over tokens,
    None where one of them is constant.
    """
    check, ours, theirs = "teacher against student", *map(nats_per_token, (teacher, student))
    agreement = {
        name: {"gap": float((p - student[name]).abs().mean()), "correlation": _correlation(p, q)}
        for name, p in teacher.items()
        for q in [student[name]]
    }
    report.numbers[check] = agreement
    says = "mean gap of a token's log-probability, and correlation: " + ", ".join(
        f"{found['gap']:.2f} nats"
        + ("" if found["correlation"] is None else f" and {found['correlation']:.2f}")
        + f" on {name}"
        for name, found in agreement.items()
    )
    if all(theirs[name] < ours[name] for name in teacher):
        says = (
            f"{says}; the student predicts every text better than its teacher: are the two swapped"
        )
        report.add(check, "note", f"{says}?")
    else:
        report.add(check, "ok", f"{says}.")


def _correlation(ours: Tensor, theirs: Tensor) -> float | None:
    if len(ours) < 2 or 0 in (float(ours.std()), float(theirs.std())):
        return None
    return float(torch.corrcoef(torch.stack([ours, theirs]))[0, 1])
