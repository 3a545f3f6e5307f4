"""What a table refuses: outcomes that are missing or do not fit, malformed paper numbers."""

from pathlib import Path

import pytest

from askd.artifacts import ITEMS, read_table, table_from_rows, write_table
from askd.errors import AskdError
from askd.reporting.paper_numbers import read_paper_numbers

PAPER_TABLE_2 = Path(__file__).parents[2] / "config" / "paper_tables" / "table2.csv"
PAPER = "pair,method,benchmark,value\none,askd,easy,78.92\n"


def fails(small, *words):
    with pytest.raises(AskdError) as error:
        small.build()
    for word in words:
        assert word in str(error.value)
    assert not (small.results.parent / "tables").exists()


def test_missing_evaluation_is_named(small):
    small.items_path("two", "askd", 1, "hard").unlink()
    fails(small, "two/askd/seed1/eval/hard/items.parquet", "pair two, seed 1, on hard")


def test_a_seed_too_many_is_missing(small):
    with pytest.raises(AskdError, match="seed 2"):
        small.build(seeds=3)


def test_systems_with_other_items_are_named(small):
    small.write_run("one", "sft", 1, ("100 111", "00 00"))
    fails(
        small,
        "one/sft/seed1/eval/easy/items.parquet: no item 'easy-3'",
        "one/teacher/seed0/eval/easy/items.parquet has",
    )


def test_an_item_too_many_is_named(small):
    small.write_run("one", "sft", 1, ("10000 11100", "00 00"))
    fails(
        small,
        "one/teacher/seed0/eval/easy/items.parquet: no item 'easy-4'",
        "one/sft/seed1/eval/easy/items.parquet has",
    )


def rewrite(small, change):
    path = small.items_path("one", "sft", 0, "easy")
    rows = change(read_table(path, ITEMS).to_pylist())
    write_table(path, table_from_rows(rows, ITEMS), ITEMS)


def test_an_item_with_another_number_of_samples(small):
    rewrite(small, lambda rows: rows[:-1])
    fails(small, "one/sft/seed0/eval/easy", "'easy-3' has 1 sampled answers, expected 2")


def test_an_item_without_a_greedy_answer(small):
    rewrite(small, lambda rows: rows[1:])
    fails(small, "one/sft/seed0/eval/easy", "'easy-0' has 0 greedy answers, expected 1")


def test_an_item_with_two_greedy_answers(small):
    rewrite(small, lambda rows: [*rows, {**rows[0], "sample_id": 1}])
    fails(small, "'easy-0' has 2 greedy answers, expected 1")


def test_an_evaluation_without_samples(small):
    rewrite(small, lambda rows: [row for row in rows if row["decoding"] == "greedy"])
    fails(small, "'easy-0' has 0 sampled answers, expected 1")


def test_runs_with_another_number_of_samples(small):
    rewrite(small, lambda rows: [row for row in rows if row["sample_id"] == 0])
    fails(small, "one/sft/seed0/eval/easy", "1 samples", "one/teacher/seed0/eval/easy", "has 2")


def test_one_item_is_too_few(small):
    small.write_run("one", "teacher", 0, ("1 1", "11 11"))
    fails(small, "one/teacher/seed0/eval/easy", "one item only")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair,method,value\n", "no column 'benchmark'"),
        ("", "no column 'pair'"),
        (PAPER + "three,askd,easy,1\n", "line 3: unknown pair 'three'"),
        (PAPER + "one,askd,eazy,1\n", "unknown benchmark 'eazy'; did you mean 'easy'"),
        (PAPER + "one,askd,hard,high\n", "line 3: 'high' is not a number"),
        (PAPER + "one,askd,hard\n", "line 3: None is not a number"),
        (PAPER + "one,askd,easy,1\n", "one, askd, easy occurs twice"),
    ],
)
def test_malformed_paper_numbers(small, text, message):
    small.paper.write_text(text)
    fails(small, "paper.csv", message)


@pytest.mark.parametrize("reward", [-0.1, 1.5, float("nan")])
def test_a_reward_that_is_no_share(small, reward):
    rewrite(small, lambda rows: [{**rows[0], "reward": reward}, *rows[1:]])
    fails(small, "one/sft/seed0/eval/easy", "a reward is outside 0 to 1")


def test_missing_paper_numbers(small):
    small.paper.unlink()
    fails(small, "paper.csv: no such file")


def test_paper_table_2_is_whole_and_its_averages_fit():
    pairs, benchmarks = ("qwen2-math", "qwen2.5-math"), ("arithmetic-easy", "arithmetic-hard")
    numbers = read_paper_numbers(PAPER_TABLE_2, pairs, benchmarks)
    systems = ("teacher", "student", "gkd", "minillm", "akl", "distillm2", "askd")
    assert list(numbers) == [
        (pair, system, column)
        for pair in pairs
        for system in systems
        for column in (*benchmarks, "average")
    ]
    assert numbers["qwen2-math", "askd", "arithmetic-easy"] == 78.92
    assert numbers["qwen2.5-math", "distillm2", "arithmetic-hard"] == 46.14
    for pair in pairs:
        for system in systems:
            mean = sum(numbers[pair, system, benchmark] for benchmark in benchmarks) / 2
            assert numbers[pair, system, "average"] == pytest.approx(mean, abs=0.0051)
