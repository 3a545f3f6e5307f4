"""JSON Lines prompts: what is read, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from askd.artifacts import PROMPTS, read_table
from askd.config import JsonlTask
from askd.errors import AskdError
from askd.tasks.jsonl import read
from askd.tasks.prompts import build

GOOD = '{"prompt": "1+1", "reference": "2"}'


@pytest.fixture
def written(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "train.jsonl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_rows_of_a_file(written):
    full = {"prompt": "ü?", "reference": "3", "response": "1+2=3", "level": "hard"}
    path = written(GOOD + "\n\n" + json.dumps(full, ensure_ascii=False))
    assert read(path) == [
        {
            "prompt_id": "train-000001",
            "level": "all",
            "messages": [{"role": "user", "content": "1+1"}],
            "reference": "2",
            "response": "",
        },
        {
            "prompt_id": "train-000003",
            "level": "hard",
            "messages": [{"role": "user", "content": "ü?"}],
            "reference": "3",
            "response": "1+2=3",
        },
    ]


def test_lines_may_end_as_on_windows(written):
    assert len(read(written(GOOD + "\r\n" + GOOD + "\r\n"))) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD[:-5], "line 2 is not JSON"),
        ("prompt: 1+1", "line 2 is not JSON"),
        ('["1+1", "2"]', "line 2 is not a JSON object"),
        ("3", "line 2 is not a JSON object"),
        ('{"prompt": "1+1"}', "line 2 has no key 'reference'"),
        ('{"reference": "2"}', "line 2 has no key 'prompt'"),
        ('{"prompt": "1+1", "reference": 2}', "line 2: 'reference' is not a string"),
        ('{"prompt": null, "reference": "2"}', "line 2: 'prompt' is not a string"),
        (GOOD[:-1] + ', "answer": "2"}', "line 2: unknown key 'answer'; known are prompt"),
    ],
)
def test_a_bad_line_is_named(written, line, reason):
    path = written(f"{GOOD}\n{line}\n{GOOD}\n")
    with pytest.raises(AskdError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_an_empty_file_is_refused(written, text):
    with pytest.raises(AskdError, match="the file is empty"):
        read(written(text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AskdError, match=r"gone\.jsonl: no such file"):
        read(tmp_path / "gone.jsonl")


def test_text_of_another_encoding_is_refused(written):
    with pytest.raises(AskdError, match="not UTF-8 text"):
        read(written(GOOD.replace("1+1", "ü").encode("latin-1")))


@pytest.mark.parametrize("character", ["\u2028", "\u0085"])
def test_separators_of_unicode_do_not_end_a_line(written, character):
    """JSON allows them inside strings, and ensure_ascii=False writes them there."""
    record = {"prompt": f"one{character}two", "reference": "2"}
    rows = read(written(json.dumps(record, ensure_ascii=False) + "\n"))
    assert rows[0]["messages"][0]["content"] == record["prompt"]


def test_the_stage_writes_a_table_for_each_split(tmp_path):
    paths = {}
    for number, split in enumerate(("train", "validation", "test"), start=1):
        paths[split] = str(tmp_path / f"{split}.jsonl")
        (tmp_path / f"{split}.jsonl").write_text((GOOD + "\n") * number)
    build(JsonlTask(kind="jsonl", grader="arithmetic", **paths), tmp_path / "data")
    for number, split in enumerate(paths, start=1):
        table = read_table(tmp_path / "data" / f"{split}.parquet", PROMPTS)
        assert table.num_rows == number
        assert table.column("prompt_id")[0].as_py() == f"{split}-000001"


def test_one_bad_split_leaves_no_tables(tmp_path):
    paths = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "validation", "test")}
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / "validation.jsonl").write_text(GOOD)
    (tmp_path / "test.jsonl").write_text("torn")
    with pytest.raises(AskdError, match=r"test\.jsonl: line 1"):
        build(JsonlTask(kind="jsonl", grader="arithmetic", **paths), tmp_path / "data")
    assert not (tmp_path / "data").exists()


ROW = {
    "format": "humaneval",
    "prompt": 'def f(x):\n    """Add 1."""\n',
    "entry_point": "f",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
}


def code_line(**changes) -> str:
    return json.dumps({"prompt": "Write f.", "reference": {**ROW, **changes}})


def test_a_row_of_tests_may_be_an_object_or_its_text(written):
    as_text = json.dumps({"prompt": "Write f.", "reference": json.dumps(ROW)})
    for line in (code_line(), as_text):
        (row,) = read(written(line), "code")
        assert json.loads(row["reference"]) == ROW


def test_tests_that_cannot_judge_fail_when_the_data_are_built(tmp_path):
    paths = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "validation", "test")}
    for path in paths.values():
        Path(path).write_text(f"{code_line()}\n")
    task = JsonlTask(kind="jsonl", grader="code", **paths)
    build(task, tmp_path / "good")
    assert (tmp_path / "good" / "train.parquet").is_file()
    Path(paths["test"]).write_text(f"{code_line()}\n{code_line(test='def check(c): assert')}\n")
    with pytest.raises(AskdError, match=r"test\.jsonl: line 2: test does not compile"):
        build(task, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_a_grader_of_ones_own_may_do_without_references(written):
    (row,) = read(written('{"prompt": "1+1"}'), "mine:score")
    assert row["reference"] == ""
    with pytest.raises(AskdError, match="line 1 has no key 'reference', which grader 'judge' "):
        read(written('{"prompt": "1+1"}'), "judge")


def test_a_grader_of_ones_own_is_loaded_before_any_table_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
    for path in paths.values():
        Path(path).write_text('{"prompt": "1+1"}\n')
    Path("scores.py").write_text("def score(prompt, response, reference):\n    return 1\n")
    build(JsonlTask(kind="jsonl", grader="scores:score", **paths), tmp_path / "good")
    assert read_table(tmp_path / "good" / "test.parquet", PROMPTS).num_rows == 1
    with pytest.raises(AskdError, match=r"scores\.py has no function 'scor'; did you mean 'score'"):
        build(JsonlTask(kind="jsonl", grader="scores:scor", **paths), tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_a_reference_without_a_baseline_fails_when_the_data_are_built(tmp_path):
    path = tmp_path / "judged.jsonl"
    good = {"prompt": "Why?", "reference": {"baseline": "So.", "generator": "somebody"}}
    path.write_text(json.dumps(good) + "\n")
    (row,) = read(path, "judge")
    assert json.loads(row["reference"]) == good["reference"]
    for bad in ("So.", {}, {"baseline": 3}):
        lines = [json.dumps(good), json.dumps({"prompt": "Why?", "reference": bad})]
        path.write_text("\n".join(lines))
        with pytest.raises(AskdError, match=r"line 2: `reference` does not hold a baseline"):
            read(path, "judge")
