"""The schedule: every prompt once before any comes again, and no prompt twice in a step."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.artifacts import SCHEDULE, check_table
from askd.errors import AskdError
from askd.training.schedule import prompts_of_steps, schedule


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def steps(table) -> dict[tuple[int, int], list[str]]:
    result: dict[tuple[int, int], list[str]] = {}
    for row in table.to_pylist():
        result.setdefault((row["round"], row["step"]), []).append(row["prompt_id"])
    return result


@settings(max_examples=50, deadline=None)
@given(
    prompts=st.integers(1, 30),
    per_step=st.integers(1, 10),
    rounds=st.integers(1, 3),
    per_round=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_every_step_is_full_and_all_prompts_come_before_one_comes_again(
    prompts, per_step, rounds, per_round, seed
):
    if prompts < per_step:
        return
    table = check_table(schedule(names(prompts), seed, rounds, per_round, per_step), SCHEDULE, "f")
    dealt = steps(table)
    assert list(dealt) == [(r, s) for r in range(rounds) for s in range(per_round)]
    assert all(len(set(ids)) == len(ids) == per_step for ids in dealt.values())
    pass_length = prompts // per_step
    batches = list(dealt.values())
    for start in range(0, len(batches), pass_length):
        one_pass = [name for ids in batches[start : start + pass_length] for name in ids]
        assert len(set(one_pass)) == len(one_pass)


def test_it_depends_on_the_seed_alone():
    def made(seed):
        return schedule(names(20), seed, 2, 5, 3)

    assert made(0).equals(made(0))
    assert not made(0).equals(made(1))


def test_more_rounds_leave_the_first_ones_as_they_are():
    short, long = schedule(names(20), 0, 1, 5, 3), schedule(names(20), 0, 3, 5, 3)
    assert long.slice(0, len(short)).equals(short)


def test_order_is_shuffled_anew_for_each_pass():
    batches = list(steps(schedule(names(12), 0, 1, 8, 3)).values())
    first, second = batches[:4], batches[4:]
    assert first != second
    assert {name for ids in first for name in ids} == {name for ids in second for name in ids}


def test_prompts_are_dealt_out_evenly():
    counts = Counter(schedule(names(12), 0, 3, 4, 3).column("prompt_id").to_pylist())
    assert set(counts.values()) == {3}


def test_fewer_prompts_than_a_step_takes_are_refused():
    with pytest.raises(AskdError, match="prompts_per_step is 5, but the task has only 4"):
        schedule(names(4), 0, 1, 1, 5)


def test_prompts_of_some_steps_are_distinct_and_in_order():
    table = schedule(names(5), 0, 2, 4, 3)
    dealt = steps(table)
    expected = list(dict.fromkeys(dealt[1, 1] + dealt[1, 2]))
    assert prompts_of_steps(table, 1, 1, 3) == expected
    assert prompts_of_steps(table, 1, 0, 1) == dealt[1, 0]
    assert prompts_of_steps(table, 7, 0, 1) == []
