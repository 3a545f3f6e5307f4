import pandas as pd
import yaml

from askd.artifacts import ITEMS, table_from_rows, write_table
from askd.config import Sweep
from askd.reporting.sweep import TuneSettings, tune


def items(accuracy: float) -> list[dict]:
    return [
        {
            "prompt_id": f"p{number}",
            "decoding": decoding,
            "sample_id": 0,
            "correct": number < round(10 * accuracy),
            "reward": 0.0,
            "reason": "",
            "finish_reason": "stop",
            "response_tokens": 1,
            "text": "",
        }
        for decoding in ("greedy", "sampled")
        for number in range(10)
    ]


def test_best_mean_over_benchmarks_and_seeds_is_chosen(tmp_path):
    sweep = Sweep(
        methods=["a", "b"],
        pairs=["p"],
        learning_rates=[0.004, 0.001],
        seeds=[7, 8],
        benchmarks=["x", "y"],
    )
    accuracies = {
        ("a@0.001", 7, "x"): 0.9,  # the best single try, but not the best mean
        ("a@0.004", 7, "x"): 0.6,
        ("a@0.004", 7, "y"): 0.6,
        ("a@0.004", 8, "x"): 0.6,
        ("a@0.004", 8, "y"): 0.6,
    }
    for variant in ("a@0.001", "a@0.004", "b@0.001", "b@0.004"):
        for seed in (7, 8):
            for benchmark in ("x", "y"):
                accuracy = accuracies.get((variant, seed, benchmark), 0.2)
                path = tmp_path / f"p/{variant}/seed{seed}/eval/{benchmark}/items.parquet"
                write_table(path, table_from_rows(items(accuracy), ITEMS), ITEMS)
    settings = TuneSettings(sweep=sweep, results=str(tmp_path))
    tune(settings, tmp_path / "sweep.csv", tmp_path / "tuned.yaml")
    tuned = yaml.safe_load((tmp_path / "tuned.yaml").read_text())
    # Equals go to the smallest.
    assert tuned == {"tuned": {"p": {"a": 0.004, "b": 0.001}}}
    tries = pd.read_csv(tmp_path / "sweep.csv")
    assert len(tries) == 4
    first = tries[(tries.method == "a") & (tries.learning_rate == 0.001)].iloc[0]
    assert first.sampled == (90 + 20 + 20 + 20) / 4
    assert tries[tries.chosen].learning_rate.tolist() == [0.004, 0.001]
