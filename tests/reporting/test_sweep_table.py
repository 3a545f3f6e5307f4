"""The table of the sweep from made-up tries."""

from __future__ import annotations

import copy
import json

import pytest

from askd.config import validated_json
from askd.errors import AskdError
from askd.reporting.sweep_table import (
    SweepTableSettings,
    options_text,
    pair_grid,
    read_sweep,
    sweep_table,
)

SETTINGS = {
    "pairs": {"p": "Big → Small"},
    "methods": {"a": "Method A", "b": "Method B"},
    "sweep": {
        "methods": ["a", "b"],
        "pairs": ["p"],
        "learning_rates": [0.004, 0.001],
        "alternatives": {"b": [{"tgo": {"beta": 0.9}}]},
        "seeds": [1000],
        "benchmarks": ["x"],
    },
    "seeds": 3,
    "rounds": 2,
    "sections": {
        "p": {
            "training": {"learning_rate": 0.004, "steps_per_round": 20, "prompts_per_step": 16},
            "rollout": {"samples_per_prompt": 4, "max_new_tokens": 8},
            "advantage": {},
            "skewness": {},
        }
    },
}
TRIES = """\
pair,method,learning_rate,options,greedy,sampled,chosen
p,a,0.004,{},50,41.25,False
p,a,0.001,{},40,45.5,True
p,b,0.004,{},30,31,False
p,b,0.001,{},30,32,False
p,b,0.004,"{""tgo"": {""beta"": 0.9}}",30,33.5,True
p,b,0.001,"{""tgo"": {""beta"": 0.9}}",90,20,False
"""


@pytest.fixture
def make(tmp_path):
    def make(text: str = TRIES):
        (tmp_path / "tries.csv").write_text(text)
        settings = validated_json(SweepTableSettings, json.dumps(SETTINGS))
        sweep_table(settings, [tmp_path / "tries.csv"], tmp_path / "sweep")
        return tmp_path / "sweep"

    return make


def test_a_grid_has_a_line_for_each_method_and_marks_the_chosen(make):
    text = make().with_suffix(".md").read_text()
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    assert lines[0] == [
        *("Method", "0.001", "0.004"),
        *("Alternative", "0.001 (alt.)", "0.004 (alt.)"),
    ]
    assert lines[2:] == [
        ["Method A", "**45.5**", "41.2", "", "", ""],
        ["Method B", "32.0", "31.0", "tgo beta 0.9", "20.0", "**33.5**"],
    ]
    assert "## Big → Small" in text


def test_how_it_was_chosen_is_said(make):
    text = " ".join(make().with_suffix(".md").read_text().split())
    for words in (
        "validation prompts",
        "seed 1000, apart from those of the tables (0 to 2)",
        "the same 2 learning rates",
        "2 to 4 tries of a method",
        "40 updates of the student, 16 prompts an update, and 4 samples",
    ):
        assert words in text


def test_choices_at_an_edge_of_the_grid_are_counted_and_named(make):
    text = " ".join(make().with_suffix(".md").read_text().split())
    assert (
        "2 of 2 choices lie at an edge of the learning rates that were tried, so that a rate "
        "beyond it might do better. At the lowest, 0.001 (Big → Small): Method A; the highest, "
        "0.004 (Big → Small): Method B." in text
    )
    # With a rate on either side of each choice, or with one rate alone, there is none.
    inner = f"{TRIES}p,b,0.0005,{{}},1,1,False\np,b,0.008,{{}},1,1,False\n"
    one_rate = "\n".join(line for line in TRIES.splitlines() if ",0.004," not in line)
    for other in (inner, one_rate):
        assert "edge" not in make(other).with_suffix(".md").read_text()


def test_pairs_with_other_budgets_are_named(tmp_path):
    settings = copy.deepcopy(SETTINGS)
    settings["pairs"] |= {"r": "Code", "s": "Like p"}
    settings["sections"] |= {"r": copy.deepcopy(settings["sections"]["p"])}
    settings["sections"] |= {"s": settings["sections"]["p"]}
    settings["sections"]["r"]["training"]["prompts_per_step"] = 8
    tries = []
    for pair in "prs":
        tries.append(tmp_path / f"{pair}.csv")
        tries[-1].write_text(TRIES.replace("\np,", f"\n{pair},"))
    settings = validated_json(SweepTableSettings, json.dumps(settings))
    sweep_table(settings, tries, tmp_path / "sweep")
    text = " ".join((tmp_path / "sweep.md").read_text().split())
    assert "16 prompts an update, and 4 samples of a prompt (Big → Small, Like p); 40" in text
    assert (
        "40 updates of the student, 8 prompts an update, and 4 samples of a prompt (Code)." in text
    )


def test_the_csv_file_is_read_as_it_was_written(make):
    rows = read_sweep(make().with_suffix(".csv"))
    assert [row.alternative for row in rows] == [0, 0, 0, 0, 1, 1]
    assert [row.sampled for row in rows if row.chosen] == [45.5, 33.5]
    # A method that the configuration no longer has keeps its name.
    header, lines = pair_grid(rows, {})
    assert [line[0] for line in lines] == ["a", "b"] and {len(line) for line in lines} == {6}
    assert len(header) == 6


@pytest.mark.parametrize(
    "text",
    ["", TRIES.splitlines()[0], TRIES.replace("options", "other"), TRIES.replace("41.25", "x")],
)
def test_what_is_no_table_of_tries_is_refused(make, text):
    with pytest.raises(AskdError, match=r"tries\.csv: no tries of a sweep"):
        make(text)


def test_nested_options_are_put_into_words():
    options = {"tgo": {"beta": 0.9}, "policy": {"teacher_weight": 0.5}}
    assert options_text(options) == "tgo beta 0.9, policy teacher weight 0.5"
    assert options_text({}) == ""


def test_the_command_needs_no_torch(askd_command, tmp_path):
    (tmp_path / "tries.csv").write_text(TRIES)
    result = askd_command(
        *("sweep-table", "--settings", json.dumps(SETTINGS)),
        *("--tries", tmp_path / "tries.csv", "--output", tmp_path / "sweep"),
        python=("-X", "importtime"),
    )
    assert result.returncode == 0, result.stderr
    assert not any(line.endswith(" torch") for line in result.stderr.splitlines())
    assert (tmp_path / "sweep.csv").is_file() and (tmp_path / "sweep.md").is_file()
