"""Teacher log-probabilities of responses that were sampled already."""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import track

from askd.models.folder import LanguageModel
from askd.models.logprobs import collate, token_logprobs


def score(
    teacher: LanguageModel,
    responses: Sequence[tuple[list[int], list[int]]],
    batch_size: int,
    head_chunk: int,
    progress: bool = False,
) -> list[list[float]]:
    """Log-probability (nats, temperature 1) of each response token, one list per response.

    `responses` are (prompt tokens, response tokens).
    """
    order = sorted(range(len(responses)), key=lambda number: sum(map(len, responses[number])))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    scores: list[list[float]] = [[] for _ in responses]
    for batch in track(batches, description="score", disable=not progress):
        collated = collate(
            [responses[number] for number in batch],
            teacher.tokenizer.pad_token_id,
            teacher.device,
        )
        logprobs = token_logprobs(teacher.model, collated, teacher.vocabulary, head_chunk)
        parts = logprobs.split(collated.lengths.tolist())
        for number, part in zip(batch, parts, strict=True):
            scores[number] = part.tolist()
    return scores
