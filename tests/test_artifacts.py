"""Tables: what is written is read back, and what is broken is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askd.artifacts import (
    PROMPTS,
    REWARDS,
    ROLLOUTS,
    SCHEDULE,
    SCORES,
    align,
    atomic_path,
    check_table,
    keys,
    read_table,
    table_from_rows,
    write_json,
    write_table,
    write_text,
)
from askd.errors import AskdError

ROWS = [
    {"prompt_id": "a", "sample_id": 0, "reward": 1.0, "correct": True, "reason": "correct"},
    {"prompt_id": "a", "sample_id": 1, "reward": 0.0, "correct": False, "reason": "wrong"},
    {"prompt_id": "b", "sample_id": 0, "reward": 0.1, "correct": False, "reason": "wrong"},
]


@pytest.fixture
def rewards() -> pa.Table:
    return table_from_rows(ROWS, REWARDS)


def replaced(table: pa.Table, column: str, values: list, kind: pa.DataType | None = None):
    number = table.column_names.index(column)
    return table.set_column(number, column, pa.array(values, type=kind))


def test_round_trip_of_every_value(tmp_path, rewards):
    path = tmp_path / "new" / "rewards.parquet"
    write_table(path, rewards, REWARDS)
    read = read_table(path, REWARDS)
    assert read.to_pylist() == ROWS
    assert read.schema.equals(REWARDS, check_metadata=True)


def test_round_trip_of_lists_and_messages(tmp_path, prompt_rows):
    rollout = {
        "prompt_id": "a",
        "sample_id": 3,
        "token_ids": [5, 0, 101],
        "text": "ä\n",
        "finish_reason": "stop",
        "sampler_logprobs": [-0.5, 0.0, -float("inf")],
    }
    for rows, schema in (([rollout], ROLLOUTS), (prompt_rows, PROMPTS)):
        write_table(tmp_path / "table.parquet", table_from_rows(rows, schema), schema)
        assert read_table(tmp_path / "table.parquet", schema).to_pylist() == rows


def test_columns_come_in_the_order_of_the_schema_and_others_go(rewards):
    shuffled = rewards.select(list(reversed(rewards.column_names))).append_column(
        "extra", pa.array([1, 2, 3])
    )
    assert check_table(shuffled, REWARDS, "f").column_names == REWARDS.names


def test_narrower_types_are_widened(rewards):
    table = replaced(rewards, "sample_id", [0, 1, 0], pa.int64())
    assert check_table(table, REWARDS, "f").schema.field("sample_id").type == pa.int32()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AskdError, match=r"gone\.parquet: no such file"):
        read_table(tmp_path / "gone.parquet", REWARDS)


@pytest.mark.parametrize("kept", [0, 3, 100, -9, -1])
def test_a_torn_file_is_refused(tmp_path, rewards, kept):
    path = tmp_path / "rewards.parquet"
    write_table(path, rewards, REWARDS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AskdError, match=r"rewards\.parquet: not a whole Parquet file") as error:
        read_table(path, REWARDS)
    assert "\n" not in str(error.value)


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "f.parquet").write_text("prompt_id,sample_id\na,0\n" * 20)
    with pytest.raises(AskdError, match="not a whole Parquet file"):
        read_table(tmp_path / "f.parquet", REWARDS)


def test_an_empty_table_is_refused_on_reading_and_writing(tmp_path, rewards):
    path = tmp_path / "rewards.parquet"
    pq.write_table(rewards.slice(0, 0), path)
    with pytest.raises(AskdError, match=r"rewards\.parquet: the table is empty"):
        read_table(path, REWARDS)
    with pytest.raises(AskdError, match="the table is empty"):
        write_table(tmp_path / "other.parquet", rewards.slice(0, 0), REWARDS)
    assert not (tmp_path / "other.parquet").exists()


@pytest.mark.parametrize("column", REWARDS.names)
def test_a_missing_column_is_named(rewards, column):
    with pytest.raises(AskdError, match=f"f: no column '{column}'; expected the columns prompt_id"):
        check_table(rewards.drop_columns([column]), REWARDS, "f")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("reward", ["much", "more", "most"]),
        ("reason", [[1], [2], [3]]),
        ("sample_id", [0, 1, 2**40]),
        ("sample_id", [0.5, 1.0, 2.0]),
    ],
)
def test_a_wrong_type_is_refused(rewards, column, values):
    with pytest.raises(AskdError, match=r"f: .*column.* has the wrong type"):
        check_table(replaced(rewards, column, values), REWARDS, "f")


@pytest.mark.parametrize("column", REWARDS.names)
def test_a_null_is_named_with_its_row(rewards, column):
    values = rewards.column(column).to_pylist()
    values[1] = None
    table = replaced(rewards, column, values, REWARDS.field(column).type)
    with pytest.raises(AskdError, match=f"f: row 1 has no value in column '{column}'"):
        check_table(table, REWARDS, "f")


def test_a_double_key_names_both_rows(tmp_path, rewards):
    table = pa.concat_tables([rewards, rewards.slice(1, 1)])
    with pytest.raises(AskdError, match=r"rows 1 and 3 have the same key .*'a', 1\)"):
        write_table(tmp_path / "rewards.parquet", table, REWARDS)
    assert list(tmp_path.iterdir()) == []
    pq.write_table(table, tmp_path / "rewards.parquet")
    with pytest.raises(AskdError, match=r"rows 1 and 3 have the same key .*'a', 1\)"):
        read_table(tmp_path / "rewards.parquet", REWARDS)


def test_a_key_is_all_of_its_columns():
    rows = [
        {"round": 0, "step": 0, "prompt_id": "a"},
        {"round": 0, "step": 1, "prompt_id": "a"},
        {"round": 1, "step": 0, "prompt_id": "a"},
    ]
    assert check_table(table_from_rows(rows, SCHEDULE), SCHEDULE, "f").num_rows == 3


def test_rows_without_a_column_are_a_bug_of_the_caller():
    with pytest.raises(KeyError):
        table_from_rows([{"prompt_id": "a", "sample_id": 0}], SCORES)


def test_align_takes_the_rows_in_the_wanted_order(rewards):
    wanted = [("b", 0), ("a", 1), ("a", 0)]
    assert keys(align(rewards, wanted, "f")) == wanted
    assert align(rewards, wanted, "f").column("reward").to_pylist() == [0.1, 0.0, 1.0]


def test_align_refuses_a_missing_key(rewards):
    with pytest.raises(AskdError, match=r"f: no row with .*\('b', 1\)"):
        align(rewards, [("a", 0), ("a", 1), ("b", 0), ("b", 1)], "f")


def test_align_refuses_a_key_that_nobody_wants(rewards):
    with pytest.raises(AskdError, match=r"f: the row .*\('a', 1\) matches no rollout"):
        align(rewards, [("a", 0), ("b", 0)], "f")


def test_a_block_that_raises_leaves_nothing(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_raises_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_that_is_refused_keeps_the_old_file(tmp_path, rewards):
    path = tmp_path / "rewards.parquet"
    write_table(path, rewards, REWARDS)
    before = path.read_bytes()
    with pytest.raises(AskdError):
        write_table(path, pa.concat_tables([rewards, rewards]), REWARDS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_equal_tables_are_equal_bytes(tmp_path, rewards):
    for name in ("one", "two"):
        write_table(tmp_path / name, rewards, REWARDS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_json_is_whole_readable_and_finite(tmp_path):
    path: Path = tmp_path / "deep" / "file.json"
    write_json(path, {"ä": [1, 2.5]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ä": [1, 2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ä": [1, 2.5]}


LAX = "check_table casts whatever Arrow can cast, and looks for nulls at the top level only"


@pytest.mark.parametrize(
    ("column", "values"),
    [("prompt_id", [1, 2, 3]), ("sample_id", ["0", "1", "2"]), ("correct", [0.5, 0.0, 1.0])],
)
def test_a_type_of_another_kind_is_refused(rewards, column, values):
    with pytest.raises(AskdError, match="wrong type"):
        check_table(replaced(rewards, column, values), REWARDS, "f")


@pytest.mark.parametrize("message", [{"from": "user", "value": "1+1"}, {"role": "user"}, None])
def test_messages_without_role_or_content_are_refused(prompt_rows, message):
    columns = {name: [row[name] for row in prompt_rows[:1]] for name in PROMPTS.names}
    with pytest.raises(AskdError, match="messages"):
        check_table(pa.table({**columns, "messages": [[message]]}), PROMPTS, "f")


def test_a_null_inside_a_list_is_refused():
    table = pa.table({"prompt_id": ["a"], "sample_id": [0], "teacher_logprobs": [[-0.5, None]]})
    with pytest.raises(AskdError, match="row 0"):
        check_table(table, SCORES, "f")
