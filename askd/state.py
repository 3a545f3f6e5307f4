"""State of a long stage: a folder outside the declared outputs, from which a killed run resumes.

The folder is locked while a process works on it, since a killed workflow leaves its jobs running
for a while. It carries a fingerprint of what is being computed, and is emptied when that changes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from askd.artifacts import write_text


def fingerprint(value: object) -> str:
    """A digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def resumable(state: str | Path, computed: object) -> Iterator[Path]:
    """Lock the folder `state`, empty it unless it belongs to `computed`, and yield it.

    When the block ends well the folder is removed; when it fails or is killed the folder stays.
    `computed` is a JSON value that says what is being computed: settings, seed, digests of inputs.
    """
    state = Path(state)
    state.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{state}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{state}: another process works on it; waiting for it to end.", file=sys.stderr)
        lock.acquire()
    try:
        owner = state / "fingerprint"
        digest = fingerprint(computed)
        if state.is_dir() and (not owner.is_file() or owner.read_text() != digest):
            shutil.rmtree(state)
        state.mkdir(exist_ok=True)
        write_text(owner, digest)
        yield state
        shutil.rmtree(state)
    finally:
        lock.release()
