"""Claims on answers that are made up: every verdict, what is printed, and bad input."""

import csv
import json
import shutil

import numpy as np
import pytest
import yaml

from askd.artifacts import ITEMS, read_table, table_from_rows, write_table
from askd.config import Table
from askd.errors import AskdError
from askd.reporting.claims import ClaimsSettings, claims

ITEM_COUNT = 200
SEEDS = 4
BENCHMARKS = ("easy", "hard")
# What the paper of this test says, in %; its table has a pair that is not run.
PAPER = {
    ("one", "base"): (60, 50),
    ("one", "good"): (66, 56),
    ("one", "tie"): (60, 50),
    ("one", "huge"): (99, 98),
    ("two", "base"): (60, 50),
    ("two", "good"): (61, 51),
}
SHARES = {"teacher": 0.7, "student": 0.3, "base": 0.5, "good": 0.7, "tie": 0.5, "huge": 0.51}


class Run:
    """A run with the pair `one`, the paper's table, and claims on both."""

    def __init__(self, folder):
        self.results, self.config = folder / "results", folder / "config"
        (self.config / "paper_tables").mkdir(parents=True)
        lines = ["pair,method,benchmark,value"]
        for (pair, method), values in PAPER.items():
            columns = zip((*BENCHMARKS, "average"), (*values, sum(values) / 2), strict=True)
            lines += [f"{pair},{method},{name},{value}" for name, value in columns]
        (self.config / "paper_tables" / "table9.csv").write_text("\n".join(lines) + "\n")

    def answer(self, system, seed, share):
        """Let `system` be right on the first items, and on a few others that differ by seed."""
        for benchmark in BENCHMARKS:
            right = np.arange(ITEM_COUNT) < share * ITEM_COUNT
            flipped = np.random.default_rng([seed, list(SHARES).index(system)]).permutation(
                ITEM_COUNT
            )[:20]
            if system not in ("teacher", "student"):
                right[flipped] ^= True
            rows = [
                {
                    "prompt_id": f"{benchmark}-{item:03}",
                    "decoding": decoding,
                    "sample_id": 0,
                    "correct": bool(right[item]),
                    "reward": float(right[item]),
                    "reason": "",
                    "finish_reason": "stop",
                    "response_tokens": 1,
                    "text": "",
                }
                for decoding in ("greedy", "sampled")
                for item in range(ITEM_COUNT)
            ]
            run = self.results / "one" / system / f"seed{seed}"
            path = run / "eval" / benchmark / "items.parquet"
            write_table(path, table_from_rows(rows, ITEMS), ITEMS)

    @property
    def settings(self):
        table = Table(
            title="Nine",
            pairs=["one"],
            systems=list(SHARES),
            benchmarks=list(BENCHMARKS),
            compare="good",
            paper="elsewhere.csv",
        )
        return ClaimsSettings(
            tables={"table9": table},
            methods=["base", "good", "tie", "huge", "unlisted"],
            seeds=SEEDS,
            results=str(self.results),
        )

    def write_claims(self, *entries):
        path = self.config / "claims.yaml"
        items = {"easy": 100, "hard": 10000}
        path.write_text(yaml.safe_dump({"items": items, "claims": list(entries)}))
        return path

    def rows(self, *entries):
        """The rows that are written for these claims."""
        output = self.results / "claims"
        claims(self.settings, self.write_claims(*entries), output)
        with output.with_suffix(".csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def row(self, *comparisons):
        """The row of one claim with these comparisons."""
        (row,) = self.rows(claim(comparisons=list(comparisons), table="table9"))
        return row


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers of all systems, made once."""
    folder = tmp_path_factory.mktemp("answers")
    run = Run(folder)
    for system, share in SHARES.items():
        for seed in range(1 if system in ("teacher", "student") else SEEDS):
            run.answer(system, seed, share)
    return folder


@pytest.fixture
def run(answers, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(answers / "results", tmp_path / "results")
    return Run(tmp_path)


def claim(name="c", **changes):
    return {"id": name, "section": "5", "words": "something is better", **changes}


def compare(method, *against, **changes):
    return {"method": method, "against": list(against), "pairs": ["one"], **changes}


# --- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparisons", "verdict"),
    [
        ([compare("good", "base")], "reproduced"),
        ([compare("good", "base", "student")], "reproduced"),
        ([compare("base", "good")], "opposite"),
        ([compare("good", "base"), compare("student", "base")], "opposite"),
        # The paper says 38 points and more, the run has about one.
        ([compare("huge", "base")], "not reproduced"),
        ([compare("huge", "base", benchmarks=["average"])], "not reproduced"),
        # The paper has a tie, and no number of the second: there is no effect to exclude.
        ([compare("tie", "base")], "not resolvable"),
        ([compare("tie", "student"), compare("tie", "base")], "not resolvable"),
        ([compare("tie", "base", effect=30.0)], "not reproduced"),
        ([compare("tie", "base", effect=0.1)], "not resolvable"),
        ([compare("good", "base", pairs=[])], "reproduced in part"),
        ([compare("good", "base", pairs=["two"])], "not run"),
        ([compare("good", "unlisted")], "not run"),
    ],
)
def test_verdicts(run, comparisons, verdict):
    row = run.row(*comparisons)
    assert row["verdict"] == verdict
    assert row["verdict_sampled"] == verdict  # sampled answers are the greedy ones here


def test_sampled_answers_have_a_verdict_of_their_own(run):
    for seed in range(SEEDS):
        for benchmark in BENCHMARKS:
            folder = run.results / "one" / "good" / f"seed{seed}" / "eval" / benchmark
            base = run.results / "one" / "base" / f"seed{seed}" / "eval" / benchmark
            rows = read_table(folder / "items.parquet", ITEMS).to_pylist()
            others = read_table(base / "items.parquet", ITEMS).to_pylist()
            for row, other in zip(rows, others, strict=True):
                if row["decoding"] == "sampled":
                    row |= {"reward": other["reward"], "correct": other["correct"]}
            write_table(folder / "items.parquet", table_from_rows(rows, ITEMS), ITEMS)
    row = run.row(compare("good", "base", effect=0.1))
    assert (row["verdict"], row["verdict_sampled"]) == ("reproduced", "not resolvable")


def test_the_weakest_comparison_is_printed(run):
    row = run.row(compare("good", "student", "base", benchmarks=["average"]))
    assert row["weakest"] == "good − base, one, average"
    assert 10 < float(row["effect"]) < 25
    assert float(row["ci_low"]) < float(row["effect"]) < float(row["ci_high"])
    assert 0 < float(row["p_holm"]) < 0.05
    assert row["comparisons"] == "2 of 2"
    assert int(row["seeds_needed"]) >= 2
    assert row["command"] == "snakemake claims"


def test_items_that_the_teacher_fails(run):
    # The teacher is right on the first 70 %: beyond them the student is never right.
    row = run.row(compare("good", "student", items="teacher-wrong"))
    assert row["weakest"].endswith("where the teacher is wrong")
    assert 0 < float(row["effect"]) < 20
    assert row["paper"] == row["paper_resolves"] == ""
    run.answer("teacher", 0, 1.0)
    assert run.row(compare("good", "student", items="teacher-wrong"))["verdict"] == "not run"


# --- the paper's side ----------------------------------------------------------------------------


def test_numbers_of_the_paper_and_what_its_items_resolve(run):
    row = run.row(compare("good", "base", benchmarks=["easy"]))
    assert row["paper"] == "66.0 vs 60.0 (+6.0)"
    # 1.96 sqrt((.66 .34 + .6 .4) / 100) = 13.4 points with 100 items, 1.4 with 10,000.
    assert row["paper_resolves"] == "no: needs 13.4"
    assert run.row(compare("good", "base", benchmarks=["hard"]))["paper_resolves"] == (
        "yes: needs 1.4"
    )
    row = run.row(compare("good", "base", benchmarks=["average"]))
    assert row["paper_resolves"] == "no: needs 6.7"
    row = run.row(compare("good", "base", "huge"))
    assert row["paper"] == "2 of 4 as claimed; least: 56.0 vs 98.0 (−42.0)"
    assert row["paper_resolves"] == "no: 1 of 4; the least needs 1.0"


# --- shares --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "value", "low", "high", "verdict"),
    [
        ("all", 1.0, 0.99, 1.0, "reproduced"),
        ("all", 0.8, 0.79, 0.81, "not reproduced"),
        ("all", 0.2, 0.19, 0.21, "opposite"),
        ("all", 0.999, 0.99, 1.0, "not resolvable"),
        ("most", 0.8, 0.79, 0.81, "reproduced"),
        ("most", 0.2, 0.19, 0.21, "opposite"),
        ("most", 0.5, 0.45, 0.55, "not resolvable"),
    ],
)
def test_shares(run, share, value, low, high, verdict):
    path = run.results / "figures" / "facts.csv"
    path.parent.mkdir()
    path.write_text(f"name,value,ci_low,ci_high,n\npositive,{value},{low},{high},1234\n")
    (row,) = run.rows(claim(fact={"name": "positive", "share": share}))
    assert row["verdict"] == verdict
    assert (row["comparisons"], row["effect"]) == ("n = 1234", f"{100 * value:.2f}")
    (row,) = run.rows(claim(fact={"name": "other", "share": share}))
    assert row["verdict"] == "not run"


def test_without_figures_shares_are_not_run(run):
    (row,) = run.rows(claim(fact={"name": "positive", "share": "all"}))
    assert row["verdict"] == "not run"


def test_malformed_shares_are_refused(run):
    path = run.results / "figures" / "facts.csv"
    path.parent.mkdir()
    path.write_text("name,value\npositive,1\n")
    with pytest.raises(AskdError, match="no file of measured shares"):
        run.rows(claim(fact={"name": "positive", "share": "all"}))


# --- files ---------------------------------------------------------------------------------------


def test_markdown_has_a_summary_and_the_definition(run):
    run.rows(
        claim("a", table="table9", comparisons=[compare("good", "base")], note="Mind the gap."),
        claim("b", table="table9", comparisons=[compare("base", "good")]),
        claim("c", untested="There is nothing to run."),
    )
    text = " ".join((run.results / "claims.md").read_text().split())
    assert "Verdicts on 3 claims, with 4 seeds: 1 reproduced, 1 opposite, 1 not tested." in text
    assert "reproduced: every comparison of the claim has the claimed sign" in text
    assert "a: Mind the gap." in text and "c: There is nothing to run." in text
    assert "100 of easy, 10000 of hard" in text
    grid = [line for line in (run.results / "claims.md").read_text().splitlines() if "|" in line]
    assert len(grid) == 5 and len({len(line) for line in grid}) == 1


def test_equal_inputs_give_equal_bytes(run):
    entries = claim(table="table9", comparisons=[compare("good", "base")])
    texts = []
    for _ in range(2):
        run.rows(entries)
        texts.append([(run.results / f"claims.{kind}").read_bytes() for kind in ("csv", "md")])
    assert texts[0] == texts[1]


def test_command(run, askd_command):
    path = run.write_claims(claim(table="table9", comparisons=[compare("good", "base")]))
    settings = json.dumps(run.settings.model_dump(mode="json"))
    output = run.results / "from_command"
    result = askd_command("claims", "--settings", settings, "--claims", path, "--output", output)
    assert result.returncode == 0, result.stderr
    assert output.with_suffix(".csv").is_file() and output.with_suffix(".md").is_file()


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "table8"}, "claim c: unknown table 'table8'; did you mean 'table9'"),
        ({"comparisons": [compare("god", "base")]}, "unknown method 'god'; did you mean 'good'"),
        ({"comparisons": [compare("good", "bas")]}, "unknown method 'bas'; did you mean 'base'"),
        ({"comparisons": [compare("good", "base", pairs=["too"])]}, "unknown pair 'too'"),
        ({"comparisons": [compare("good", "base", benchmarks=["hrd"])]}, "did you mean 'hard'"),
        ({"comparisons": []}, "needs one of: comparisons, fact, untested"),
        ({"untested": "why"}, "needs one of"),
        ({"table": None}, "`table` and `comparisons` go together"),
        ({"word": "x"}, "unknown key 'word'; did you mean 'words'"),
        ({"comparisons": [compare("good", "base", effect=-1)]}, "effect"),
    ],
)
def test_bad_claims(run, changes, message):
    good = claim(table="table9", comparisons=[compare("good", "base")])
    with pytest.raises(AskdError, match=message):
        run.rows({**good, **changes})


def test_two_claims_with_one_name(run):
    with pytest.raises(AskdError, match="'c' occurs twice"):
        run.rows(claim(untested="why"), claim(untested="why not"))


@pytest.mark.parametrize("text", ["claims: [", None])
def test_no_yaml(run, text):
    path = run.config / "claims.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AskdError, match="no YAML file of claims"):
        claims(run.settings, path, run.results / "claims")


def test_missing_answers(run):
    path = run.results / "one" / "good" / "seed1" / "eval" / "easy" / "items.parquet"
    path.unlink()
    with pytest.raises(AskdError, match="no such file"):
        run.row(compare("good", "base"))
