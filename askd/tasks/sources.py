"""Rows of a public data set, from the Hugging Face hub, a file on the web, or a local file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from askd.config import DatasetSource
from askd.errors import AskdError

TIMEOUT_SECONDS = 60


def rows_of(source: DatasetSource) -> Sequence[dict]:
    """All rows of `source`, in the order of the source.

    Raises:
        AskdError: they cannot be had, are not what was pinned, or are of no known format; names the
            source.
    """
    if source.dataset is not None:
        return _hub(source)
    return rows_of_file(source.url, source.path, source.sha256)[0]


def rows_of_file(url: str | None, path: str | None, sha256: str | None) -> tuple[list[dict], str]:
    """All rows of the file at `url` or `path`, and the SHA-256 of the file.

    Raises:
        AskdError: as `rows_of`; the file's digest is not `sha256`, where one is given.
    """
    where = url or path
    content = _download(url) if url else _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, digest):
        raise AskdError(
            f"{where}: the file's SHA-256 is {digest}, not {sha256}; it is not the file that the "
            "configuration means."
        )
    return _parsed(content, urlsplit(url).path if url else path, where), digest


def _hub(source: DatasetSource) -> Sequence[dict]:
    try:
        from datasets import concatenate_datasets, load_dataset
    except ImportError as error:
        raise AskdError(
            f"{source.place}: data sets of the hub need the package `datasets`; install it with "
            "`pip install --editable '.[hub]'`."
        ) from error
    try:
        parts = [
            load_dataset(source.dataset, subset, split=source.split, revision=source.revision)
            for subset in source.subsets or [None]
        ]
    except Exception as error:  # the library has no common class for what can go wrong
        reason = (str(error).splitlines() or [""])[0]
        raise AskdError(
            f"{source.place}: cannot be loaded ({type(error).__name__}: {reason}); check the "
            "id, revision, subsets and split, and that the hub can be reached, or give a file as "
            "`path`."
        ) from error
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AskdError(f"{path}: cannot be read ({error.strerror}).") from error


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            return response.read()
    except (urllib.error.URLError, OSError) as error:
        raise AskdError(
            f"{url}: cannot be downloaded ({error}); download it elsewhere and give it as `path`."
        ) from error


def _parsed(content: bytes, name: str, where: str) -> list[dict]:
    endings = PurePosixPath(name).suffixes
    try:
        if endings[-1:] == [".gz"]:
            content, endings = gzip.decompress(content), endings[:-1]
        if endings[-1:] == [".parquet"]:
            rows = pq.read_table(io.BytesIO(content)).to_pylist()
        elif endings[-1:] == [".json"]:
            rows = json.loads(content)
        elif endings[-1:] == [".jsonl"]:
            # Not splitlines: JSON strings may hold other characters that end a line for Python.
            rows = [json.loads(line) for line in content.split(b"\n") if line.strip()]
        else:
            raise AskdError(
                f"{where}: the format is not known by the ending; known are .jsonl, .jsonl.gz, "
                ".json and .parquet."
            )
    except (ValueError, OSError, EOFError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise AskdError(f"{where}: cannot be read ({reason}); is the file torn?") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AskdError(f"{where}: expected a list of objects, one for each row.")
    if not rows:
        raise AskdError(f"{where}: there are no rows.")
    return rows
