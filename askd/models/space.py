"""Room on a disk for a model."""

from __future__ import annotations

import shutil
from pathlib import Path

from askd.errors import AskdError


def existing(path: Path) -> Path:
    """The nearest folder at or above `path` that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def check_free(folder: Path, needed: int, where: str, hint: str = "") -> None:
    """Refuse to begin what takes `needed` bytes below `folder`, which may not exist yet.

    Raises:
        AskdError: fewer are free there; `where` names the model.
    """
    free = shutil.disk_usage(existing(folder)).free
    if free < needed:
        raise AskdError(
            f"{where}: its files take {needed / 1e9:.1f} GB below {folder}, and {free / 1e9:.1f} "
            f"GB are free; make room and run it again{hint}."
        )
