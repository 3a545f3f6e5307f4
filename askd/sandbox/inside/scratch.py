"""Scratch folders without a file system of their own: how full they are, and emptying them."""

from __future__ import annotations

import os


def breaks(folder: str, process: int, limits: dict) -> bool:
    """Whether a scratch folder holds more, or is deeper, than it may, with what `process` has
    removed from it and still holds."""
    files, size = _removed(folder, process, limits)
    pending = [folder]
    while files <= limits["scratch_files"] and size <= limits["scratch_mib"] << 20:
        if not pending:
            return False
        try:
            entries = list(os.scandir(pending.pop()))
        except (FileNotFoundError, NotADirectoryError):  # gone meanwhile
            continue
        except OSError:  # too deep, or closed to be hidden
            return True
        files += len(entries)
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
    return True


def _removed(folder: str, process: int, limits: dict) -> tuple[int, int]:
    """Number and size of the removed files that are open or mapped; what is only mapped does not
    tell its size and counts as the largest that a file may have."""
    sizes: dict[int, int] = {}
    try:
        with open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.split(None, 5)
                if len(fields) == 6 and fields[5].startswith(folder) and "(deleted)" in fields[5]:
                    sizes[int(fields[4])] = limits["file_mib"] << 20
        device = os.stat(folder).st_dev
        for entry in os.scandir(f"/proc/{process}/fd"):
            status = os.stat(entry.path)
            if status.st_dev == device and status.st_nlink == 0:
                sizes[status.st_ino] = status.st_blocks * 512
    except OSError:  # it has ended
        return 0, 0
    return len(sizes), sum(sizes.values())


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
