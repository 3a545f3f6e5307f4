"""Figures 1 and 2 from hand-made outputs: numbers, bytes, captions, and damaged inputs."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from scipy.stats import kstest, spearmanr

from askd.artifacts import read_table, table_from_rows, write_table
from askd.config import Advantage
from askd.errors import AskdError
from askd.reporting.claims import read_claims
from askd.reporting.figures import draw
from askd.reporting.figures.bootstrap import distance_from_uniform, means, rank_correlation
from askd.reporting.figures.data import coefficient
from askd.reporting.figures.outputs import read
from askd.reporting.figures.series import figure2
from askd.reporting.figures.stage import figures
from askd.reporting.figures.tables import ALPHAS, CURVES, RATIOS, SEQUENCES, TOKENS
from askd.skewness import batch_advantages, group_advantages, project

CLAIMS = read_claims(Path(__file__).parents[2] / "config" / "claims.yaml").claims

# Rewards of two outputs to each prompt, and (log p, log q) of their tokens.
ANSWERS = {
    "teacher": {
        "a": [(1, [(-0.1, -0.5), (-0.2, -1.2)]), (0, [(-0.3, -0.4)])],
        "b": [(1, [(-0.5, -0.5), (-0.1, -0.3), (-0.2, -0.1)]), (1, [(-0.4, -2.0)])],
        "c": [(0, [(-1.0, -3.0)]), (1, [(-0.1, -0.2), (-0.1, -0.4)])],
    },
    "student": {
        "a": [(0, [(-2.0, -0.5), (-0.2, -0.4)]), (0, [(-0.5, -3.0)])],
        "b": [(1, [(-0.4, -0.4), (-0.9, -0.3)]), (0, [(-1.0, -0.2)])],
        "c": [(0, [(-1.0, -0.7), (-0.2, -0.3), (-4.0, -0.9)]), (1, [(-0.6, -0.1)])],
    },
}
BY_GROUP = Advantage(normalization="group")
FILES = {"tokens": TOKENS, "sequences": SEQUENCES, "curves": CURVES}
OUTPUTS = (
    "captions.md facts.csv figure1.csv figure1.png figure1.svg figure2.csv figure2.png figure2.svg"
)


def skl(c, alpha):
    """lambda_SKL, written down once more."""
    return alpha / (alpha + (1 - alpha) * c)


def srkl(c, alpha):
    """lambda_SRKL, written down once more."""
    return np.log(c + alpha * (1 - c)) + skl(c, alpha) - 1


FORMULAS = {"teacher": skl, "student": srkl}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder as figures-data writes it; read only."""
    tokens, sequences = [], []
    for side, prompts in ANSWERS.items():
        answers = [(prompt, *answer) for prompt, pair in prompts.items() for answer in pair]
        advantages = group_advantages(
            [float(reward) for _, reward, _ in answers], [prompt for prompt, _, _ in answers]
        )
        alphas = project(advantages, 1.0)
        for number, (prompt, reward, logprobs) in enumerate(answers):
            key = {"side": side, "prompt_id": prompt, "sample_id": number % 2}
            sequences.append(
                {
                    **key,
                    "tokens": len(logprobs),
                    "finish_reason": "stop",
                    "reward": float(reward),
                    "correct": bool(reward),
                    "advantage": advantages[number],
                    "alpha": alphas[number],
                }
            )
            log_p, log_q = np.float32(logprobs).astype(float).T
            for row, (p, q) in enumerate(logprobs):
                of_token = (log_q[[row]], log_p[[row]])
                tokens.append(
                    {
                        **key,
                        "position": row + 1,
                        "teacher_logprob": p,
                        "student_logprob": q,
                        "coefficient": coefficient(side, *of_token, alphas[[number]])[0],
                        "coefficients": [
                            coefficient(side, *of_token, np.array([alpha]))[0] for alpha in ALPHAS
                        ],
                    }
                )
    alphas = np.linspace(0, 1, 201)
    curves = [
        {"side": side, "ratio": ratio, "alpha": alpha, "coefficient": value}
        for side in ANSWERS
        for ratio in RATIOS
        for alpha, value in zip(
            alphas,
            coefficient(side, np.zeros(201), np.full(201, math.log(ratio)), alphas),
            strict=True,
        )
    ]
    folder = tmp_path_factory.mktemp("figures") / "data"
    for (name, schema), rows in zip(FILES.items(), (tokens, sequences, curves), strict=True):
        write_table(folder / f"{name}.parquet", table_from_rows(rows, schema), schema)
    return folder


@pytest.fixture(scope="module")
def made(whole):
    """What the figures stage makes of it; read only."""
    figures(whole, BY_GROUP, 1.0, whole.parent / "made")
    return whole.parent / "made"


@pytest.fixture
def data(whole, tmp_path):
    """A folder that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


def series(path):
    """The points of each series of a CSV file, as arrays [n, 4] of x, y, low, high."""
    points = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            numbers = [float(row[column] or "nan") for column in ("x", "y", "low", "high")]
            points[row["part"], row["series"]].append(numbers)
    return {name: np.array(numbers) for name, numbers in points.items()}


def facts(path):
    with path.open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def ratios(side):
    """c of every token of a side."""
    answers = [answer for pair in ANSWERS[side].values() for _, answer in pair]
    return np.array([math.exp(p - q) for answer in answers for p, q in answer])


def test_curves_and_means_agree_with_the_formula(made):
    found = series(made / "figure1.csv")
    for side, name, outputs in (("teacher", "SKL", "TGO"), ("student", "SRKL", "SGO")):
        formula = FORMULAS[side]
        for ratio in RATIOS:
            x, y = found["1a", f"lambda_{name}, c = {ratio:g}"].T[:2]
            assert x[0] == 0 and x[-1] == 1
            np.testing.assert_allclose(y, formula(ratio, x), atol=1e-7)
        x, y, low, high = found["1a", f"mean lambda_{name} on {outputs}"].T
        np.testing.assert_allclose(x, ALPHAS)
        mean = formula(ratios(side)[:, None], ALPHAS).mean(axis=0)
        np.testing.assert_allclose(y, mean, atol=1e-6)
        # Prompts differ, except where all coefficients are equal.
        inner = slice(1, -1)
        assert (low[inner] < y[inner]).all() and (y[inner] < high[inner]).all()
        assert low[-1] == y[-1] == high[-1]


def test_the_minimum_is_where_the_slope_vanishes(made):
    x, y = series(made / "figure1.csv")["1a", "minimum of lambda_SRKL"].T[:2]
    # The slope has the sign of 2 c - c^2 + alpha (1 - c)^2.
    turning = np.array([c * (c - 2) / (c - 1) ** 2 for c in RATIOS if c > 2])
    np.testing.assert_allclose(x, turning, atol=0.005)
    assert (y < 0).all()


def test_cumulative_log_probabilities(made):
    found = series(made / "figure1.csv")
    for side, outputs in (("teacher", "TGO"), ("student", "SGO")):
        answers = [answer for pair in ANSWERS[side].values() for _, answer in pair]
        for model, column in (("p", 0), ("q", 1)):
            x, y, low, high = found["1c", f"log {model} on {outputs}"].T
            assert x.tolist() == [1, 2, 3]
            for position, value in zip((1, 2, 3), y, strict=True):
                sums = [sum(token[column] for token in answer[:position]) for answer in answers]
                assert value == pytest.approx(np.mean(sums), abs=1e-6)
            assert (low <= y).all() and (y <= high).all()


def test_histograms_hold_every_token_and_output(made):
    found = series(made / "figure1.csv") | series(made / "figure2.csv")
    for name in (
        ("1b", "lambda_SKL on TGO"),
        ("1b", "lambda_SRKL on SGO"),
        *((part, outputs) for part in ("2a", "2c") for outputs in ("TGO", "SGO")),
        ("2c", "U(0,1)"),
    ):
        assert found[name][:, 1].sum() == pytest.approx(1)
    assert found["2a", "N(0,1)"][:, 1].sum() == pytest.approx(1, abs=0.01)
    # Prompts a and c of the teacher have one right output each, so A = +-1/sqrt(2).
    filled = found["2a", "TGO"][found["2a", "TGO"][:, 1] > 0]
    np.testing.assert_allclose(filled[:, :2], [(-0.75, 1 / 3), (0, 1 / 3), (0.75, 1 / 3)])
    x, y = found["2b", "TGO"].T[:2]
    np.testing.assert_allclose(y, project(x, 1.0), atol=1e-6)
    halves = found["2c", "TGO"]
    assert halves[np.isclose(halves[:, 0], 0.5), 1] == pytest.approx(1 / 3)


def test_facts(made):
    found = facts(made / "facts.csv")
    tgo, sgo = ratios("teacher"), ratios("student")
    of_outputs = {
        side: [sum(p - q for p, q in answer) for pair in prompts.values() for _, answer in pair]
        for side, prompts in ANSWERS.items()
    }
    alphas = project(group_advantages([0, 0, 1, 0, 0, 1], list("aabbcc")), 1.0)
    lengths = [len(answer) for pair in ANSWERS["student"].values() for _, answer in pair]
    lambdas = srkl(sgo, np.repeat(alphas, lengths))
    of_teacher = project(group_advantages([1, 0, 1, 1, 0, 1], list("aabbcc")), 1.0)
    right = np.array([reward == 1 for pair in ANSWERS["student"].values() for reward, _ in pair])
    expected = {
        "lambda_skl_positive": 1,
        "lambda_srkl_negative": (lambdas < 0).mean(),
        "tgo_p_above_q": (tgo > 1).mean(),
        "sgo_p_below_q": (sgo < 1).mean(),
        "tgo_p_above_q_sequences": np.mean(np.array(of_outputs["teacher"]) > 0),
        "sgo_p_below_q_sequences": np.mean(np.array(of_outputs["student"]) < 0),
        "srkl_monotone": (sgo <= 2).mean(),
        "tgo_log_ratio": np.mean(of_outputs["teacher"]),
        "sgo_log_ratio": np.mean(of_outputs["student"]),
        "srkl_size_and_dissimilarity": spearmanr(abs(lambdas), abs(np.log(sgo))).statistic,
        "skewness_from_uniform": kstest([*of_teacher, *alphas], "uniform").statistic,
        "correct_sgo_p_below_q_sequences": np.mean(np.array(of_outputs["student"])[right] < 0),
        "lambda_srkl_negative_correct": (lambdas[np.repeat(right, lengths)] < 0).mean(),
    }
    assert list(found) == list(expected)
    named = {claim.fact.name for claim in CLAIMS if claim.fact is not None}
    assert named < set(found)
    for name, value in expected.items():
        row = found[name]
        assert float(row["value"]) == pytest.approx(value, abs=1e-6), name
        assert float(row["ci_low"]) <= float(row["value"]) <= float(row["ci_high"])
        counted = tgo if name in ("lambda_skl_positive", "tgo_p_above_q") else sgo
        by_output = name.endswith(("_sequences", "_log_ratio"))
        others = {
            "skewness_from_uniform": 12,
            "correct_sgo_p_below_q_sequences": 2,
            "lambda_srkl_negative_correct": 3,
        }
        assert int(row["n"]) == others.get(name, 6 if by_output else len(counted))
    assert 0 < float(found["lambda_srkl_negative"]["value"]) < 1


def test_without_a_correct_student_output_nothing_is_said_of_them(data):
    path = data / "sequences.parquet"
    rows = read_table(path, SEQUENCES).to_pylist()
    for row in rows:
        row["correct"] &= row["side"] == "teacher"
    write_table(path, table_from_rows(rows, SEQUENCES), SEQUENCES)
    figures(data, BY_GROUP, 1.0, data.parent / "made")
    names = list(facts(data.parent / "made/facts.csv"))
    assert len(names) == 11 and not any("correct" in name for name in names)


def test_a_uniform_skewness_is_near_uniform_and_a_constant_one_is_not():
    prompts = np.arange(400).repeat(2)
    values = np.random.default_rng(0).permutation((np.arange(800) + 0.5) / 800)
    near, far = (distance_from_uniform(x, prompts) for x in (values, np.full(800, 0.5)))
    assert near.value[0] == pytest.approx(1 / 1600) and near.high[0] < 0.1
    assert [float(column[0]) for column in far] == [0.5, 0.5, 0.5]


def test_intervals_of_a_rank_correlation():
    random = np.random.default_rng(0)
    prompts, x = np.arange(300).repeat(3), random.normal(size=900)
    noise = random.normal(size=900)
    # Of normal numbers with the correlation r it is 6 / pi arcsin(r / 2).
    related = 6 / np.pi * np.arcsin(0.5 / np.sqrt(5))
    for other, expected in ((np.exp(x), 1), (x + 2 * noise, related), (noise, 0)):
        estimate = rank_correlation(x, other, prompts)
        value, low, high = (float(column[0]) for column in estimate)
        assert value == pytest.approx(spearmanr(x, other).statistic, abs=1e-9)
        assert low - 1e-9 <= expected <= high + 1e-9 and high - low < 0.2
    assert np.isnan(rank_correlation(x, np.ones(900), prompts).value[0])


def test_captions_say_what_was_found(made):
    text = (made / "captions.md").read_text()
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    assert [part[:13] for part in paragraphs] == ["**Figure 1.**", "**Figure 2.**"]
    assert "3 training prompts, 2 times each" in paragraphs[0]
    assert "only where c <= 2, which holds for 90.0 %" in paragraphs[0]
    assert "takes 3 different values on TGO and 3 on SGO" in paragraphs[1]
    assert "G = 2 outputs to a prompt give at most 3" in paragraphs[1]
    assert "33 % of TGO and 33 % of SGO" in paragraphs[1]


@pytest.mark.parametrize(
    ("normalization", "sides", "values", "over"),
    [
        ("group", "joint", (5, 5), "G = 4 outputs of both models to a prompt give at most 7"),
        ("batch", "separate", (2, 2), "all 6 outputs of a model give at most 2"),
        ("batch", "joint", (2, 2), "all 12 outputs of both models give at most 2"),
    ],
)
def test_a_caption_says_over_what_rewards_were_normalised(
    data, tmp_path, normalization, sides, values, over
):
    path = data / "sequences.parquet"
    rows = read_table(path, SEQUENCES).to_pylist()
    pools = [[row for row in rows if sides == "joint" or row["side"] == side] for side in ANSWERS]
    for side, pool in zip(ANSWERS, pools, strict=True):
        rewards = [row["reward"] for row in pool]
        if normalization == "group":
            advantages = group_advantages(rewards, [row["prompt_id"] for row in pool])
        else:
            advantages = batch_advantages(rewards)
        for row, advantage in zip(pool, advantages, strict=True):
            if row["side"] == side:
                row |= {"advantage": advantage, "alpha": project([advantage], 1.0)[0]}
    write_table(path, table_from_rows(rows, SEQUENCES), SEQUENCES)
    settings = Advantage(normalization=normalization, sides=sides)
    figures(data, settings, 1.0, tmp_path / "made")
    caption = " ".join((tmp_path / "made/captions.md").read_text().split("\n\n")[1].split())
    assert f"takes {values[0]} different values on TGO and {values[1]} on SGO" in caption
    assert f"normalised over {over})" in caption
    assert "0 % of TGO and 0 % of SGO" in caption
    assert ("to prompts whose outputs are all right" in caption) == (normalization == "group")
    with pytest.raises(AskdError, match="'advantage' is not of rewards normalised by group"):
        figures(data, BY_GROUP, 1.0, tmp_path / "other")


def test_no_legend_lies_on_bars(whole, monkeypatch):
    """Wherever the bars are: it is outside of the panel, and clear of the panel's letter."""
    drawn = []
    monkeypatch.setattr(draw, "_save", lambda figure, path: drawn.append(figure))
    draw.figure2(figure2(read(whole, BY_GROUP, 1.0)), Path("unused"))
    [figure] = drawn
    FigureCanvasAgg(figure).draw()
    for axes in (figure.axes[0], figure.axes[2]):
        legend, panel = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert legend.y0 >= panel.y1
        assert figure.bbox.x0 <= panel.x0 and legend.x1 <= figure.bbox.x1
        assert legend.y1 <= figure.bbox.y1
        [letter] = [
            text for text in axes.findobj(Text) if re.fullmatch(r"\([ac]\)", text.get_text())
        ]
        assert not letter.get_window_extent().overlaps(legend)


def test_equal_inputs_give_equal_bytes_in_any_environment(askd_command, whole, made, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "matplotlibrc").write_text("font.size: 30\nsavefig.dpi: 50\n")
    result = askd_command(
        *("figures", "--settings", json.dumps(BY_GROUP.model_dump()), "--data", whole),
        *("--beta", 1.0, "--output", tmp_path / "there"),
        python=("-X", "importtime"),
    )
    assert result.returncode == 0, result.stderr
    assert not re.search(r"\| +(torch|transformers|matplotlib\.pyplot)$", result.stderr, re.M)
    assert sorted(path.name for path in made.iterdir()) == OUTPUTS.split()
    for name in OUTPUTS.split():
        assert (made / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_the_order_of_the_rows_does_not_matter(data, made, tmp_path):
    for name, schema in FILES.items():
        table = read_table(data / f"{name}.parquet", schema)
        order = np.random.default_rng(0).permutation(table.num_rows)
        write_table(data / f"{name}.parquet", table.take(order), schema)
    figures(data, BY_GROUP, 1.0, tmp_path / "after")
    for name in OUTPUTS.split():
        assert (made / name).read_bytes() == (tmp_path / "after" / name).read_bytes()


# --- damaged inputs ----------------------------------------------------------------------------


def changed(data, name, change):
    """Rewrite a table with `change` applied to its rows."""
    path = data / f"{name}.parquet"
    rows = change(read_table(path, FILES[name]).to_pylist())
    write_table(path, table_from_rows(rows, FILES[name]), FILES[name])


def with_value(column, value):
    return lambda rows: [rows[0] | {column: value}, *rows[1:]]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("tokens", lambda rows: rows[:-1], "not the same outputs"),
        ("tokens", lambda rows: rows[1:], "not the same outputs"),
        ("sequences", lambda rows: rows[:-1], "not the same outputs"),
        ("tokens", with_value("teacher_logprob", -math.inf), "'teacher_logprob' has a value that"),
        ("tokens", with_value("coefficients", [math.nan] * 11), "'coefficients' has a value that"),
        ("tokens", with_value("coefficients", [0.5]), "needs 11 values in each row"),
        ("sequences", with_value("alpha", 0.9), "not Phi.beta A. with beta 1;"),
        ("curves", lambda rows: [r for r in rows if r["ratio"] != 5], "no curve .* for c = 5"),
    ],
)
def test_tables_that_do_not_fit(data, tmp_path, name, change, reason):
    changed(data, name, change)
    with pytest.raises(AskdError, match=reason):
        figures(data, BY_GROUP, 1.0, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (lambda row: row["side"] == "teacher", "no outputs of the student"),
        (lambda row: row["side"] == "teacher" or row["prompt_id"] != "a", "different prompts"),
        (lambda row: row["prompt_id"] == "a", "one prompt only"),
    ],
)
def test_outputs_that_are_missing(data, tmp_path, kept, reason):
    for name in ("tokens", "sequences"):
        changed(data, name, lambda rows: [row for row in rows if kept(row)])
    with pytest.raises(AskdError, match=reason):
        figures(data, BY_GROUP, 1.0, tmp_path / "made")


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_missing_or_torn(data, tmp_path, name):
    path = data / f"{name}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AskdError, match=f"{name}.parquet: not a whole Parquet file"):
        figures(data, BY_GROUP, 1.0, tmp_path / "made")
    path.unlink()
    with pytest.raises(AskdError, match=f"{name}.parquet: no such file"):
        figures(data, BY_GROUP, 1.0, tmp_path / "made")


@pytest.mark.parametrize("beta", [2.0, -1.0])
def test_another_beta(data, tmp_path, beta):
    with pytest.raises(AskdError, match="beta"):
        figures(data, BY_GROUP, beta, tmp_path / "made")


# --- intervals ---------------------------------------------------------------------------------


def test_outputs_of_a_prompt_are_drawn_together():
    chance = np.random.default_rng(0)
    by_prompt = chance.normal(size=50)
    prompts = np.repeat(np.arange(50), 20)
    estimate = means(by_prompt[prompts][:, None], prompts)
    # Twenty equal outputs to a prompt tell no more than one.
    once = means(by_prompt[:, None], np.arange(50))
    np.testing.assert_allclose(estimate, once)
    half = (once.high - once.low) / 2
    assert half == pytest.approx(1.96 * by_prompt.std() / math.sqrt(50), rel=0.1)


def test_intervals_cover_the_mean():
    chance = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        lengths = chance.integers(1, 6, size=60)
        prompts = np.repeat(np.arange(60), lengths)
        values = chance.normal(size=60)[prompts] + chance.normal(size=len(prompts))
        estimate = means(values[:, None], prompts)
        covered += bool(estimate.low[0] <= 0 <= estimate.high[0])
    assert 0.89 < covered / 200 < 0.99
