"""Replies of judges on disk, so that no call is paid twice.

The key of a reply is the digest of what was asked: endpoint, model, prompt (the template with the
question and both answers in their order) and sampling settings. Each reply is committed on its own
as soon as it arrives, so that a killed run loses the calls that were under way and no other (a
power cut may take the last seconds' replies, and leaves the file whole). One process uses a cache
at a time, and others wait for it: two would pay twice for what both ask.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from askd.errors import AskdError


@dataclass(frozen=True)
class Reply:
    """What an endpoint replied, the model that it names ("" for none), the tokens that it counted,
    and whether it says that the text was cut at the longest reply."""

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    is_cut: bool


class Cache:
    """Replies by the digest of what was asked; see `opened`. Threads may share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        # Without shared memory, so that network file systems will do; and without waiting for the
        # disk at each reply, which would be slower than most endpoints.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
                "model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, "
                "completion_tokens INTEGER NOT NULL, is_cut INTEGER NOT NULL)"
            )
            columns = [row[1] for row in connection.execute("PRAGMA table_info(replies)")]
            if "is_cut" not in columns:
                # The file is of a version that did not keep this, and took all replies for whole.
                connection.execute(
                    "ALTER TABLE replies ADD COLUMN is_cut INTEGER NOT NULL DEFAULT 0"
                )

    def get(self, keys: Iterable[str]) -> dict[str, Reply]:
        """The replies to those of `keys` that have one."""
        query = (
            "SELECT text, model, prompt_tokens, completion_tokens, is_cut FROM replies "
            "WHERE key = ?"
        )
        with self._lock:
            rows = {key: self._connection.execute(query, (key,)).fetchone() for key in keys}
        return {
            key: Reply(*row[:-1], is_cut=bool(row[-1]))
            for key, row in rows.items()
            if row is not None
        }

    def put(self, key: str, reply: Reply) -> None:
        """Keep `reply`, also if this process is killed from now on."""
        with self._lock, self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)", (key, *astuple(reply))
            )


@contextmanager
def opened(folder: str | Path) -> Iterator[Cache]:
    """The cache in `folder`, which is made if need be; waits while another process uses it.

    Raises:
        AskdError: the file is no cache, or cannot be read or written.
    """
    path = Path(folder) / "replies.sqlite"
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{path}: another process uses it; waiting for it to end.", file=sys.stderr)
        lock.acquire()
    except OSError as error:
        raise AskdError(
            f"judge.cache: the folder {folder} cannot be written ({error.strerror})."
        ) from error
    try:
        with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
            yield Cache(connection)
    except sqlite3.Error as error:
        raise AskdError(
            f"{path}: the cache of replies cannot be used ({error}); end other programs that have "
            "it open, or, if it is damaged, move it away to begin a new one."
        ) from error
    finally:
        lock.release()
