"""Tables from small hand-made items files: numbers, marks, notes, tests, formats."""

import csv
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from askd.artifacts import ITEMS, read_table, table_from_rows, write_table
from askd.config import NllTerm, SampledSkewTerm
from askd.errors import AskdError
from askd.reporting.render import marks

CLIPPED = {
    "divergence": "srkl",
    "estimator": "sampled",
    "skewness": "projected",
    "clip_correct": True,
}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def text_of(output, suffix):
    return (output / f"table2{suffix}").read_text()


def words_of(small, **changes):
    """The Markdown of a table that is built with these changes, without its line breaks."""
    return " ".join(text_of(small.build(**changes), ".md").split())


def row_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


# --- numbers -------------------------------------------------------------------------------------


def test_means_by_hand(small):
    rows = rows_of(small.build() / "table2.csv")
    assert ",".join(rows[0]) == (
        "pair,method,benchmark,metric,mean,ci_low,ci_high,n_items,n_seeds,paper"
    )
    found = {tuple(row.values())[:4]: row for row in rows}
    for system, easy, hard, easy_sampled, hard_sampled in (
        ("teacher", 100, 50, 100, 75),
        ("student", 25, 0, 12.5, 0),
        ("sft", 37.5, 25, 37.5, 37.5),
        ("seqkd", 37.5, 25, 12.5, 25),
        ("askd", 62.5, 75, 62.5, 100),
    ):
        for benchmark, metric, mean in (
            ("easy", "greedy", easy),
            ("hard", "greedy", hard),
            ("average", "greedy", (easy + hard) / 2),
            ("easy", "sampled", easy_sampled),
            ("hard", "sampled", hard_sampled),
            ("average", "sampled", (easy_sampled + hard_sampled) / 2),
        ):
            row = found["one", system, benchmark, metric]
            assert row["mean"] == f"{mean:.2f}"
            assert float(row["ci_low"]) <= mean <= float(row["ci_high"])
            assert row["n_items"] == {"easy": "4", "hard": "2", "average": "6"}[benchmark]
            assert row["n_seeds"] == ("1" if system in ("teacher", "student") else "2")


def test_rows_follow_the_order_of_the_table(small):
    output = small.build(systems=["askd", "student"], benchmarks=["hard", "easy"])
    rows = [tuple(row.values())[:4] for row in rows_of(output / "table2.csv")]
    assert rows == [
        (pair, system, benchmark, metric)
        for pair in small.pairs
        for system in ("askd", "student")
        for benchmark in ("hard", "easy", "average")
        for metric in ("greedy", "sampled")
    ]


def test_paper_numbers_stand_beside_the_greedy_ones_only(small):
    rows = rows_of(small.build() / "table2.csv")
    paper = {tuple(row.values())[:4]: row["paper"] for row in rows if row["paper"]}
    assert paper == {
        ("one", "askd", "easy", "greedy"): "78.92",
        ("one", "askd", "average", "greedy"): "62.06",
    }


def test_tests_compare_one_method_with_all_other_systems(small):
    rows = rows_of(small.build() / "table2_tests.csv")
    assert len(rows) == len(small.pairs) * 2 * 3 * 4
    assert {row["method"] for row in rows} == {"askd"}
    family = [
        row
        for row in rows
        if (row["pair"], row["metric"], row["benchmark"]) == ("one", "greedy", "average")
    ]
    assert [row["against"] for row in family] == ["teacher", "student", "sft", "seqkd"]
    assert [row["difference"] for row in family] == ["-6.25", "56.25", "37.50", "37.50"]
    smallest = min(family, key=lambda row: float(row["p_value"]))
    # The family has four members.
    assert float(smallest["p_holm"]) == pytest.approx(4 * float(smallest["p_value"]), rel=1e-3)
    assert family[0]["verdict"] == "not resolved"


def test_verdicts_are_better_and_worse(small):
    for pair in small.pairs:
        for system, digit in (("teacher", 1), ("student", 0), ("sft", 0), ("seqkd", 0)):
            for seed in range(len(small.answers[system])):
                answers = [f"{str(digit) * 60} {str(2 * digit) * 60}"] * 2
                small.write_run(pair, system, seed, answers)
        for seed in range(2):
            small.write_run(pair, "askd", seed, [f"{'10' * 30} {'20' * 30}"] * 2)
    rows = rows_of(small.build() / "table2_tests.csv")
    verdicts = {row["against"]: row["verdict"] for row in rows}
    assert verdicts == {"teacher": "worse", "student": "better", "sft": "better", "seqkd": "better"}


# --- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ({"a": 70.0, "b": 60.0, "c": 50.0}, {"a": "best", "b": "second", "c": ""}),
        ({"a": 70.0, "b": 70.04, "c": 50.0}, {"a": "best", "b": "best", "c": "second"}),
        ({"a": 70.0, "b": 60.0, "c": 60.0}, {"a": "best", "b": "second", "c": "second"}),
        ({"a": 9.0, "b": 10.0}, {"a": "second", "b": "best"}),
        (
            {"teacher": 99.0, "student": 80.0, "a": 70.0},
            {"teacher": "", "student": "", "a": "best"},
        ),
    ],
)
def test_marks(means, expected):
    assert marks(means) == expected


def test_markdown_marks_and_lines_up(small):
    text = text_of(small.build(), ".md")
    assert row_of(text, "| ASKD†").count("**") == 6
    # SFT and SeqKD tie for the second place in all three columns of the greedy answers.
    assert row_of(text, "| SFT‡").count("_37.5_") == 1
    assert row_of(text, "| SeqKD ").count("_") == 6
    assert "**62.5** [" in text and "] (78.9)" in text
    assert "**" not in row_of(text, "| M_T (teacher)") and "| M_S (student)" in text
    grids = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(grids) == 2 * len(small.pairs) + len(small.pairs)
    for grid in grids:
        assert len({len(line) for line in grid}) == 1
    assert "Big_7B → Small_1B" in text


def test_notes_say_what_a_reader_needs(small):
    text = " ".join(text_of(small.build(), ".md").split())
    assert "4 of GSM8K, 2 of MATH; 2 samples of each" in text
    assert "trained with 2 seeds" in text
    assert "Methods marked † use the rewards of sampled answers" in text
    assert "Methods marked ‡ use the worked answers" in text
    assert "other models and other data" in text
    assert "Big_7B → Small_1B: noisy." in text
    assert "not run here: akl." in text

    methods = {name: small.methods["seqkd"] for name in small.methods}
    text = " ".join(text_of(small.build(seeds=1, methods=methods), ".md").split())
    assert "1 seed: all intervals cover items only" in text
    assert "†" not in text and "‡" not in text


def test_what_updates_train_on_is_said(small):
    assert (
        "the same number of updates of the student, on the same prompts, but not on equally many "
        "tokens. An update trains, for each prompt, on one worked answer (SFT), the samples of one "
        "side (SeqKD, ASKD); budget.csv has the tokens of each method." in words_of(small)
    )
    both = small.methods["askd"].model_copy(
        update={"sgo": SampledSkewTerm(**CLIPPED), "reference": NllTerm(divergence="nll")}
    )
    assert (
        "the samples of one side (SeqKD), one worked answer and the samples of both sides (ASKD), "
        "less the correct ones where a method leaves these out; budget.csv"
        in words_of(small, methods={**small.methods, "askd": both})
    )
    assert (
        "An update trains, for each prompt, on the samples of one side; budget.csv has"
        in words_of(small, systems=["student", "seqkd", "askd"])
    )


def test_teachers_below_their_student_are_named(small):
    below = "in this pair the teacher scores below the student before distillation"
    assert below not in words_of(small)
    small.write_run("two", "student", 0, ("1111 0000", "11 00"))
    small.write_run("two", "teacher", 0, ("1110 2222", "10 21"))
    text = words_of(small)
    assert f"R&D 7B → 100% 1B: {below}, on AVG. of the greedy answers (62.5 and 100.0)." in text
    assert text.count(below) == 1
    small.write_run("two", "teacher", 0, ("1110 0000", "10 00"))
    small.write_run("two", "student", 0, ("1111 2000", "11 00"))
    text = words_of(small)
    assert "(62.5 and 100.0) and of the sampled answers (0.0 and 12.5)." in text
    # A table that shows one of the two cannot tell.
    assert below not in words_of(small, systems=["student", "askd"])


def test_worked_answers_are_an_oracle_where_the_teacher_errs_systematically(small):
    def notes(**changes):
        return " ".join(text_of(small.build(**changes), ".md").split())

    oracle = "they are an oracle, which the other methods do not have."
    assert "R&D 7B → 100% 1B errs systematically" in notes(misled=["two"])
    assert f"to those who train on them (SFT) {oracle}" in notes(misled=["two"])
    # Where no teacher does, or nobody trains on worked answers, there is nothing to say.
    assert oracle not in notes()
    assert oracle not in notes(misled=["two"], systems=["student", "seqkd", "askd"])
    assert oracle not in notes(misled=["two"], pairs=["one"])


def test_options_that_were_chosen_for_a_pair_are_named(small):
    chosen = {"two": {"askd": {"tgo.skewness": 0.5, "projection.beta": 2}}}
    text = " ".join(text_of(small.build(chosen=chosen), ".md").split())
    assert (
        "- Chosen on validation prompts for R&D 7B → 100% 1B: ASKD with tgo skewness 0.5, "
        "projection beta 2. - " in text
    )
    assert text.count("Chosen on validation prompts") == 1


def test_rewards_are_shown_and_not_whether_an_answer_is_called_correct(small):
    """Half a win counts half."""
    path = small.items_path("one", "askd", 0, "easy")
    rows = read_table(path, ITEMS).to_pylist()
    halved = [{**row, "reward": row["reward"] / 2, "correct": False} for row in rows]
    write_table(path, table_from_rows(halved, ITEMS), ITEMS)
    cells = {tuple(row.values())[:4]: row["mean"] for row in rows_of(small.build() / "table2.csv")}
    # Three of four right at seed 0, two of four at seed 1.
    assert cells["one", "askd", "easy", "greedy"] == f"{100 * (0.75 / 2 + 0.5) / 2:.2f}"


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("pass@1", "Accuracy in %. "),
        ("win rate", "Win rate in % against the fixed baseline answer of each item"),
    ],
)
def test_the_measure_is_named(small, measure, words):
    output = small.build(measure=measure)
    text = " ".join(text_of(output, ".md").split())
    assert words in text
    for suffix in (".md", ".html"):
        assert f"Greedy answers ({measure}, the metric of the paper)" in text_of(output, suffix)
        assert f"Sampled answers ({measure}, mean over" in text_of(output, suffix)
    other = {"pass@1": "Win rate", "win rate": "Accuracy"}[measure]
    assert other not in text


def test_a_table_that_the_paper_lacks(small):
    output = small.build(paper=None)
    text = " ".join(text_of(output, ".md").split())
    assert "The paper has no such table." in text
    assert "In parentheses" not in text and "not run here" not in text
    assert {row["paper"] for row in rows_of(output / "table2.csv")} == {""}
    assert "(78.9)" not in text_of(output, ".html")
    assert "The paper has no such table." not in text_of(small.build("other"), ".md")


# --- the mean of the pairs -----------------------------------------------------------------------


def test_the_mean_of_the_pairs_weighs_each_pair_the_same(small):
    """Whatever their numbers of items: pair two has three of `hard`, pair one has two."""
    for system, runs in small.answers.items():
        for seed, (easy, _) in enumerate(runs):
            small.write_run("two", system, seed, (easy, "100 200"))
    rows = rows_of(small.build(average_pairs=True) / "table2.csv")
    groups = list(dict.fromkeys(row["pair"] for row in rows))
    assert groups == [*small.pairs, "average"]
    cells = {tuple(row.values())[:4]: row for row in rows}
    for system in small.answers:
        for benchmark in ("easy", "hard", "average"):
            for metric in ("greedy", "sampled"):
                one, two, both = (
                    float(cells[group, system, benchmark, metric]["mean"]) for group in groups
                )
                assert both == pytest.approx((one + two) / 2, abs=0.011)
    mean = cells["average", "askd", "average", "greedy"]
    assert (mean["n_items"], mean["n_seeds"]) == ("13", "2")
    assert float(mean["ci_low"]) <= float(mean["mean"]) <= float(mean["ci_high"])


def test_the_mean_of_the_pairs_is_tested_and_has_the_papers_numbers(small):
    small.paper.write_text(
        "pair,method,benchmark,value\naverage,askd,easy,70.5\naverage,askd,average,60\n"
    )
    output = small.build(average_pairs=True)
    cells = {tuple(row.values())[:4]: row for row in rows_of(output / "table2.csv")}
    paper = {key: row["paper"] for key, row in cells.items() if row["paper"]}
    assert paper == {
        ("average", "askd", "easy", "greedy"): "70.50",
        ("average", "askd", "average", "greedy"): "60.00",
    }
    tests = rows_of(output / "table2_tests.csv")
    assert len(tests) == 3 * 2 * 3 * 4
    own = {
        (row["against"], row["benchmark"]): row
        for row in tests
        if (row["pair"], row["metric"]) == ("average", "greedy")
    }
    for (against, benchmark), row in own.items():
        difference = float(cells["average", "askd", benchmark, "greedy"]["mean"]) - float(
            cells["average", against, benchmark, "greedy"]["mean"]
        )
        assert float(row["difference"]) == pytest.approx(difference, abs=0.011)
    text = " ".join(text_of(output, ".md").split())
    assert "### Mean of the pairs" in text
    assert "Mean of the pairs: each pair weighs the same" in text
    assert "Mean of the pairs" in text_of(output, ".html")
    assert "Mean of the pairs" in text_of(output, ".tex")
    assert "Mean of the pairs" not in text_of(small.build("other"), ".md")


def test_tables_of_programs_quote_the_audit_of_the_sandbox(small, tmp_path):
    audit = tmp_path / "sandbox_audit.csv"
    audit.write_text(
        "name,expected,status,violations\na,pass,passed,\nb,fail,passed,\nc,fail,timeout,it leaks\n"
    )
    text = " ".join(text_of(small.build(audit=audit), ".md").split())
    assert "3 programs tried to fool or to leave it: 1 wrong verdicts, 1 violations" in text
    assert "sandbox" not in text_of(small.build(output="other"), ".md")
    audit.write_text("name,status\na,passed\n")
    with pytest.raises(AskdError, match="no audit of the sandbox"):
        small.build(audit=audit)


def test_numbers_of_items_may_differ_between_pairs(small):
    for system, runs in small.answers.items():
        for seed, (easy, _) in enumerate(runs):
            small.write_run("two", system, seed, (easy, "100 200"))
    assert "4 of GSM8K, 2 / 3 of MATH" in text_of(small.build(), ".md")


def test_latex_is_escaped_and_has_all_columns(small):
    text = text_of(small.build(), ".tex")
    assert r"Big\_7B $\rightarrow$ Small\_1B" in text and r"R\&D 7B" in text
    assert r"\caption{Reasoning \& more.}" in text
    assert r"\textbf{62.5} {\scriptsize (78.9)}" in text and r"\underline{37.5}" in text
    assert r"ASKD$^\dagger$" in text and r"SFT$^\ddagger$" in text and "$M_T$ (teacher)" in text
    assert r"$-$6.2" in text and "−" not in text
    assert not re.search(r"(?<!\\)[%#_](?!T\$|S\$)", text.split("\n", 1)[1])
    assert text.isascii()
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert text.count(r"\begin{") == text.count(r"\end{")
    accuracies = text.split(r"\bottomrule")[0].split(r"\emph{Greedy")[1]
    rows = [row for row in accuracies.split(r"\\")[1:] if "&" in row]
    # Each of the five systems has a row of means and one of intervals, for both metrics.
    assert len(rows) == 20
    assert {row.count("&") for row in rows} == {6}


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.cells = [], 0

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "img")
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.cells += tag == "td"
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_whole_and_self_contained(small):
    text = text_of(small.build(), ".html")
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert parser.cells == 2 * 5 * 6 + 2 * 2 * 4 * 5
    assert "R&amp;D 7B → 100% 1B" in text and "R&D" not in text
    assert "<strong>62.5</strong>" in text and "<u>37.5</u>" in text
    assert '<span class="paper">(78.9)</span>' in text
    assert "<i>M</i><sub>T</sub> (teacher)" in text
    assert "prefers-color-scheme: dark" in text and "http" not in text and "url(" not in text


def test_two_runs_and_another_order_of_rows_give_the_same_bytes(small):
    first = small.build("first")
    for path in small.results.rglob("items.parquet"):
        table = read_table(path, ITEMS)
        write_table(path, table.take(list(reversed(range(table.num_rows)))), ITEMS)
    second = small.build("second")
    names = sorted(path.name for path in first.iterdir())
    assert names == [
        "table2.csv",
        "table2.html",
        "table2.md",
        "table2.tex",
        "table2_tests.csv",
    ]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_building_tables_imports_no_model_library():
    code = (
        "import sys, askd.reporting.table; "
        "print(sorted({'torch', 'transformers', 'pandas', 'scipy.stats'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
