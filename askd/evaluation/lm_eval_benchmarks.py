"""The lm-eval stage: a model's scores on benchmarks as lm-eval itself prompts, samples and grades.

A task that reports several numbers counts here with one of them: `math_verify` where it has it, and
else `exact_match` behind the filter `flexible-extract` where it has that. summary.json keeps all.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from askd.config import Benchmark, LmEval, Strict
from askd.errors import AskdError
from askd.evaluation.lm_eval_run import (
    FLEXIBLE,
    load_model,
    local_task,
    question_of,
    run,
    task_hash,
)
from askd.evaluation.summary import digest

METRICS = ("math_verify", "exact_match")
INVALID = "[invalid]"
"""What lm-eval's filters give for an answer in which they find nothing."""


class LmEvalSettings(Strict):
    """What the stage reads of the configuration."""

    lm_eval: LmEval = Field(description="Tasks, and how lm-eval runs them.")
    benchmarks: dict[str, Benchmark] = Field(description="Benchmarks by name, as local tasks.")
    batch_size: int = Field(description="Prompts per forward pass.")
    max_new_tokens: int = Field(description="Longest answer to a local task.")


def evaluate(settings: LmEvalSettings, model_folder: Path, data: Path, output: Path) -> None:
    """Write TASK/{items.parquet,summary.json} below `output` for every task and local benchmark.

    `data` holds TASK/SPLIT.parquet of the local benchmarks.

    Raises:
        AskdError: lm-eval is not installed, or cannot run a task.
    """
    chosen = settings.lm_eval
    model = load_model(
        model_folder,
        chosen.engine,
        chosen.dtype,
        settings.batch_size,
    )
    with TemporaryDirectory(prefix="askd-lm-eval-") as folder:
        tasks: dict[str, str | dict] = {name: name for name in chosen.tasks}
        for name, benchmark in settings.benchmarks.items():
            path = Path(folder) / f"{name}.jsonl"
            write_json_lines(path, _questions(name, benchmark, data))
            tasks[name] = local_task(name, path, settings.max_new_tokens)
        for name, task in tasks.items():
            results = run(task, model, chosen.chat_template, chosen.limit)
            items = rows_of(results["samples"], model.tokenizer)
            write_table(output / name / "items.parquet", table_from_rows(items, ITEMS), ITEMS)
            summary = _summary(name, results, items, chosen, model.tokenizer)
            write_json(output / name / "summary.json", summary)
            print(name, summary["reward"], flush=True)


def rows_of(samples: dict[str, list[dict]], tokenizer: Any) -> list[dict]:
    """The rows of an items table from what lm-eval logged of a task or of the tasks of a group."""
    rows = []
    for task, logged in samples.items():
        metric, filter_ = counted(logged)
        for sample in (one for one in logged if one["filter"] == filter_):
            ((text,),) = sample["resps"]
            right = float(sample[metric])
            unread = sample["filtered_resps"][0] == INVALID
            rows.append(
                {
                    "prompt_id": f"{task}-{sample['doc_id']:05d}",
                    "decoding": "greedy",
                    "sample_id": 0,
                    "correct": right == 1.0,
                    "reward": right,
                    "reason": "correct" if right == 1.0 else "unparsed" if unread else "wrong",
                    "finish_reason": "unknown",  # lm-eval does not say
                    "response_tokens": len(tokenizer.encode(text, add_special_tokens=False)),
                    "text": text,
                }
            )
    return rows


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
    name: str, results: dict[str, Any], items: list[dict], chosen: LmEval, tokenizer: Any
) -> dict:
    samples = results["samples"]
    template = tokenizer.get_chat_template() if chosen.chat_template else None
    return {
        "benchmark": name,
        "tool": {"name": "lm-eval", "version": version("lm-eval")},
        "engine": chosen.engine,
        "task_versions": {task: results["versions"].get(task) for task in samples},
        "task_hash": {task: task_hash(logged) for task, logged in samples.items()},
        "counted": {task: counted(logged) for task, logged in samples.items()},
        "prompt_template_hash": template and digest(template),
        "fewshot": {task: results["n-shot"].get(task) for task in samples},
        "sampling": {task: results["configs"][task].get("generation_kwargs") for task in samples},
        "limit": chosen.limit,
        "items": len(items),
        "samples": 1,
        "sandbox": None,
        "judge": None,
        "reward": {"greedy": sum(item["reward"] for item in items) / len(items)},
        "parse_failures": {
            "greedy": sum(item["reason"] == "unparsed" for item in items) / len(items)
        },
        "timeouts": None,  # lm-eval does not count them
        "results": results["results"],
    }
