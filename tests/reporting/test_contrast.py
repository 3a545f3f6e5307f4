"""One method against another on answers that are made up: places, verdicts and sentences."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import yaml

from askd.artifacts import ITEMS, table_from_rows, write_table
from askd.config import Table
from askd.errors import AskdError
from askd.reporting.claims import ClaimsSettings
from askd.reporting.contrast import contrast
from askd.reporting.contrast_rows import Row
from askd.reporting.contrast_teachers import by_teacher
from askd.reporting.contrast_text import sentences

ITEM_COUNT, SEEDS = 100, 3
# Shares of right answers by pair and system, on both benchmarks.
SHARES = {
    "one": {"teacher": 0.9, "student": 0.3, "new": 0.7, "old": 0.4, "mended": 0.9},
    "two": {"teacher": 0.2, "student": 0.6, "new": 0.4, "old": 0.8, "mended": 0.41},
    "more": {"new": 0.8, "old": 0.3},
}
COMPARISONS = [
    {"name": "main", "words": "new against old", "method": "new", "against": ["old"]},
    {"name": "mend", "words": "mended", "method": "mended", "against": ["old", "student"]},
]
CAUSES = [
    {"name": "noise", "words": "noisy", "method": "mended", "against": ["new"]},
    {"name": "guide", "words": "a better teacher", "method": "teacher", "against": ["student"],
     "kind": "condition"},
    {"name": "rate", "words": "each rate", "method": "new", "against": ["old"],
     "table": "rates", "kind": "pairs"},
    {"name": "age", "words": "stale", "method": "new", "against": ["stale"]},
]  # fmt: skip


def table(pairs, systems, paper=None):
    return Table(
        title="T",
        pairs=pairs,
        systems=systems,
        benchmarks=["easy", "hard"],
        compare="new",
        paper=paper,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The items of all systems; read only. Every seed answers a few items of its own otherwise."""
    folder = tmp_path_factory.mktemp("results")
    for pair, systems in SHARES.items():
        for system, share in systems.items():
            for seed in range(1 if system in ("teacher", "student") else SEEDS):
                random = np.random.default_rng([seed, list(systems).index(system)])
                right = np.arange(ITEM_COUNT) < share * ITEM_COUNT
                right[random.permutation(ITEM_COUNT)[:5]] ^= True
                for benchmark in ("easy", "hard"):
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
                    run = folder / pair / system / f"seed{seed}"
                    path = run / "eval" / benchmark / "items.parquet"
                    write_table(path, table_from_rows(rows, ITEMS), ITEMS)
    return folder


@pytest.fixture
def run(results, tmp_path):
    def run(comparisons=COMPARISONS, causes=CAUSES, oracles=None, **changes):
        everything = list(SHARES["one"])
        settings = ClaimsSettings(
            tables={
                "table2": table(["one", "two"], everything, "x.csv"),
                "table4": table(["one"], everything, "y.csv"),
                "rates": table(["two", "more"], ["new", "old"]),
            },
            supervision=dict.fromkeys(("new", "old", "mended", "stale"), "none"),
            oracles=oracles or {},
            seeds=SEEDS,
            results=str(results),
        )
        summary = {"comparisons": list(comparisons), "causes": list(causes)}
        claim = {"id": "c", "section": "1", "words": "w", "theory": ["Eq. 1"]}
        path = tmp_path / "claims.yaml"
        content = {"items": {"easy": 9}, "claims": [claim], "summary": summary, **changes}
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value}))
        contrast(settings, path, tmp_path / "out")
        with (tmp_path / "out.csv").open(newline="") as file:
            return [Row(**row) for row in csv.DictReader(file)]

    return run


def test_every_pair_of_the_papers_tables_once(run):
    rows = run()
    main = [row for row in rows if row.question == "main"]
    assert [(row.pair, row.metric, row.table) for row in main] == [
        (pair, metric, "table2") for metric in ("greedy", "sampled") for pair in ("one", "two")
    ]
    assert [row.verdict for row in main] == ["better", "worse"] * 2
    for row, expected in zip(main, (30, -40), strict=False):
        assert float(row.difference) == pytest.approx(expected, abs=5)
        assert float(row.ci_low) < float(row.difference) < float(row.ci_high)
    mend = [row for row in rows if row.question == "mend" and row.metric == "greedy"]
    assert [(row.against, row.pair) for row in mend] == [
        (other, pair) for other in ("old", "student") for pair in ("one", "two")
    ]


def test_causes_are_looked_for_in_all_tables_or_the_one_that_is_named(run):
    rows = run()
    found = {
        name: [row.verdict for row in rows if (row.question, row.metric) == (name, "greedy")]
        for name in ("noise", "guide", "rate")
    }
    assert found == {
        "noise": ["better", "not resolved"],
        "guide": ["better", "worse"],
        "rate": ["worse", "better"],
    }
    (absent,) = (row for row in rows if row.question == "age")
    assert (absent.verdict, absent.pair, absent.against) == ("not run", "", "stale")


def test_sentences_follow_from_the_verdicts(run, tmp_path):
    texts = sentences(run())
    counts = "better on 1 and worse on 1 of 2 pairs"
    assert texts[0] == (
        f"main (new against old): new against old is {counts} (greedy and sampled). "
        "It is above on some, not on all."
    )
    assert texts[2].endswith(
        "better on 1 of 2 pairs (greedy and sampled). So it costs accuracy where it is at work."
    )
    assert (
        "Where teacher is better than student, new against old is better on 1 of 1 pair (g"
        in texts[3]
    )
    assert (
        "Where teacher is worse than student, new against old is worse on 1 of 1 pair (g"
        in texts[3]
    )
    assert texts[4].endswith("So the outcome turns with it.") and "two −" in texts[4]
    assert texts[5] == "age (stale): this run does not have it."
    text = " ".join((tmp_path / "out.md").read_text().split())
    assert text.startswith("# new against old - main (new against old): new against old is")
    assert all(sentence in text for sentence in texts)


def test_where_it_helps_and_hurts_is_told_apart_by_the_kind_of_teacher(run):
    rows = run(oracles={"two": ["old"]})
    main = [row for row in rows if row.question == "main"]
    assert {(row.pair, row.teacher, row.oracle) for row in main} == {
        ("one", "", ""),
        ("two", "systematic errors", "old"),
    }
    means = {
        (row.pair, row.metric): f"{float(row.difference):+.2f}".replace("-", "−") for row in main
    }
    hurts, helps = (
        ", ".join(
            f"{effect} by {metric} answers ({verdict} on {pair}; {means[pair, metric]} points in "
            "1 pair)"
            for metric in ("greedy", "sampled")
        )
        for pair, effect, verdict in (("two", "hurts", "worse"), ("one", "helps", "better"))
    )
    texts = sentences(rows)
    assert (
        f" Where the teacher errs systematically, new {hurts}. There old has an oracle, "
        f"worked answers without these errors. Where the teacher does not, new {helps}. "
        in texts[0]
    )
    # Each of the other methods apart; questions on causes are not split, nor is one kind alone.
    assert texts[1].count("Where the teacher errs systematically, mended") == 2
    assert not any("errs systematically" in text for text in texts[2:])
    assert "errs systematically" not in sentences(run())[0]
    assert "errs systematically" not in sentences(run(oracles={"one": [], "two": []}))[0]


@pytest.mark.parametrize(
    ("verdicts", "effect", "numbers"),
    [
        (["better", "not resolved"], "helps", "better on a; +1.50 points in the mean of 2 pairs"),
        (["worse"], "hurts", "worse on a; +1.00 points in 1 pair"),
        (
            ["better", "worse", "worse"],
            "helps in part and hurts in part",
            "better on a; worse on b, c; +2.00 points in the mean of 3 pairs",
        ),
        (["not resolved"], "is not seen to help or to hurt", "+1.00 points in 1 pair"),
    ],
)
def test_what_helps_and_what_hurts(verdicts, effect, numbers):
    blank = Row("comparison", "q", "w", "m", "n", table="t", metric="greedy")
    rows = [
        replace(blank, pair=pair, verdict=verdict, difference=str(number), teacher="errors")
        for number, (pair, verdict) in enumerate(zip("abc", verdicts, strict=False), start=1)
    ]
    # By sampled answers it is otherwise, and said apart.
    rows.append(
        replace(blank, pair="a", difference="-2", verdict="worse", teacher="e", metric="sampled")
    )
    first, last = by_teacher([*rows, replace(blank, pair="z", difference="0", verdict="worse")])
    assert first == (
        f"Where the teacher errs systematically, m {effect} by greedy answers ({numbers}), hurts "
        "by sampled answers (worse on a; −2.00 points in 1 pair)."
    )
    assert last == (
        "Where the teacher does not, m hurts by greedy answers (worse on z; +0.00 points in 1 "
        "pair)."
    )


@pytest.mark.parametrize(
    ("kind", "method", "verdicts", "conclusion"),
    [
        ("comparison", "m", ["better", "better"], "It is above throughout."),
        ("comparison", "m", ["better", "not resolved"], "It is above on some, not on all."),
        ("comparison", "m", ["worse", "not resolved"], "It is above nowhere."),
        ("comparison", "m", ["not resolved"], "This run does not resolve it."),
        ("remedy", "r", ["better", "not resolved"], "it costs accuracy where it is at work."),
        ("remedy", "r", ["worse", "not resolved"], "without it nothing is gained."),
        ("remedy", "r", ["better", "worse"], "or the alternative."),
        ("remedy", "r", ["not resolved"], "does not resolve whether it is a cause."),
        ("remedy", "m", ["better"], "it costs accuracy where it is at work. m is without it here."),
        ("pairs", "m", ["better", "worse"], "the outcome turns with it."),
        ("pairs", "m", ["better", "not resolved"], "the outcome is not seen to turn with it."),
    ],
)
def test_each_conclusion(kind, method, verdicts, conclusion):
    blank = Row(
        "comparison", "first", "w", "m", "n", "p", "t", "greedy", "1.0", "0.5", "1.5", "0.1"
    )
    rows = [
        replace(blank, kind=kind, question="q", method=method, verdict=verdict, pair=f"p{number}")
        for number, verdict in enumerate(verdicts)
    ]
    assert sentences([replace(blank, verdict="better"), *rows])[-1].endswith(conclusion)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"comparisons": [{**COMPARISONS[0], "method": "nw"}]},
            "unknown method 'nw'; did you mean",
        ),
        ({"causes": [{**CAUSES[0], "against": ["odl"]}]}, "summary, noise: unknown method 'odl'"),
        ({"causes": [CAUSES[0], CAUSES[0]]}, "'noise' occurs twice"),
        ({"comparisons": []}, "at least 1 item"),
        ({"summary": None}, "no section `summary`"),
    ],
)
def test_bad_input(run, changes, message):
    with pytest.raises(AskdError, match=message):
        run(**changes)


def test_equal_inputs_give_equal_bytes(run, tmp_path):
    texts = []
    for _ in range(2):
        run()
        texts.append([(tmp_path / f"out.{kind}").read_bytes() for kind in ("csv", "md")])
    assert texts[0] == texts[1]
