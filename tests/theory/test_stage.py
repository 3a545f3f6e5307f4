"""The files of the table."""

from __future__ import annotations

import csv
import re

import pytest

from askd.theory import stage
from askd.theory.example import examples


@pytest.fixture(scope="module")
def written(tmp_path_factory, table):
    """The stage's files, made from the statements that the other tests use."""
    folder = tmp_path_factory.mktemp("theory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "statements", lambda *_: list(table.values()))
        stage.theory(folder / "theory")
    return folder / "theory"


def test_one_row_for_each_statement(written, table):
    with written.with_suffix(".csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == list(table)
    assert list(rows[0]) == ["id", "statement", "verdict", "numbers", "instead", "command"]
    for row in rows:
        assert row["verdict"] == table[row["id"]].verdict
        assert re.search(r"\d", row["numbers"]) or "undefined" in row["numbers"]
        assert row["command"] == "snakemake theory"


def test_markdown(written, table):
    """A grid whose columns line up, and all numbers; no line of a paragraph is taken for markup."""
    text = written.with_suffix(".md").read_text(encoding="utf-8")
    grid = [line for line in text.splitlines() if line.startswith("|")]
    assert len(grid) == len(table) + 2
    assert len({len(line) for line in grid}) == 1
    header, _, *rows = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in grid)
    assert header == ["", "Where", "Statement", "Verdict", "Number", "Command", ""]
    for row, statement in zip(rows, table.values(), strict=True):
        assert row[3] == statement.verdict
        assert row[4].replace("\\<", "<") == statement.number
        assert row[5] == "`snakemake theory`"
        # Short, and one of those below.
        assert len(row[4]) <= 60
        assert all(number in statement.numbers for number in statement.number.split("; "))
    numbers = text.split("## Numbers")[1]
    assert len(re.findall(r"^- \*\*", numbers, re.MULTILINE)) == len(table)
    assert not re.search(r"^  ([-+*>=] |\d+[.)] )", text, re.MULTILINE)
    assert not re.search(r"(?<!\\)<", text)
    assert max(map(len, re.sub(r"^\|.*", "", text, flags=re.MULTILINE).splitlines())) <= 100


def test_equal_inputs_give_equal_bytes(written, tmp_path):
    small = examples(count=1, length=2)
    for name in ("first", "second"):
        text = stage._csv(stage.statements(small, small))
        (tmp_path / name).write_text(text)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_command_line(askd_command, tmp_path):
    """The whole stage, as the workflow runs it."""
    result = askd_command("theory", "--output", tmp_path / "tables" / "theory")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "tables" / "theory.csv").is_file()
    assert (tmp_path / "tables" / "theory.md").is_file()
