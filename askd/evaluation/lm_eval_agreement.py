"""Our runner beside lm-eval's, on the same model, prompts and greedy decoding.

The prompts of a table become the local task `gsm8k_style` (`lm_eval_tasks/`), and lm-eval runs it
through its Python API with a model folder of ours, which it loads by itself. Compared are the
outputs, character by character, and the verdicts: those of lm-eval's filters with that of grader
`math`. Nothing is looked for on the hub, and lm-eval's own tasks are not scanned, which takes long.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

from askd.artifacts import write_json_lines
from askd.config import Rollout, SandboxSettings
from askd.errors import AskdError
from askd.evaluation.comparison import Comparison, compared
from askd.models.folder import default_device, load
from askd.rewards.math import grade
from askd.rewards.result import Answer
from askd.rollout.engine import requests, sample

TASK = "gsm8k_style"
TASK_FILE = Path(__file__).with_name("lm_eval_tasks") / f"{TASK}.yaml"
STRICT, FLEXIBLE = "strict-match", "flexible-extract"


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
    questions = [_question(row) for row in prompts]
    greedy = rollout.model_copy(
        update={"samples_per_prompt": 1, "temperature": 0.0, "top_p": 1.0, "engine": "transformers"}
    )
    run = lm_eval_run(questions, model_folder, greedy)
    model = load(model_folder)
    rollouts = sample(model, requests(model, prompts, 1), greedy, 0, f"agreement {name}")
    return compare(name, questions, [row["text"] for row in rollouts], run.samples), run


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
            why = reason(filter_, row["resps"][0][0], graded.reason)
            passed = bool(row["exact_match"])
            comparisons.append(compared(name, filter_, question["id"], graded.correct, passed, why))
    return comparisons


def reason(filter_: str, text: str, ours: str) -> str:
    """Why a filter of lm-eval and grader `math` may differ on `text`; empty if nothing is known."""
    if filter_ == STRICT and "#### " not in text:
        return "strict-match reads nothing but `#### n`"
    if ours == "unparsed":
        return "grader math finds no formula that it can read"
    if filter_ == FLEXIBLE and not re.search(r"\d\W*$", text):
        return "flexible-extract takes the last number, wherever it stands"
    return ""


def lm_eval_run(questions: Sequence[dict], model_folder: Path, rollout: Rollout) -> Run:
    """lm-eval's answers to `questions` (id, question, answer), greedy; raises as `agreement`."""
    if importlib.util.find_spec("lm_eval") is None:
        raise AskdError(
            "lm-eval is not installed; run `make evaluate-env`, or: pip install 'askd[evaluate]'"
        )
    os.environ["HF_HUB_OFFLINE"] = "1"  # lm-eval asks the hub about every model
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import hash_string

    with TemporaryDirectory(prefix="askd-lm-eval-") as folder:
        path = Path(folder) / "test.jsonl"
        write_json_lines(path, questions)
        results = lm_eval.simple_evaluate(
            HFLM(
                pretrained=str(model_folder),
                device=str(default_device()),
                dtype="float32",
                batch_size=rollout.batch_size,
            ),
            tasks=[
                yaml.safe_load(TASK_FILE.read_text(encoding="utf-8"))
                | {
                    "dataset_kwargs": {"data_files": {"test": str(path)}, "cache_dir": folder},
                    "generation_kwargs": {
                        "until": [],
                        "do_sample": False,
                        "temperature": 0.0,
                        "max_gen_toks": rollout.max_new_tokens,
                    },
                }
            ],
            task_manager=TaskManager(include_defaults=False),
            apply_chat_template=True,
            log_samples=True,
            bootstrap_iters=0,
        )
    samples = results["samples"][TASK]
    hashes = "".join(
        sample["doc_hash"] + sample["prompt_hash"] + sample["target_hash"] for sample in samples
    )
    return Run(
        samples,
        {
            "task": TASK,
            "task_version": str(results["versions"][TASK]),
            "task_hash": hash_string(hashes),
        },
    )


def _question(row: dict) -> dict[str, str]:
    """A row of a prompts table as the task has it."""
    (*before, last) = row["messages"]
    if before or last["role"] != "user":
        raise AskdError(
            f"prompts: {row['prompt_id']!r} is not one message of a user, as the task of lm-eval "
            "needs; name a benchmark without system messages in agreement.math."
        )
    number = row["reference"].split("####")[-1].strip()
    if not re.fullmatch(r"-?[\d,]+(\.\d+)?", number):
        raise AskdError(
            f"prompts: the reference of {row['prompt_id']!r} is no number and has no `#### n`, as "
            "GSM8K's do; name another benchmark in agreement.math."
        )
    return {"id": row["prompt_id"], "question": last["content"], "answer": f"#### {number}"}
