"""The tables that pass between stages: Parquet files with a schema, written whole or not at all.

A stage reads its inputs with `read_table`, which refuses a file that is missing, torn, empty, lacks
a column or holds a double key, and names the file, the row and the reason. It writes its outputs
with `write_table`, which writes to a temporary name and renames. Tables join on
(prompt_id, sample_id) through `align`, which fails on a missing or a double key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from askd.errors import AskdError

SAMPLE_KEY = ("prompt_id", "sample_id")

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_LOGPROBS = pa.list_(pa.float32())

# `reference` is what a grader compares with; `response` is the fixed data set's worked answer.
PROMPTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("level", pa.string()),
        ("messages", _MESSAGES),
        ("reference", pa.string()),
        ("response", pa.string()),
    ],
    metadata={"key": "prompt_id"},
)
# The prompts of each optimizer step, the same for every method of a seed.
SCHEDULE = pa.schema(
    [("round", pa.int32()), ("step", pa.int32()), ("prompt_id", pa.string())],
    metadata={"key": "round,step,prompt_id"},
)
# `token_ids` are the response tokens with the end-of-sequence token where there is one;
# `sampler_logprobs` (nats) belong to the distribution that each token was really drawn from.
ROLLOUTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("sample_id", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("sampler_logprobs", _LOGPROBS),
    ],
    metadata={"key": ",".join(SAMPLE_KEY)},
)
# Rollouts of a student that sampled together with its teacher: `student_logprobs` are its own.
JOINT_ROLLOUTS = pa.schema([*ROLLOUTS, ("student_logprobs", _LOGPROBS)], metadata=ROLLOUTS.metadata)
# One teacher log-probability (nats, temperature 1) for each response token of a rollout.
SCORES = pa.schema(
    [("prompt_id", pa.string()), ("sample_id", pa.int32()), ("teacher_logprobs", _LOGPROBS)],
    metadata={"key": ",".join(SAMPLE_KEY)},
)
REWARDS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("sample_id", pa.int32()),
        ("reward", pa.float64()),
        ("correct", pa.bool_()),
        ("reason", pa.string()),
    ],
    metadata={"key": ",".join(SAMPLE_KEY)},
)
SKEWNESS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("sample_id", pa.int32()),
        ("advantage", pa.float64()),
        ("alpha", pa.float64()),
        ("kappa", pa.float64()),
    ],
    metadata={"key": ",".join(SAMPLE_KEY)},
)
# Everything that a round trained on, as its objective read it; columns that a side does not have
# (a reference has no sampler) hold empty lists, and rewards that were not needed are NaN.
TRAINED_ON = pa.schema(
    [
        ("step", pa.int32()),
        ("side", pa.string()),
        ("prompt_id", pa.string()),
        ("sample_id", pa.int32()),
        ("text", pa.string()),
        ("response", pa.list_(pa.int32())),
        ("sampler_logprobs", _LOGPROBS),
        ("student_logprobs", _LOGPROBS),
        ("teacher_logprobs", _LOGPROBS),
        ("reward", pa.float64()),
        ("advantage", pa.float64()),
        ("alpha", pa.float64()),
        ("kappa", pa.float64()),
        ("outcome", pa.float64()),
    ],
    metadata={"key": "step,side,prompt_id,sample_id"},
)
# One row for each benchmark item, decoding (greedy or sampled) and sample.
ITEMS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("decoding", pa.string()),
        ("sample_id", pa.int32()),
        ("correct", pa.bool_()),
        ("reward", pa.float64()),
        ("reason", pa.string()),
        ("finish_reason", pa.string()),
        ("response_tokens", pa.int32()),
        ("text", pa.string()),
    ],
    metadata={"key": "prompt_id,decoding,sample_id"},
)
# Items whose answers are programs that EvalPlus judged as well: both sides' verdicts on the base
# tests, and on these and the extra ones (the same where there are none), and why they differ.
PROGRAM_ITEMS = pa.schema(
    [
        *ITEMS,
        ("base", pa.bool_()),
        ("plus", pa.bool_()),
        ("evalplus_base", pa.bool_()),
        ("evalplus_plus", pa.bool_()),
        ("difference", pa.string()),
    ],
    metadata=ITEMS.metadata,
)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well.

    A reader therefore sees the old file, the whole new file, or none, also after a kill.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: str | Path, rows: Sequence[dict]) -> None:
    """Write one JSON object per line, with sorted keys, whole or not at all."""
    lines = (json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in rows)
    write_text(path, "".join(lines))


def table_from_rows(rows: Sequence[dict], schema: pa.Schema) -> pa.Table:
    """A table of `schema` from one dict per row; every column of the schema has to be there."""
    columns = {
        name: pa.array([row[name] for row in rows], type=schema.field(name).type)
        for name in schema.names
    }
    return pa.table(columns, schema=schema)


def write_table(path: str | Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write `table` to `path` as Parquet after checking it against `schema`, whole or not at all.

    Metadata that the table has beside the schema's are kept.

    Raises:
        AskdError: the table is empty, lacks a column or holds a double key.
    """
    metadata = {**(table.schema.metadata or {}), **schema.metadata}
    table = check_table(table, schema, path).replace_schema_metadata(metadata)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: str | Path, schema: pa.Schema) -> pa.Table:
    """Read the Parquet file `path` and check it against `schema`.

    Raises:
        AskdError: the file is missing, torn or empty, lacks a column, has a column of another type
            or a null, or holds a double key; the sentence names the file and the row.
    """
    path = Path(path)
    if not path.is_file():
        raise AskdError(f"{path}: no such file; run the stage that writes it.")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise AskdError(
            f"{path}: not a whole Parquet file ({reason}); delete it and run its stage again."
        ) from error
    return check_table(table, schema, path)


def check_table(table: pa.Table, schema: pa.Schema, path: str | Path) -> pa.Table:
    """`table` with the columns of `schema` in order, or an AskdError that names `path`."""
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise AskdError(
            f"{path}: no column {missing[0]!r}; expected the columns {', '.join(schema.names)}."
        )
    if table.num_rows == 0:
        raise AskdError(f"{path}: the table is empty; expected at least one row.")
    for name in schema.names:
        wanted, found = schema.field(name).type, table.schema.field(name).type
        if not _is_of_kind(found, wanted):
            raise AskdError(
                f"{path}: column {name!r} has the wrong type: {found} where {wanted} is expected."
            )
    try:
        table = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise AskdError(f"{path}: a column has the wrong type ({error}).") from error
    for name in schema.names:
        row = _first_null(table.column(name).combine_chunks())
        if row is not None:
            raise AskdError(f"{path}: row {row} has no value in column {name!r}.")
    key_columns = schema.metadata[b"key"].decode().split(",")
    seen: dict[tuple, int] = {}
    for row, key in enumerate(keys(table, key_columns)):
        if key in seen:
            raise AskdError(
                f"{path}: rows {seen[key]} and {row} have the same key "
                f"({', '.join(key_columns)}) = {key}; every key may occur once."
            )
        seen[key] = row
    return table


def _is_of_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column may be read as `wanted`; Arrow would cast a number to text and back."""
    types = pa.types
    if types.is_struct(wanted):
        return types.is_struct(found) and all(
            found.get_field_index(field.name) >= 0
            and _is_of_kind(found.field(field.name).type, field.type)
            for field in wanted
        )
    if types.is_list(wanted):
        is_list = types.is_list(found) or types.is_large_list(found)
        return is_list and _is_of_kind(found.value_type, wanted.value_type)
    if types.is_null(found):  # no value at all, as in the items of empty lists
        return True
    if types.is_floating(wanted):
        return types.is_floating(found) or types.is_integer(found)
    for is_kind in (types.is_integer, types.is_boolean):
        if is_kind(wanted):
            return is_kind(found)
    return types.is_string(found) or types.is_large_string(found)


def _first_null(values: pa.Array) -> int | None:
    """The first row that has a null, at any depth."""
    if values.null_count:
        return values.is_null().to_pylist().index(True)
    if pa.types.is_list(values.type):
        inner = _first_null(values.flatten())
        return None if inner is None else values.value_parent_indices()[inner].as_py()
    if pa.types.is_struct(values.type):
        rows = [row for part in values.flatten() if (row := _first_null(part)) is not None]
        return min(rows, default=None)
    return None


def keys(table: pa.Table, columns: Sequence[str] = SAMPLE_KEY) -> list[tuple]:
    """The key of every row, as a tuple of the values in `columns`."""
    return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def align(table: pa.Table, wanted: Sequence[tuple], path: str | Path) -> pa.Table:
    """The rows of `table` in the order of the (prompt_id, sample_id) keys `wanted`, exactly.

    Raises:
        AskdError: a wanted key is not in the table, or the table has a key that is not wanted.
    """
    position = {key: row for row, key in enumerate(keys(table))}
    for key in wanted:
        if key not in position:
            raise AskdError(
                f"{path}: no row with (prompt_id, sample_id) = {key}; "
                "it was made from other rollouts, run its stage again."
            )
    if len(position) != len(wanted):
        extra = next(iter(position.keys() - set(wanted)))
        raise AskdError(
            f"{path}: the row (prompt_id, sample_id) = {extra} matches no rollout; "
            "it was made from other rollouts, run its stage again."
        )
    return table.take([position[key] for key in wanted])
