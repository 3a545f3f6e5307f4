"""Files of the user's own that a configuration names, looked for before anything is run.

Light: the workflow imports it.
"""

from __future__ import annotations

from pathlib import Path

from askd import entry_point
from askd.config import GRADERS, Config, DatasetTask, JsonlTask, ModelFromSource
from askd.errors import AskdError
from askd.provenance import digest


def check_own_files(config: Config) -> None:
    """Refuse `config` if a file or folder that it names is not there.

    Raises:
        AskdError: the first such file, with the key that names it; or a grader's file that is not
            Python.
    """
    for name, task in config.tasks.items():
        if isinstance(task, DatasetTask):
            for path in task.files:
                if not Path(path).is_file():
                    raise AskdError(
                        f"tasks.{name}: no file {path} in the working directory ({Path.cwd()})."
                    )
        if not isinstance(task, JsonlTask):
            continue
        for split in ("train", "validation", "test"):
            path = Path(getattr(task, split))
            if not path.is_file():
                raise AskdError(
                    f"tasks.{name}.{split}: no file {path} in the working directory ({Path.cwd()})."
                )
        if task.grader not in GRADERS:
            entry_point.file_of(task.grader)
            digest(task.grader_module)
    for name, file in config.evalplus.benchmarks.items() if config.evalplus else ():
        if file.path is not None and not Path(file.path).is_file():
            raise AskdError(
                f"evalplus.benchmarks.{name}: no file {file.path} in the working directory "
                f"({Path.cwd()}); EvalPlus's releases have it."
            )
    for task, files in config.lm_eval.files.items() if config.lm_eval else ():
        for split, path in files.items():
            if not Path(path).is_file():
                raise AskdError(
                    f"lm_eval.files.{task}.{split}: no file {path} in the working directory "
                    f"({Path.cwd()})."
                )
    for name, model in config.models.items():
        if isinstance(model, ModelFromSource) and model.revision is None:
            path = Path(model.source)
            if not path.is_dir():
                raise AskdError(
                    f"models.{name}.source: no folder {path} in the working directory "
                    f"({Path.cwd()}); if it is a model of the hub, give its `revision`."
                )
