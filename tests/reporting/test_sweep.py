"""The choice of settings on validation prompts: which try wins, and the two files of it."""

import json

import pandas as pd
import pytest
import yaml

from askd.artifacts import ITEMS, table_from_rows, write_table
from askd.config import Config, Sweep, Try, validate
from askd.errors import AskdError
from askd.reporting.sweep import TuneSettings, tune

OPTION = {"tgo": {"skewness": 0.5}, "projection": {"beta": 2}}


def items(sampled: float, greedy: float, correct: float = 0.0) -> list[dict]:
    """Ten items whose mean rewards are `sampled` and `greedy`; the share of `correct` is another.

    Rewards may be shares, such as win rates.
    """
    return [
        {
            "prompt_id": f"p{number}",
            "decoding": decoding,
            "sample_id": 0,
            "correct": number < round(10 * correct),
            "reward": reward,
            "reason": "",
            "finish_reason": "stop",
            "response_tokens": 1,
            "text": "",
        }
        for decoding, reward in (("greedy", greedy), ("sampled", sampled))
        for number in range(10)
    ]


@pytest.fixture
def chosen(tmp_path):
    """Tunes on the pair p with the given sweep and results; gives both files."""

    def run(sweep: Sweep, rewards: dict, others: float = 0.2, **items_options):
        settings = TuneSettings(
            pair="p",
            benchmarks=sweep.benchmarks,
            tries={method: sweep.tries(method) for method in sweep.methods},
            seeds=sweep.seeds,
            results=str(tmp_path),
        )
        for variants in settings.tries.values():
            for variant in variants:
                for seed in sweep.seeds:
                    for benchmark in sweep.benchmarks:
                        reward = rewards.get((variant, seed, benchmark), others)
                        path = tmp_path / f"p/{variant}/seed{seed}/eval/{benchmark}/items.parquet"
                        rows = items(reward, **{"greedy": 0.0, **items_options})
                        write_table(path, table_from_rows(rows, ITEMS), ITEMS)
        tune(settings, tmp_path / "tuned.csv", tmp_path / "tuned.yaml")
        text = (tmp_path / "tuned.yaml").read_text()
        return yaml.safe_load(text)["tuned"], pd.read_csv(tmp_path / "tuned.csv")

    return run


def sweep(**changes) -> Sweep:
    return Sweep(
        **{
            "methods": ["a", "b"],
            "pairs": ["p"],
            "learning_rates": [0.004, 0.001],
            "seeds": [7, 8],
            "benchmarks": ["x", "y"],
            **changes,
        }
    )


def test_best_mean_over_benchmarks_and_seeds_is_chosen(chosen):
    tuned, tries = chosen(
        sweep(),
        {
            ("a@0.001", 7, "x"): 0.9,  # the best single try, but not the best mean
            ("a@0.004", 7, "x"): 0.6,
            ("a@0.004", 7, "y"): 0.6,
            ("a@0.004", 8, "x"): 0.6,
            ("a@0.004", 8, "y"): 0.6,
        },
    )
    # Equals go to the smallest.
    assert tuned == {"p": {"a": {"learning_rate": 0.004}, "b": {"learning_rate": 0.001}}}
    assert list(tries) == [
        "pair", "method", "learning_rate", "options", "greedy", "sampled", "chosen"
    ]  # fmt: skip
    assert len(tries) == 4
    first = tries[(tries.method == "a") & (tries.learning_rate == 0.001)].iloc[0]
    assert first.sampled == pytest.approx((90 + 20 + 20 + 20) / 4)
    assert tries[tries.chosen].learning_rate.tolist() == [0.004, 0.001]


def test_a_main_hyper_parameter_is_chosen_together_with_the_rate(chosen):
    tuned, tries = chosen(
        sweep(alternatives={"a": [{"tgo": {"beta": 0.1}}, OPTION]}),
        {("a@0.001@2", seed, benchmark): 0.7 for seed in (7, 8) for benchmark in "xy"},
    )
    assert tuned["p"]["a"] == {"learning_rate": 0.001, "options": OPTION}
    assert tuned["p"]["b"] == {"learning_rate": 0.001}
    assert len(tries) == 3 * 2 + 2
    row = tries[tries.chosen & (tries.method == "a")].iloc[0]
    assert (row.learning_rate, json.loads(row.options)) == (0.001, OPTION)
    assert tries[tries.method == "b"].options.tolist() == ["{}", "{}"]


def test_the_method_as_it_is_wins_against_equals(chosen):
    tuned, _ = chosen(sweep(alternatives={"a": [OPTION]}), {}, others=0.5)
    assert tuned["p"]["a"] == {"learning_rate": 0.001}


def test_sampled_rewards_choose_and_not_greedy_or_correct_ones(chosen):
    """A win rate has no right and wrong; the greedy answer of an item is one throw."""
    better = {("a@0.004", seed, benchmark): 0.25 for seed in (7, 8) for benchmark in "xy"}
    tuned, tries = chosen(sweep(), better, others=0.2, greedy=0.9, correct=1.0)
    assert tuned["p"]["a"] == {"learning_rate": 0.004}
    assert set(tries.greedy) == {90.0}
    assert sorted(tries.sampled) == pytest.approx([20, 20, 20, 25])


def test_what_was_chosen_is_part_of_a_configuration(chosen, configuration):
    tuned, _ = chosen(
        sweep(methods=["askd"], alternatives={"askd": [{"projection": {"beta": 2}}]}),
        {("askd@0.004@1", seed, benchmark): 0.7 for seed in (7, 8) for benchmark in "xy"},
    )
    parsed = validate(Config, {**configuration, "tuned": {"qwen2-math": tuned["p"]}}, "test")
    assert parsed.tuned["qwen2-math"]["askd"] == Try(
        learning_rate=0.004, options={"projection": {"beta": 2}}
    )
    assert parsed.learning_rate("qwen2-math", "askd") == 0.004
    assert parsed.method("qwen2-math", "askd").projection.beta == 2


def test_a_missing_evaluation_is_named(chosen, tmp_path):
    chosen(sweep(), {})
    (tmp_path / "p/b@0.004/seed8/eval/y/items.parquet").unlink()
    settings = TuneSettings(
        pair="p",
        benchmarks=["x", "y"],
        tries={"b": sweep().tries("b")},
        seeds=[7, 8],
        results=str(tmp_path),
    )
    with pytest.raises(AskdError, match=r"p/b@0\.004/seed8/eval/y/items\.parquet: no such file"):
        tune(settings, tmp_path / "other.csv", tmp_path / "other.yaml")
    assert not (tmp_path / "other.csv").exists()
