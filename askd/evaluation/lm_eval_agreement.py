"""Our runner beside lm-eval's, on the same model, prompts and greedy decoding.

The prompts of a table become a local task of lm-eval. Compared are the outputs, character by
character, and the verdicts: those of lm-eval's filters with that of grader `math`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from askd.artifacts import write_json_lines
from askd.config import Rollout, SandboxSettings
from askd.evaluation.comparison import Comparison, compared
from askd.evaluation.lm_eval_run import (
    FLEXIBLE,
    INVALID,
    STRICT,
    load_model,
    local_task,
    question_of,
    run,
    task_hash,
)
from askd.mathematics.answers import number, reference_answer
from askd.mathematics.equality import UNPARSED
from askd.mathematics.workers import TIMEOUT
from askd.models.folder import load
from askd.rewards.math import grade
from askd.rewards.result import Answer, Grade
from askd.rollout.engine import requests, sample

TASK = "gsm8k_style"
# Of the weights on both sides: rounding in a smaller one depends on how answers are batched.
TYPE = "float32"
NOTHING_READ = {
    STRICT: "strict-match reads nothing but `#### n`",
    FLEXIBLE: "flexible-extract reads no number there",
}


class Run(NamedTuple):
    """What lm-eval's run logged: its samples, one for each item and filter, and what it ran."""

    samples: list[dict]
    about: dict[str, str]


def agreement(
    name: str, prompts: Sequence[dict], model_folder: Path, rollout: Rollout
) -> tuple[list[Comparison], Run]:
    """Both sides' outputs for each of `prompts`, and their verdicts, as benchmark `name`.

    Raises:
        AskdError: lm-eval is not installed, or a prompt is more than one message of a user or has a
            reference that is no number.
    """
    questions = [question_of(row, "agreement.math") for row in prompts]
    greedy = rollout.model_copy(
        update={"samples_per_prompt": 1, "temperature": 0.0, "top_p": 1.0, "engine": "transformers"}
    )
    logged = lm_eval_run(questions, model_folder, greedy)
    model = load(model_folder, TYPE)
    rollouts = sample(model, requests(model, prompts, 1), greedy, 0, f"agreement {name}")
    return compare(name, questions, [row["text"] for row in rollouts], logged.samples), logged


def compare(
    name: str, questions: Sequence[dict], texts: Sequence[str], logged: Sequence[dict]
) -> list[Comparison]:
    """Our outputs `texts` and our verdicts on them beside what lm-eval `logged`."""
    grades, _ = grade(
        [
            Answer(question["id"], text, "stop", question["answer"], ())
            for question, text in zip(questions, texts, strict=True)
        ],
        SandboxSettings(),
    )
    by_key = {(row["doc"]["id"], row["filter"]): row for row in logged}
    comparisons = []
    for question, text in zip(questions, texts, strict=True):
        ((theirs,),) = by_key[question["id"], STRICT]["resps"]
        comparisons.append(compared(name, "output", question["id"], text, theirs, ""))
    for filter_ in (STRICT, FLEXIBLE):
        for question, graded in zip(questions, grades, strict=True):
            row = by_key[question["id"], filter_]
            why = reason(filter_, row, graded)
            passed = bool(row["exact_match"])
            comparisons.append(compared(name, filter_, question["id"], graded.correct, passed, why))
    return comparisons


def reason(filter_: str, logged: dict, ours: Grade) -> str:
    """Why a filter of lm-eval and grader `math` decide otherwise on an answer that lm-eval
    `logged`; empty if nothing is known."""
    ((text,),), (found,) = logged["resps"], logged["filtered_resps"]
    if ours.reason == TIMEOUT:
        return "our grader ran out of time"
    if not ours.correct:
        return _theirs_alone(filter_, text, ours)
    if found == INVALID:
        return NOTHING_READ[filter_]
    read, right = number(found), number(reference_answer(logged["doc"]["answer"]))
    if read and right and read.equals(right):
        return "lm-eval compares digits, not values"
    if filter_ == FLEXIBLE:
        return "flexible-extract takes the last number, wherever it stands"
    return "strict-match takes the first `####`" if text.count("####") > 1 else ""


def _theirs_alone(filter_: str, text: str, ours: Grade) -> str:
    """Why a filter passes an answer that grader `math` does not."""
    if filter_ == STRICT:
        return "strict-match takes the first `####`, we the last" if text.count("####") > 1 else ""
    if ours.reason == UNPARSED:
        return "grader math finds no formula that it can read"
    if "####" in text or r"\boxed" in text:
        return "flexible-extract takes the last number, we what follows `####` or is boxed"
    return ""


def lm_eval_run(questions: Sequence[dict], model_folder: Path, rollout: Rollout) -> Run:
    """lm-eval's answers to `questions` (id, question, answer), greedy; raises as `agreement`."""
    loaded = load_model(model_folder, "transformers", TYPE, rollout.batch_size)
    with closing(loaded) as model, TemporaryDirectory(prefix="askd-lm-eval-") as folder:
        path = Path(folder) / "test.jsonl"
        write_json_lines(path, questions)
        results = run(local_task(TASK, path), model, rollout.max_new_tokens)
    samples = results["samples"][TASK]
    about = {
        "task": TASK,
        "task_version": str(results["versions"][TASK]),
        "task_hash": task_hash(samples),
    }
    return Run(samples, about)
