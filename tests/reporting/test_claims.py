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
from askd.reporting.claims_stages import OF_STATEMENTS
from askd.theory.statements import VERDICTS

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
SEES = {"base": "worked answers", "good": "rewards"}
SHARES = {"teacher": 0.7, "student": 0.3, "base": 0.5, "good": 0.7, "tie": 0.5, "huge": 0.51}


class Run:
    """A run with the pair `one`, the paper's table, and claims on both."""

    def __init__(self, folder):
        self.results, self.config = folder / "results", folder / "config"
        self.settings_changes = {}
        (self.config / "paper_tables").mkdir(parents=True)
        lines = ["pair,method,benchmark,value"]
        for (pair, method), values in PAPER.items():
            columns = zip((*BENCHMARKS, "average"), (*values, sum(values) / 2), strict=True)
            lines += [f"{pair},{method},{name},{value}" for name, value in columns]
        (self.config / "paper_tables" / "table9.csv").write_text("\n".join(lines) + "\n")

    def answer(self, system, seed, share, benchmarks=BENCHMARKS):
        """Let `system` be right on the first items, and on a few others that differ by seed."""
        for benchmark in benchmarks:
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
        settings = ClaimsSettings(
            tables={"table9": table},
            supervision={**dict.fromkeys(("base", "tie", "huge", "unlisted"), "none"), **SEES},
            seeds=SEEDS,
            results=str(self.results),
        )
        return settings.model_copy(update=self.settings_changes)

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


def test_above_the_second_best_is_above_every_baseline(run):
    """`good` is far above `base`, but another baseline of the paper's table is above `good`."""
    above_one = compare("good", "base", benchmarks=["average"], effect=1.0)
    assert run.row(above_one)["verdict"] == "reproduced"
    above_all = compare("good", benchmarks=["average"], effect=1.0)
    row = run.row(above_all)
    assert (row["verdict"], row["comparisons"]) == ("reproduced", "3 of 3")
    for seed in range(SEEDS):
        run.answer("huge", seed, 0.95)
    row = run.row(above_all)
    assert (row["verdict"], row["weakest"]) == ("opposite", "good − huge, one, average")
    assert run.row(above_one)["verdict"] == "reproduced"


def test_a_sign_without_the_stated_effect_is_not_reproduced(run):
    row = run.row(compare("good", "base"))
    assert (row["verdict"], float(row["ci_high"]) < 35) == ("reproduced", True)
    assert run.row(compare("good", "base", effect=float(row["ci_high"]) - 1))["verdict"] == (
        "reproduced"
    )
    row = run.row(compare("good", "base", effect=35.0))
    assert (row["verdict"], float(row["p_holm"]) < 0.05) == ("not reproduced", True)


def test_several_tables_decide_one_claim(run):
    tables = dict.fromkeys(("table8", "table9"), run.settings.tables["table9"])
    run.settings_changes = {"tables": tables}
    shutil.copy(run.config / "paper_tables/table9.csv", run.config / "paper_tables/table8.csv")
    comparisons = [compare("good", "base", table=name) for name in tables]
    (row,) = run.rows(claim(comparisons=comparisons))
    assert (row["verdict"], row["table"]) == ("reproduced", "table8, table9")
    run.settings_changes = {"tables": {"table9": tables["table9"]}}
    (row,) = run.rows(claim(comparisons=comparisons))
    assert (row["verdict"], row["comparisons"]) == ("reproduced in part", "2 of 4")


def test_gains_on_one_benchmark_against_those_on_another(run):
    more = compare("good", "base", benchmarks=["hard"], than="easy")
    row = run.row(more)  # the same answers on both, hence the same gain
    assert (row["verdict"], float(row["effect"])) == ("not resolvable", 0)
    assert row["weakest"] == "good − base, one, hard more than easy"
    assert row["paper"] == "6.0 vs 6.0 (+0.0)" and row["paper_resolves"] == "no: needs 13.4"
    for seed in range(SEEDS):
        run.answer("base", seed, 0.2, ["hard"])
    row = run.row(more)
    own = [run.row(compare("good", "base", benchmarks=[name])) for name in BENCHMARKS]
    gains = [float(one["effect"]) for one in own]
    assert float(row["effect"]) == pytest.approx(gains[1] - gains[0], abs=0.011)
    assert row["verdict"] == "reproduced" and int(row["seeds_needed"]) >= 2
    # Its interval is wider than that of either gain, by about the root of two.
    width = [float(one["ci_high"]) - float(one["ci_low"]) for one in (row, *own)]
    assert max(width[1:]) < width[0] < sum(width[1:])
    less = compare("good", "base", benchmarks=["easy"], than="hard")
    assert run.row(less)["verdict"] == "opposite"
    assert run.row({**more, "items": "teacher-wrong"})["weakest"].endswith("teacher is wrong")
    over_student = compare("base", "student", benchmarks=["hard"], than="easy")  # of one run
    own = [run.row({**over_student, "benchmarks": [name], "than": None}) for name in BENCHMARKS]
    gains = [float(one["effect"]) for one in own]
    effect = float(run.row(over_student)["effect"])
    assert effect == pytest.approx(gains[1] - gains[0], abs=0.011) and effect < -10


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


# --- who knows the right answers -----------------------------------------------------------------


def test_what_one_side_sees_of_the_right_answers_is_said(run):
    assert run.row(compare("good", "base", "tie", "student"))["note"] == (
        "Seen of the right answers: rewards by good; worked answers by base; nothing by tie and "
        "student."
    )
    assert run.row(compare("tie", "huge", "student"))["note"] == ""
    (row,) = run.rows(
        claim(table="table9", comparisons=[compare("good", "base")], note="Mind the gap.")
    )
    assert row["note"].startswith("Mind the gap. Seen of the right answers: rewards by good;")
    assert run.row(compare("good", "unlisted"))["note"] == ""  # was not run


@pytest.mark.parametrize("share", [0.2, 0.95])
def test_an_oracle_is_left_out_whatever_comes_of_it(run, share):
    for seed in range(SEEDS):
        run.answer("base", seed, share)
    alone = run.row(compare("good", "tie"))
    run.settings_changes = {"oracles": {"one": ["base"], "two": ["tie"]}}
    row = run.row(compare("good", "base", "tie"))
    decided = ("verdict", "verdict_sampled", "comparisons", "weakest", "effect", "p_holm")
    assert {name: row[name] for name in decided} == {name: alone[name] for name in decided}
    assert row["paper"].startswith("4 of 4 as claimed")  # the paper's claim is of all of them
    assert (
        "Comparisons that are left out of the verdict: 2, with base on one, to which" in row["note"]
    )
    own = run.row(compare("good", "base"))
    assert f"The weakest of them is {own['weakest']}: {own['effect']} [".replace("-", "−") in (
        row["note"].replace("-", "−")
    )


def test_an_oracle_decides_where_nothing_else_does(run):
    alone = run.row(compare("good", "base"))
    run.settings_changes = {"oracles": {"one": ["base"]}}
    # Of the other comparison the run has not the pair.
    for comparisons in ([compare("good", "base")], [compare("good", "base", pairs=[])]):
        row = run.row(*comparisons)
        assert (row["effect"], row["p_holm"]) == (alone["effect"], alone["p_holm"])
        assert "It is decided by comparisons with base on one, to which" in row["note"]
    # Two that know the same are compared as any others.
    run.settings_changes = {"oracles": {"one": ["base", "good"]}}
    assert "oracle" not in run.row(compare("good", "base"))["note"]


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


@pytest.mark.parametrize(
    ("bound", "low", "high", "verdict"),
    [
        ({"above": 0}, 0.1, 0.3, "reproduced"),
        ({"above": 0}, -0.3, -0.1, "opposite"),
        ({"above": 0}, -0.1, 0.3, "not resolvable"),
        ({"above": 0}, "nan", "nan", "not resolvable"),
        ({"below": 0.2}, 0.05, 0.15, "reproduced"),
        ({"below": 0.2}, 0.25, 0.3, "not reproduced"),
        ({"below": 0.2}, 0.1, 0.3, "not resolvable"),
    ],
)
def test_other_numbers(run, bound, low, high, verdict):
    write(run, "figures/facts.csv", f"name,value,ci_low,ci_high,n\nr,0.125,{low},{high},9\n")
    (row,) = run.rows(claim(fact={"name": "r", **bound}))
    assert (row["verdict"], row["weakest"], row["effect"]) == (verdict, "r", "0.12")


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["holds"], "reproduced"),
        (["holds", "holds"], "reproduced"),
        (["holds", "does not hold"], "not reproduced"),
        (["holds with a correction", "holds"], "not reproduced"),
        (["not stated precisely", "holds"], "not resolvable"),
        (["not stated precisely", "does not hold"], "not reproduced"),
    ],
)
def test_statements_of_the_theory(run, verdicts, verdict):
    lines = [f"Eq. {number},so it is,{name}" for number, name in enumerate(verdicts)]
    entry = claim(theory=[f"Eq. {number}" for number in range(len(verdicts))])
    (row,) = run.rows(entry)
    assert row["verdict"] == "not run"
    write(run, "tables/theory.csv", "\n".join(["id,statement,verdict", *lines]))
    (row,) = run.rows(entry)
    assert row["verdict"] == verdict
    assert row["comparisons"] == f"{len(verdicts)} of {len(verdicts)}"
    with pytest.raises(AskdError, match=r"'Eqs. 0', which is not there; did you mean 'Eq. 0'"):
        run.rows(claim(theory=["Eqs. 0"]))


def test_verdicts_of_the_theory_are_all_known():
    assert set(VERDICTS) == set(OF_STATEMENTS)


@pytest.mark.parametrize(
    ("plain", "skewed", "verdict", "effect"),
    [
        ((6, 5, 7), (3, 2, 4), "reproduced", ("2.00", "1.25", "3.50")),
        ((3, 2, 4), (6, 5, 7), "opposite", ("0.50", "0.29", "0.80")),
        ((4, 3, 5), (3, 2, 4), "not resolvable", ("1.33", "0.75", "2.50")),
        ((6, 5, "inf"), (3, 2, 4), "reproduced", ("2.00", "1.25", "inf")),
        (("inf", 5, "inf"), ("inf", 2, "inf"), "not resolvable", ("nan", "0.00", "inf")),
    ],
)
def test_noise_of_gradients(run, plain, skewed, verdict, effect):
    entry = claim(noise={"skewness": "vanilla", "against": ["projected", "unknown"]})
    (row,) = run.rows(entry)
    assert row["verdict"] == "not run"

    def line(side, skewness, numbers, estimator="sampled"):
        return ",".join(map(str, ("one", "trained", side, skewness, estimator, *numbers)))

    header = "pair,student,side,skewness,estimator,nsr,nsr_low,nsr_high"
    lines = [header, line("sgo", "projected", skewed), line("tgo", "projected", (1, 1, 1))]
    write(run, "tables/gradient_variance.csv", "\n".join(lines))
    (row,) = run.rows(entry)
    assert row["verdict"] == "not run"
    lines += [line("sgo", "vanilla", plain), line("tgo", "vanilla", (50, 40, 60))]
    lines += [line("sgo", "vanilla", (0, 0, 0), "full vocabulary")]
    write(run, "tables/gradient_variance.csv", "\n".join(lines))
    (row,) = run.rows(entry)
    assert (row["verdict"], row["comparisons"]) == (verdict, "2 of 2")
    assert (row["effect"], row["ci_low"], row["ci_high"]) == effect
    assert row["weakest"] == "vanilla / projected, one, trained, sgo"


def write(run, name, text):
    path = run.results / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_without_figures_shares_are_not_run(run):
    (row,) = run.rows(claim(fact={"name": "positive", "share": "all"}))
    assert row["verdict"] == "not run"


def test_malformed_shares_are_refused(run):
    path = run.results / "figures" / "facts.csv"
    path.parent.mkdir()
    path.write_text("name,value\npositive,1\n")
    with pytest.raises(AskdError, match="not the table that its stage writes"):
        run.rows(claim(fact={"name": "positive", "share": "all"}))


# --- files ---------------------------------------------------------------------------------------


def test_markdown_has_a_summary_and_the_definition(run):
    run.rows(
        claim("a", table="table9", comparisons=[compare("good", "base")], note="Mind the gap."),
        claim("b", table="table9", comparisons=[compare("base", "good")]),
        claim("c", theory=["Eq. 1"], note="There is nothing to run."),
    )
    text = " ".join((run.results / "claims.md").read_text().split())
    assert "Verdicts on 3 claims, with 4 seeds: 1 reproduced, 1 opposite, 1 not run." in text
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
        ({"comparisons": []}, "needs one of: comparisons, fact, theory, noise"),
        ({"theory": ["Eq. 1"]}, "needs one of"),
        ({"table": None}, "`table` and `comparisons` go together"),
        ({"comparisons": [], "theory": ["Eq. 1"]}, "`table` and `comparisons` go together"),
        ({"comparisons": [compare("good", "base", table="table7")]}, "go together"),
        ({"comparisons": [compare("good", "base", than="easy")]}, "`than` needs other"),
        (
            {"comparisons": [compare("good", "base", benchmarks=["hard"], than="esy")]},
            "unknown benchmark 'esy'",
        ),
        (
            {"comparisons": [], "table": None, "fact": {"name": "x", "share": "all", "above": 0}},
            "fact 'x' needs one of",
        ),
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
        run.rows(claim(theory=["Eq. 1"]), claim(theory=["Eq. 2"]))


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
