"""Memory and processes of all that runs in the sandbox, seen from outside."""

from __future__ import annotations

import os
import threading
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def processes(groups: list[int]) -> list[tuple[int, str, int]]:
    """Number, state and resident memory (bytes) of the processes of these process groups."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name of a program may hold anything, up to the last bracket.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[2]) in groups:
                found.append((int(folder.name), fields[0], int(fields[21]) * PAGE))
    return found


class Monitor:
    """Samples the processes of these groups, as a thread, and keeps the peaks."""

    INTERVAL = 0.02

    def __init__(self, groups: list[int]):
        self.groups = groups
        self.reset()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def reset(self) -> None:
        """Forget the peaks."""
        self.memory = 0
        self.count = 0

    def _run(self) -> None:
        while not self._stop.wait(self.INTERVAL):
            found = processes(self.groups)
            self.count = max(self.count, len(found))
            self.memory = max(self.memory, sum(memory for _, _, memory in found))
