"""lm-eval through its Python API, with a model folder of ours, which it loads by itself.

A benchmark of ours becomes the local task `gsm8k_style` (`lm_eval_tasks/`). Where only such tasks
are run, nothing is looked for on the hub.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from askd.config import Vllm
from askd.errors import AskdError
from askd.evaluation.lm_eval_manager import tasks_folder

TASK_FILE = Path(__file__).with_name("lm_eval_tasks") / "gsm8k_style.yaml"
STRICT, FLEXIBLE = "strict-match", "flexible-extract"
INVALID = "[invalid]"
"""What a regular expression of lm-eval gives for an answer in which it finds nothing."""
Engine = Literal["transformers", "vllm"]


def load_model(
    folder: Path, engine: Engine, dtype: str, batch_size: int, vllm: Vllm | None = None
) -> Any:
    """lm-eval's wrapper of the model in `folder`, to be closed at the end; its `ends` say how its
    answers ended. `vllm` is how that engine runs it.

    Raises:
        AskdError: lm-eval or vLLM is not installed, or vLLM does not start.
    """
    tasks_folder()  # refuses where there is no lm-eval
    if engine == "vllm":
        from askd.evaluation.vllm_version import name_cpu_build
        from askd.rollout.vllm_engine import import_vllm

        import_vllm("lm_eval.engine")
        name_cpu_build()
        from askd.evaluation.lm_eval_vllm import VllmModel

        return VllmModel(folder, dtype, batch_size, vllm or Vllm())
    from askd.evaluation.lm_eval_transformers import TransformersModel

    return TransformersModel(folder, dtype, batch_size)


def run(
    task: str | dict,
    model: Any,
    max_new_tokens: int,
    chat_template: bool = True,
    limit: int | None = None,
    known: Any = None,
) -> dict[str, Any]:
    """What lm-eval returns for `task`, with all samples: a local one, or the name of one that its
    manager `known` has.

    Raises:
        AskdError: lm-eval cannot read or fetch the task's data, or the longest answer leaves no
            room for a prompt.
    """
    if max_new_tokens >= model.max_length:
        raise AskdError(
            f"lm_eval.max_new_tokens: {max_new_tokens} tokens of an answer leave no room for a "
            f"prompt in a context of {model.max_length}."
        )
    import lm_eval
    from lm_eval.tasks import TaskManager

    try:
        return lm_eval.simple_evaluate(
            model,
            tasks=[task],
            task_manager=known or TaskManager(include_defaults=False),
            apply_chat_template=chat_template,
            gen_kwargs={"max_gen_toks": max_new_tokens},
            limit=limit,
            log_samples=True,
            bootstrap_iters=0,
        )
    except OSError as error:
        raise AskdError(f"lm-eval cannot run {task!r}: {error}.") from error


def local_task(name: str, file: Path) -> dict:
    """The local task `name` of the questions in `file` (id, question, answer), greedy."""
    return yaml.safe_load(TASK_FILE.read_text(encoding="utf-8")) | {
        "task": name,
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(file.parent)},
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
