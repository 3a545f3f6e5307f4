"""The lm-eval stage: a model's scores on benchmarks as lm-eval itself prompts, samples and grades.

A task that reports several numbers counts here with one of them: `math_verify` where it has it, and
else `exact_match` behind the filter `flexible-extract` where it has that. summary.json keeps all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import Field

from askd.artifacts import (
    ITEMS,
    PROMPTS,
    read_table,
    table_from_rows,
    write_json,
    write_json_lines,
    write_table,
)
from askd.config import Benchmark, LmEval, Strict, Vllm
from askd.errors import AskdError
from askd.evaluation.lm_eval_ends import LENGTH
from askd.evaluation.lm_eval_manager import manager
from askd.evaluation.lm_eval_run import (
    FLEXIBLE,
    INVALID,
    load_model,
    local_task,
    question_of,
    run,
    task_hash,
)
from askd.evaluation.summary import digest
from askd.mathematics.answers import response_answer
from askd.mathematics.equality import CORRECT, UNPARSED, WRONG, readable

METRICS = ("math_verify", "exact_match")
REGEX, GRADER = "lm-eval's filter", "grader math"
"""What decides whether an answer can be read."""


class LmEvalSettings(Strict):
    """What the stage reads of the configuration."""

    lm_eval: LmEval = Field(description="Tasks, and how lm-eval runs them.")
    benchmarks: dict[str, Benchmark] = Field(description="Benchmarks by name, as local tasks.")
    batch_size: int = Field(description="Prompts per forward pass.")
    max_new_tokens: int = Field(description="Longest answer in tokens.")
    vllm: Vllm | None = Field(default=None, description="How vLLM runs a model, if it does.")


def evaluate(settings: LmEvalSettings, model_folder: Path, data: Path, output: Path) -> None:
    """Write TASK/{items.parquet,summary.json} below `output` for every task and local benchmark.

    `data` holds TASK/SPLIT.parquet of the local benchmarks.

    Raises:
        AskdError: lm-eval is not installed, or cannot run a task.
    """
    chosen = settings.lm_eval
    with TemporaryDirectory(prefix="askd-lm-eval-") as name:
        folder = Path(name)
        tasks: dict[str, str | dict] = {name: name for name in chosen.tasks}
        known = manager(chosen.tasks, chosen.files, folder) if chosen.tasks else None
        for name, benchmark in settings.benchmarks.items():
            path = folder / f"{name}.jsonl"
            write_json_lines(path, _questions(name, benchmark, data))
            tasks[name] = local_task(name, path)
        loaded = load_model(
            model_folder, chosen.engine, chosen.dtype, settings.batch_size, settings.vllm
        )
        with closing(loaded) as model:
            for name, task in tasks.items():
                results = run(
                    *(task, model, settings.max_new_tokens, chosen.chat_template, chosen.limit),
                    known if name in chosen.tasks else None,
                )
                items = rows_of(results, model)
                write_table(output / name / "items.parquet", table_from_rows(items, ITEMS), ITEMS)
                summary = _summary(name, results, items, settings, model)
                write_json(output / name / "summary.json", summary)
                print(name, summary["reward"], flush=True)


def rows_of(results: dict[str, Any], model: Any) -> list[dict]:
    """The rows of an items table from what lm-eval returned for a task or the tasks of a group.

    A wrong answer is `unparsed` where what reads the task's answers finds nothing in it.
    """
    rows = []
    for task, logged in results["samples"].items():
        metric, filter_ = counted(logged)
        samples = [one for one in logged if one["filter"] == filter_]
        texts = [text for sample in samples for ((text,),) in [sample["resps"]]]
        unread = _unread(reader(results["configs"][task], metric, filter_), samples, texts)
        for sample, text, unreadable in zip(samples, texts, unread, strict=True):
            right = float(sample[metric])
            ((prompt, _),) = sample["arguments"]
            rows.append(
                {
                    "prompt_id": f"{task}-{sample['doc_id']:05d}",
                    "decoding": "greedy",
                    "sample_id": 0,
                    "correct": right == 1.0,
                    "reward": right,
                    "reason": CORRECT if right == 1.0 else UNPARSED if unreadable else WRONG,
                    "finish_reason": model.ends.of(prompt),
                    "response_tokens": len(model.tokenizer.encode(text, add_special_tokens=False)),
                    "text": text,
                }
            )
    return rows


def reader(config: dict, metric: str, filter_: str) -> str | None:
    """What reads the answers to a task: the filter that counts, if it has a regular expression;
    for metric math_verify, which does not say what it read, our grader; else nobody knows."""
    for pipeline in config.get("filter_list") or ():
        functions = [step["function"] for step in pipeline["filter"]]
        if pipeline["name"] == filter_ and "regex" in functions:
            return REGEX
    return GRADER if metric == "math_verify" else None


def _unread(by: str | None, samples: Sequence[dict], texts: Sequence[str]) -> list[bool]:
    """Whether nothing that can be compared was found in each answer."""
    if by == REGEX:
        return [sample["filtered_resps"][0] == INVALID for sample in samples]
    if by is None:
        return [False] * len(samples)
    answers = [response_answer(text) for text in texts]
    asked = [answer for answer in answers if answer is not None]
    found = dict(zip(asked, readable(asked), strict=True))
    return [not found.get(answer, False) for answer in answers]


def counted(samples: Sequence[dict]) -> tuple[str, str]:
    """The metric and the filter that count, of those that lm-eval logged for a task.

    Raises:
        AskdError: the task has none of the metrics that are shares of right answers.
    """
    metric = next((name for name in METRICS if name in samples[0]), None)
    if metric is None:
        raise AskdError(f"lm_eval.tasks: a task without {' or '.join(METRICS)} has no pass@1.")
    filters = [sample["filter"] for sample in samples]
    return metric, FLEXIBLE if FLEXIBLE in filters else filters[0]


def _questions(name: str, benchmark: Benchmark, data: Path) -> list[dict[str, str]]:
    path = data / benchmark.task / f"{benchmark.split}.parquet"
    rows = [row for row in read_table(path, PROMPTS).to_pylist() if row["level"] == benchmark.level]
    if not rows:
        raise AskdError(f"{path}: no prompt of level {benchmark.level!r} ({name}).")
    return [question_of(row, "lm_eval.benchmarks") for row in rows]


def _summary(
    name: str, results: dict[str, Any], items: list[dict], settings: LmEvalSettings, model: Any
) -> dict:
    tokenizer = model.tokenizer
    chosen, samples = settings.lm_eval, results["samples"]
    template = tokenizer.get_chat_template() if chosen.chat_template else None
    counts = {task: counted(logged) for task, logged in samples.items()}
    read_by = {task: reader(results["configs"][task], *counts[task]) for task in samples}
    return {
        "benchmark": name,
        "tool": {"name": "lm-eval", "version": version("lm-eval")},
        "engine": chosen.engine,
        "dtype": model.dtype,
        "task_versions": {task: results["versions"].get(task) for task in samples},
        "task_hash": {task: task_hash(logged) for task, logged in samples.items()},
        "files": {task: chosen.files[task] for task in samples if task in chosen.files},
        "counted": counts,
        "prompt_template_hash": template and digest(template),
        "fewshot": {task: results["n-shot"].get(task) for task in samples},
        "sampling": {task: results["configs"][task].get("generation_kwargs") for task in samples},
        "max_new_tokens": settings.max_new_tokens,
        "limit": chosen.limit,
        "items": len(items),
        "samples": 1,
        "sandbox": None,  # no program is run
        "judge": None,
        "reward": {"greedy": _mean(item["reward"] for item in items)},
        "pass_at_k": {"1": _mean(item["correct"] for item in items)},
        "cut_at_max_new_tokens": {
            "greedy": _mean(item["finish_reason"] == LENGTH for item in items)
        },
        "read_by": read_by,
        "parse_failures": {
            # Unknown where nobody says what was read.
            "greedy": None
            if None in read_by.values()
            else _mean(item["reason"] == UNPARSED for item in items)
        },
        "timeouts": None,  # lm-eval does not count them
        "results": results["results"],
    }


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)
