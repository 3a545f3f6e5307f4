"""The curves stage on made-up logs."""

from __future__ import annotations

import json
import statistics

import pandas as pd
import pytest

from askd.config import validated_json
from askd.errors import AskdError
from askd.reporting.curves import CurvesSettings, curves

LABELS = {"one": "Method 1", "other": "Method 2"}
STEPS = 4


def value(method: str, seed: int, round_: int, step: int) -> float:
    return 10 * list(LABELS).index(method) + seed**2 + round_ + 0.1 * step


@pytest.fixture
def results(tmp_path):
    """Logs of two methods, three seeds and two rounds; only one logs a reward."""
    for method in LABELS:
        for seed in range(3):
            for round_ in (1, 2):
                rows = [
                    {
                        "step": step,
                        "loss": 0.0,
                        "grad_norm": value(method, seed, round_, step),
                        "sgo_loss": 0.5,
                        **({"sgo_reward": 0.25} if method == "one" else {}),
                    }
                    for step in range(1, STEPS + 1)
                ]
                folder = tmp_path / "pair" / method / f"seed{seed}" / f"round{round_}"
                folder.mkdir(parents=True)
                (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path


@pytest.fixture
def draw(results, tmp_path):
    def draw(name: str = "curves", **changes):
        settings = {
            "pair": "pair",
            "label": "Teacher → Student",
            "methods": LABELS,
            "seeds": 3,
            "rounds": 2,
            "results": str(results),
            **changes,
        }
        output = tmp_path / "figures" / name
        curves(validated_json(CurvesSettings, json.dumps(settings)), output)
        return output

    return draw


def test_what_is_drawn_is_written_down(draw):
    table = pd.read_csv(draw().with_suffix(".csv"))
    assert sorted(table["panel"].unique()) == ["grad_norm", "sgo_loss", "sgo_reward"]
    norms = table[(table["panel"] == "grad_norm") & (table["method"] == "other")]
    # Steps are counted through all rounds.
    assert norms["step"].tolist() == list(range(1, 2 * STEPS + 1))
    for row in norms.itertuples():
        round_, step = divmod(row.step - 1, STEPS)
        values = [value("other", seed, round_ + 1, step + 1) for seed in range(3)]
        spread = statistics.stdev(values)
        assert row.mean == pytest.approx(statistics.mean(values), 1e-4)
        assert (row.low, row.high) == pytest.approx((row.mean - spread, row.mean + spread), 1e-4)
    assert set(table.loc[table["panel"] == "sgo_reward", "method"]) == {"one"}


def test_the_picture_shows_panels_and_methods(draw):
    output = draw()
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    svg = output.with_suffix(".svg").read_text(encoding="utf-8")
    for text in (
        "Teacher → Student",
        "Method 1",
        "Method 2",
        "gradient norm, before clipping",
        "Mean of 3 seeds",
    ):
        assert f"<!-- {text}" in svg


def test_equal_logs_give_equal_bytes(draw):
    first, second = draw("first"), draw("second")
    for ending in (".csv", ".svg", ".png"):
        assert first.with_suffix(ending).read_bytes() == second.with_suffix(ending).read_bytes()


def test_a_dot_in_a_pairs_name_is_no_ending(draw):
    folder = draw("curves-qwen2.5-math").parent
    assert sorted(path.name for path in folder.iterdir()) == [
        f"curves-qwen2.5-math.{ending}" for ending in ("csv", "png", "svg")
    ]


def test_one_seed_has_no_band(draw):
    output = draw(seeds=1)
    table = pd.read_csv(output.with_suffix(".csv"))
    assert (table["low"] == table["high"]).all()
    assert "<!-- One seed." in output.with_suffix(".svg").read_text(encoding="utf-8")


def test_a_missing_log(draw):
    with pytest.raises(AskdError, match=r"seed3.round1.metrics\.jsonl: no log"):
        draw(seeds=4)


def test_a_torn_log(draw, results):
    path = results / "pair/one/seed1/round2/metrics.jsonl"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(AskdError, match="no log of a training"):
        draw()


def test_seeds_of_different_length(draw, results):
    path = results / "pair/one/seed1/round2/metrics.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(AskdError, match="trained for 5 steps and some for 8"):
        draw()


def test_the_command(askd_command, results, tmp_path):
    settings = {
        "pair": "pair",
        "label": "Teacher → Student",
        "methods": LABELS,
        "seeds": 3,
        "rounds": 2,
        "results": str(results),
    }
    command = ["curves", "--output", tmp_path / "curves", "--settings"]
    assert askd_command(*command, json.dumps(settings)).returncode == 0
    assert (tmp_path / "curves.svg").is_file()
    failed = askd_command(*command, json.dumps({**settings, "pair": "unknown"}))
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ") and failed.stderr.count("\n") == 1
