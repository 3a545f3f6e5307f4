"""The prompts stage: a task's source becomes train, validation and test tables."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from askd.artifacts import PROMPTS, table_from_rows, write_table
from askd.config import GeneratedTask, JsonlTask
from askd.tasks import generated


def build(task: GeneratedTask | JsonlTask, output_directory: Path) -> None:
    """Write `{train,validation,test}.parquet` of `task` into `output_directory`."""
    source = generated if isinstance(task, GeneratedTask) else import_module(task.module)
    tables = {split: table_from_rows(rows, PROMPTS) for split, rows in source.prompts(task).items()}
    for split, table in tables.items():
        write_table(output_directory / f"{split}.parquet", table, PROMPTS)
