"""Scratch folders without a file system of their own: how full they are, and emptying them."""

from __future__ import annotations

import os


def breaks(folder: str, limits: dict) -> bool:
    """Whether a scratch folder holds more, or is deeper, than it may."""
    files = size = 0
    pending = [folder]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
            continue
        except OSError:  # too deep, or closed to be hidden
            return True
        for entry in entries:
            files += 1
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
            if files > limits["scratch_files"] or size > limits["scratch_mib"] << 20:
                return True
    return False


def empty(folder: str) -> None:
    """Remove all that a program left in `folder`, whatever its modes and however deep.

    Folders are lifted to the top before they are removed, so that no path becomes too long.
    """
    mark, number = os.urandom(8).hex(), 0
    while folders := _remove_files(folder):
        for path in folders:
            for inner in _remove_files(path):
                os.chmod(inner, 0o700)
                os.rename(inner, os.path.join(folder, f"{mark}-{number}"))
                number += 1
            os.rmdir(path)


def _remove_files(folder: str) -> list[str]:
    """Remove the files in a folder; returns its folders."""
    os.chmod(folder, 0o700)
    folders = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                os.unlink(entry.path)
    return folders
