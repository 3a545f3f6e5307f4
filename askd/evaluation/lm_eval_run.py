"""lm-eval through its Python API, with a model folder of ours, which it loads by itself.

A benchmark of ours becomes the local task `gsm8k_style` (`lm_eval_tasks/`). Where only such tasks
are run, nothing is looked for on the hub, and lm-eval's own tasks are not scanned, which takes
long.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from askd.errors import AskdError

TASK_FILE = Path(__file__).with_name("lm_eval_tasks") / "gsm8k_style.yaml"
STRICT, FLEXIBLE = "strict-match", "flexible-extract"
Engine = Literal["transformers", "vllm"]


def load_model(folder: Path, engine: Engine, dtype: str, batch_size: int) -> Any:
    """lm-eval's own wrapper of the model in `folder`.

    Raises:
        AskdError: lm-eval or vLLM is not installed.
    """
    _installed("lm_eval", "lm-eval", "run `make evaluate-env`, or: pip install 'askd[evaluate]'")
    if engine == "vllm":
        _installed(
            "vllm",
            "vLLM",
            "name an interpreter that has it beside lm-eval in lm_eval.python, or set "
            "lm_eval.engine: transformers",
        )
        from lm_eval.models.vllm_causallms import VLLM

        return VLLM(pretrained=str(folder), dtype=dtype, batch_size="auto")
    from lm_eval.models.huggingface import HFLM

    from askd.models.folder import default_device

    return HFLM(
        pretrained=str(folder), device=str(default_device()), dtype=dtype, batch_size=batch_size
    )


def run(
    task: str | dict, model: Any, chat_template: bool = True, limit: int | None = None
) -> dict[str, Any]:
    """What lm-eval returns for `task`, one of its names or a local task, with all samples.

    Raises:
        AskdError: lm-eval has no such task, or cannot fetch it.
    """
    import lm_eval
    from lm_eval.tasks import TaskManager

    is_local = isinstance(task, dict)
    manager = TaskManager(include_defaults=not is_local)
    if not is_local and task not in manager.all_tasks:
        raise AskdError(f"lm_eval.tasks: lm-eval {lm_eval.__version__} has no task {task!r}.")
    try:
        return lm_eval.simple_evaluate(
            model,
            tasks=[task],
            task_manager=manager,
            apply_chat_template=chat_template,
            limit=limit,
            log_samples=True,
            bootstrap_iters=0,
        )
    except OSError as error:
        raise AskdError(f"lm-eval cannot run {task!r}: {error}.") from error


def local_task(name: str, file: Path, max_new_tokens: int) -> dict:
    """The local task `name` of the questions in `file` (id, question, answer), greedy."""
    return yaml.safe_load(TASK_FILE.read_text(encoding="utf-8")) | {
        "task": name,
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(file.parent)},
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "temperature": 0.0,
            "max_gen_toks": max_new_tokens,
        },
    }


def question_of(row: dict, where: str) -> dict[str, str]:
    """A row of a prompts table as the local task has it; `where` is the key of the benchmark.

    Raises:
        AskdError: the prompt is more than one message of a user, or its reference is no number.
    """
    (*before, last) = row["messages"]
    if before or last["role"] != "user":
        raise AskdError(
            f"prompts: {row['prompt_id']!r} is not one message of a user, as the task of lm-eval "
            f"needs; name a benchmark without system messages in {where}."
        )
    number = row["reference"].split("####")[-1].strip()
    if not re.fullmatch(r"-?[\d,]+(\.\d+)?", number):
        raise AskdError(
            f"prompts: the reference of {row['prompt_id']!r} is no number and has no `#### n`, as "
            f"GSM8K's do; name another benchmark in {where}."
        )
    return {"id": row["prompt_id"], "question": last["content"], "answer": f"#### {number}"}


def task_hash(samples: Sequence[dict]) -> str:
    """lm-eval's digest of a task: of all documents, prompts and targets."""
    from lm_eval.utils import hash_string

    return hash_string(
        "".join(
            sample["doc_hash"] + sample["prompt_hash"] + sample["target_hash"] for sample in samples
        )
    )


def _installed(module: str, name: str, remedy: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise AskdError(f"{name} is not installed; {remedy}")
