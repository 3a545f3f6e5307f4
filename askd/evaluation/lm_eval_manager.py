"""Which tasks lm-eval knows in a run: its own, and with which files.

To find a task, lm-eval parses all of its thousands of files, which takes 16 seconds. Here the file
is looked for by the line that names the task, and lm-eval is told of its folder alone.

Where the user gives files for a task, its own definition is kept, in a file that includes it, and
reads them in place of the data set on the hub.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from askd.errors import AskdError

NAME = re.compile(r"^(?:task|group):[ \t]*['\"]?([^\s'\"#]+)", re.MULTILINE)
MEMBERS = re.compile(r"^task:[ \t]*\n((?:[ \t]*-.*\n?)+)", re.MULTILINE)


def tasks_folder() -> Path:
    """Where lm-eval's task files lie.

    Raises:
        AskdError: lm-eval is not installed.
    """
    spec = importlib.util.find_spec("lm_eval")
    if spec is None:
        raise AskdError(
            "lm-eval is not installed; run `make evaluate-env`, or: pip install --editable "
            "'.[evaluate]'"
        )
    return Path(spec.origin).parent / "tasks"


def manager(names: Sequence[str], files: dict[str, dict[str, str]], folder: Path) -> Any:
    """lm-eval's manager of the tasks, groups and tags `names`.

    `files` are those of the splits of some tasks, by task and split; `folder` takes what is written
    for them, and their caches.

    Raises:
        AskdError: lm-eval is not installed or has no such task, or `files` are of a task that none
            of `names` is or holds.
    """
    definitions = _definitions()
    needed = _with_members(names, definitions)
    for name in files:
        if name not in (definitions if needed is None else needed):
            raise AskdError(
                f"lm_eval.files: {name!r} is no task that lm_eval.tasks names or holds."
            )
        task = _on_files(name, definitions[name], files[name], folder)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    import lm_eval
    from lm_eval.tasks import TaskManager

    folders = sorted({str(definitions[name].parent) for name in needed or ()})
    known = TaskManager(include_path=[*folders, str(folder)], include_defaults=needed is None)
    for name in names:
        if name not in known.all_tasks:
            raise AskdError(f"lm_eval.tasks: lm-eval {lm_eval.__version__} has no task {name!r}.")
    return known


def _definitions() -> dict[str, Path]:
    """The file of each task and group of lm-eval, by name."""
    found: dict[str, Path] = {}
    for path in sorted(tasks_folder().rglob("*.yaml")):
        for name in NAME.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return found


def _with_members(names: Sequence[str], definitions: dict[str, Path]) -> set[str] | None:
    """`names` and the members of those that are groups; None where only lm-eval can tell, as with
    tags."""
    found: set[str] = set()
    pending = set(names)
    while pending:
        name = pending.pop()
        if name not in definitions:
            return None
        found.add(name)
        if members := MEMBERS.search(definitions[name].read_text(encoding="utf-8")):
            pending |= set(re.findall(r"-[ \t]*(.*\S)", members.group(1))) - found
    return found


def _on_files(name: str, definition: Path, files: dict[str, str], folder: Path) -> dict[str, Any]:
    """The task `name` as `definition` has it, but with its splits read from `files`."""
    paths = {split: str(Path(path).resolve()) for split, path in files.items()}
    return {
        "include": str(definition),
        "task": name,
        "dataset_path": _format(name, paths),
        "dataset_name": None,
        "dataset_kwargs": {"data_files": paths, "cache_dir": str(folder / "cache")},
    }


def _format(name: str, paths: dict[str, str]) -> str:
    """What reads the files: `parquet` by their endings, else `json`."""
    parquet = {path.endswith(".parquet") for path in paths.values()}
    if len(parquet) > 1:
        raise AskdError(f"lm_eval.files.{name}: some are Parquet and some are not.")
    return "parquet" if parquet.pop() else "json"
