"""Our verdicts on mathematical answers beside those of lm-eval, on the same outputs.

lm-eval's own code decides for it: for `gsm8k` its filters and its exact match, for `minerva_math`
its normalised match and its use of math-verify. Like lm-eval, only what stands before a task's
stop strings is given to either side. lm-eval is an optional package (`pip install --editable
'.[evaluate]'`) and is read from its files: importing all of its tasks takes long.

`written/` holds outputs that were written to tell the two sides apart, with the reason of each
difference.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple

import yaml

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.evaluation.comparison import Comparison, compared
from askd.evaluation.lm_eval_manager import tasks_folder
from askd.mathematics.answers import response_answer
from askd.mathematics.workers import TIMEOUT, limited
from askd.rewards.math import grade
from askd.rewards.result import Answer

WRITTEN = Path(__file__).with_name("written")
TASKS = {"gsm8k": "gsm8k/gsm8k.yaml", "minerva_math": "minerva_math/minerva_math_algebra.yaml"}


class Output(NamedTuple):
    """A model's answer to an item, and the item's worked solution as its data set has it."""

    item: str
    text: str
    solution: str


class Theirs(NamedTuple):
    """lm-eval's verdict, and what it took for the answer."""

    passed: bool
    read: str


class Agreement(NamedTuple):
    """Both sides' verdicts; `lm_eval` by name of its filter or metric.

    `text` is what both were given, `reason` our grader's, and `read` what it took for the answer,
    empty if nothing.
    """

    item: str
    text: str
    reason: str
    correct: bool
    read: str
    lm_eval: dict[str, Theirs]

    @property
    def differing(self) -> list[str]:
        """The filters or metrics of lm-eval that decide otherwise."""
        return [name for name, theirs in self.lm_eval.items() if theirs.passed != self.correct]


def agreement(task: Literal["gsm8k", "minerva_math"], outputs: Sequence[Output]) -> list[Agreement]:
    """Both verdicts on each of `outputs`.

    What lm-eval does not decide within the limits of `askd.mathematics.workers` counts as wrong
    there, as it does with its own limits.

    Raises:
        AskdError: lm-eval is not installed, or a solution has no answer in the form of the task.
    """
    settings = _task(task)
    outputs = [
        output._replace(text=_before(settings["generation_kwargs"]["until"], output.text))
        for output in outputs
    ]
    grades, _ = grade(
        [Answer(output.item, output.text, "stop", output.solution, ()) for output in outputs],
        SandboxSettings(),
    )
    theirs = _gsm8k(settings, outputs) if task == "gsm8k" else _minerva_math(outputs)
    return [
        Agreement(
            output.item,
            output.text,
            ours.reason,
            ours.correct,
            response_answer(output.text) or "",
            verdicts,
        )
        for output, ours, verdicts in zip(outputs, grades, theirs, strict=True)
    ]


def written(task: Literal["gsm8k", "minerva_math"]) -> list[dict]:
    """The written outputs: `text`, `solution`, our `reason`, the `differing` filters or metrics of
    lm-eval, and `why` they do."""
    lines = (WRITTEN / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def written_agreement(task: Literal["gsm8k", "minerva_math"]) -> list[Comparison]:
    """Both verdicts on the written outputs of a task, by filter or metric of lm-eval.

    A difference that is not among the recorded ones, or not for our recorded reason, has no known
    one. Raises as `agreement`.
    """
    rows = written(task)
    outputs = [
        Output(f"{number}: {row['text'][:60]}", row["text"], row["solution"])
        for number, row in enumerate(rows, 1)
    ]
    found = agreement(task, outputs)
    return [
        compared(
            f"{task}, written answers",
            name,
            verdicts.item,
            verdicts.correct,
            verdicts.lm_eval[name].passed,
            row["why"] if name in row["differing"] and verdicts.reason == row["reason"] else "",
        )
        for name in found[0].lm_eval
        for row, verdicts in zip(rows, found, strict=True)
    ]


def _before(stops: Sequence[str], text: str) -> str:
    for stop in stops:
        text = text.split(stop)[0]
    return text


def _gsm8k(settings: dict, outputs: Sequence[Output]) -> list[dict[str, Theirs]]:
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    (metric,) = settings["metric_list"]
    names = ("regexes_to_ignore", "ignore_case", "ignore_punctuation")
    options = {name: metric[name] for name in names}
    verdicts: list[dict[str, Theirs]] = [{} for _ in outputs]
    for pipeline in settings["filter_list"]:
        regex, _ = pipeline["filter"]  # the second takes the first of an item's samples
        arguments = {key: value for key, value in regex.items() if key != "function"}
        found = RegexFilter(**arguments).apply([[output.text] for output in outputs], [])
        for output, (answer,), own in zip(outputs, found, verdicts, strict=True):
            score = exact_match_hf_evaluate([answer], [output.solution], **options)
            own[pipeline["name"]] = Theirs(bool(score["exact_match"]), answer)
    return verdicts


def _minerva_math(outputs: Sequence[Output]) -> list[dict[str, Theirs]]:
    utils = _minerva_utils()
    for output in outputs:
        if not utils.last_boxed_only_string(output.solution):
            raise AskdError(
                f"the solution of {output.item!r} has no \\boxed answer, as minerva_math needs."
            )
    found = limited(_minerva_verdicts, [(output.text, output.solution) for output in outputs])
    undecided = dict.fromkeys(("exact_match", "math_verify"), Theirs(False, TIMEOUT))
    return [undecided if verdicts == TIMEOUT else verdicts for verdicts in found]


def _minerva_verdicts(text: str, solution: str) -> dict[str, Theirs]:
    """Runs in a worker."""
    from math_verify import parse

    utils = _minerva_utils()
    boxed = utils.remove_boxed(utils.last_boxed_only_string(solution))
    item = {"solution": solution, "answer": utils.normalize_final_answer(boxed)}
    scores = utils.process_results(item, [text])
    read = {
        "exact_match": utils.get_unnormalized_answer(text),
        "math_verify": str(parse(text, parsing_timeout=None)),
    }
    return {name: Theirs(bool(scores[name]), read[name]) for name in read}


@cache
def _minerva_utils() -> ModuleType:
    path = tasks_folder() / "minerva_math/utils.py"
    spec = importlib.util.spec_from_file_location("minerva_math_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Loads ANTLR's tables: lm-eval's limit of 5 seconds by the wall clock would count that.
    module.parse_latex("1")
    return module


class _Loader(yaml.SafeLoader):
    """Reads lm-eval's tasks, with names of functions as text."""


_Loader.add_constructor("!function", lambda loader, node: node.value)


def _task(name: str) -> dict:
    text = (tasks_folder() / TASKS[name]).read_text(encoding="utf-8")
    return yaml.load(text, _Loader)
