"""Sections from the files of other stages; None where a run did not make them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from askd.errors import AskdError
from askd.reporting import contrast_text
from askd.reporting.answers import HEADINGS as ANSWERS_HEADINGS
from askd.reporting.answers import JUDGED as ANSWERS_JUDGED
from askd.reporting.answers import RATES as ANSWERS_RATES
from askd.reporting.answers import READING as ANSWERS_READING
from askd.reporting.budget import HEADINGS as HEADINGS_OF_BUDGET
from askd.reporting.budget import READING as READING_OF_BUDGET
from askd.reporting.captions import audit_note
from askd.reporting.claims_measured import DEFINITION, VERDICTS
from askd.reporting.gradient_variance import HEADINGS, READING, SIDES, which_student
from askd.reporting.headings import table_heading
from askd.reporting.page.blocks import (
    Block,
    Bullets,
    Folded,
    Grid,
    Paragraph,
    Raw,
    Section,
)
from askd.reporting.page.files import from_csv, root
from askd.reporting.page.settings import PageSettings
from askd.reporting.power import HEADINGS as POWER_HEADINGS
from askd.reporting.power import READING as POWER_READING
from askd.reporting.power import Row as PowerRow
from askd.reporting.power import cells as power_cells
from askd.reporting.sweep_table import Tried, edge_notes, notes, pair_grid, read_sweep
from askd.reporting.times import read_whole_run

_CLAIM_NOTES = (
    "Effects are percentage points of accuracy, positive as claimed, with the 95 % confidence "
    "interval over training seeds and items; of `more than`, differences of two such differences. "
    "Shares are in %, other facts in their own unit, and noise is a ratio. The weakest comparison "
    "of a claim is the one with the smallest effect.",
    "The verdict is on greedy answers, the metric of the paper; sampled answers have their own.",
    "The paper's numbers come from other models and other data. Resolved says whether its "
    "differences exceed what one run of each system can tell from chance, on as many items.",
    "Run: comparisons that this run has, of those that the claim makes. Seeds needed: those that "
    "would resolve the weakest comparison (two-sided 5 %, power 80 %) for the effect as measured / "
    "as the paper claims it; take it as an order of magnitude.",
)


def claims(settings: PageSettings) -> Section | None:
    """The verdicts on the paper's claims: counts first, then each claim."""

    def entries(row: dict[str, str]) -> tuple:
        effect = f"{row['effect']} [{row['ci_low']}, {row['ci_high']}]" if row["effect"] else ""
        needed = (row["seeds_needed"], row["seeds_needed_paper"])
        return (
            Markup("{} <small>({})</small>").format(row["words"], row["id"]),
            row["section"],
            Markup("<strong>{}</strong>").format(row["verdict"]),
            row["verdict_sampled"],
            row["weakest"],
            effect.replace("-", "−"),
            _probability(row["p_holm"]),
            row["paper"],
            row["paper_resolves"],
            row["comparisons"],
            " / ".join(filter(None, needed)),
        )

    def section(rows: list[dict[str, str]]) -> Section:
        counts = Counter(row["verdict"] for row in rows)
        header = (
            "The paper claims that",
            "Section",
            "Verdict",
            "Sampled answers",
            "Weakest comparison here",
            "Effect",
            "p (Holm)",
            "The paper's numbers",
            "Resolved",
            "Run",
            "Seeds needed",
        )
        remarks = [
            Markup("<em>{}</em> {}").format(f"{row['id']}:", row["note"])
            for row in rows
            if row["note"]
        ]
        return Section(
            "claims",
            "The paper's claims",
            [
                _counted("Verdicts on the claims", counts, VERDICTS),
                Folded("What a verdict means", [Bullets(DEFINITION)]),
                Grid("Each claim", header, [entries(row) for row in rows], prose=True),
                Bullets(_CLAIM_NOTES),
                *([Folded("Remarks on single claims", [Bullets(remarks)])] if remarks else []),
            ],
        )

    return from_csv(root(settings) / "claims.csv", section)


def contrast(settings: PageSettings) -> Section | None:
    """One method against another over all tables: what was found, and each number."""

    def section(rows: list[dict[str, str]]) -> Section:
        found = [contrast_text.Row(**row) for row in rows]
        numbers = [contrast_text.cells(row) for row in found if row.pair]
        return Section(
            "contrast",
            found[0].words,
            [
                Bullets(contrast_text.sentences(found)),
                Folded(
                    "Each comparison",
                    [
                        Grid("By pair", contrast_text.HEADER, numbers),
                        Bullets(contrast_text.NOTES),
                    ],
                ),
            ],
        )

    return from_csv(root(settings) / f"{contrast_text.FILE}.csv", section)


def table(settings: PageSettings, name: str) -> Section | None:
    """A table of the paper, from the page that its stage wrote."""
    path = root(settings) / "tables" / f"{name}.html"
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    body = re.search(r"<body>\s*<h1>.*?</h1>(.*)</body>", text, re.DOTALL)
    if body is None:
        raise AskdError(f"{path}: no page of a table; make the table again.")
    # What is below a heading, the paired tests, is shown on demand.
    shown, *folded = re.split(r"<h2>(.*?)</h2>", body[1])
    return Section(
        f"tables-{name}",
        table_heading(name, settings.tables[name].title),
        [
            Raw(Markup(shown)),
            *(
                Folded(Markup(heading).unescape(), [Raw(Markup(html))])
                for heading, html in zip(folded[::2], folded[1::2], strict=True)
            ),
        ],
    )


def power(settings: PageSettings) -> Section | None:
    """Which differences the tables resolve, a grid for each table."""

    def section(rows: list[dict[str, str]]) -> Section:
        grids = []
        for name in dict.fromkeys(row["table"] for row in rows):
            lines = []
            for row in rows:
                if row["table"] != name:
                    continue
                benchmark = settings.benchmarks.get(row["benchmark"])
                pair, label = settings.pairs[row["pair"]].label, benchmark and benchmark.label
                lines.append(power_cells(PowerRow(**row), pair, label or "AVG."))
            grids.append(Grid(f"{name}: {settings.tables[name].title}", POWER_HEADINGS, lines))
        return Section(
            "power", "What the tables resolve", [Bullets(POWER_READING), Folded("By table", grids)]
        )

    return from_csv(root(settings) / "tables" / "power.csv", section)


def answers(settings: PageSettings) -> Section | None:
    """What became of answers beside right and wrong, a grid for each pair."""

    def section(rows: list[dict[str, str]]) -> Section:
        names = {name: method.label for name, method in settings.methods.items()}
        grids = []
        for pair in dict.fromkeys(row["pair"] for row in rows):
            own = [row for row in rows if row["pair"] == pair]
            judged = any(row["inconsistent"] for row in own)
            header = ANSWERS_HEADINGS + ANSWERS_JUDGED if judged else ANSWERS_HEADINGS
            lines = [
                (
                    names.get(row["system"], row["system"]),
                    row["metric"],
                    settings.benchmarks[row["benchmark"]].label,
                    row["unread"],
                    row["too_slow"],
                    f"{row['pass_at_k']} (k = {row['k']})" if row["k"] else "",
                    *(row[name] for name in ANSWERS_RATES),
                )[: len(header)]
                for row in own
            ]
            grids.append(Grid(settings.pairs[pair].label, header, lines))
        return Section(
            "answers",
            "Unread answers and judges",
            [Bullets(ANSWERS_READING), Folded("By pair", grids)],
        )

    return from_csv(root(settings) / "tables" / "answers.csv", section)


def gradient_variance(settings: PageSettings) -> Section | None:
    """How noisy the gradient of each estimator is, a table for each pair and student."""

    def entries(row: dict[str, str]) -> tuple[str, ...]:
        return (
            row["estimator"],
            SIDES.get(row["side"], row["side"]),
            row["skewness"],
            *(
                "{} [{}, {}]".format(
                    *(_number(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
                )
                for name in HEADINGS
            ),
        )

    def section(rows: list[dict[str, str]]) -> Section:
        blocks: list[Block] = []
        near = settings.methods[settings.estimators.near].label
        for pair, student in dict.fromkeys((row["pair"], row["student"]) for row in rows):
            own = [row for row in rows if (row["pair"], row["student"]) == (pair, student)]
            blocks.append(
                Grid(
                    f"{settings.pairs[pair].label}, student {which_student(student, near)}: "
                    f"{100 * float(own[0]['accuracy']):.1f} % of its "
                    "outputs are correct; log q − log p is "
                    f"{_number(own[0]['log_ratio'])} nats per token of them",
                    ("Estimator", "Outputs", "Skewness", *HEADINGS.values()),
                    [entries(row) for row in own],
                )
            )
        return Section("gradient-variance", "Gradient variance", [*blocks, Bullets(READING)])

    if settings.estimators is None:
        return None
    return from_csv(root(settings) / "tables" / "gradient_variance.csv", section)


def theory(settings: PageSettings) -> Section | None:
    """The paper's statements, decided by computation."""

    def section(rows: list[dict[str, str]]) -> Section:
        counts = Counter(row["verdict"] for row in rows)
        table = Grid(
            "Each statement",
            ("Where", "Statement", "Verdict", "Numbers", "Command", "What holds instead"),
            [
                (
                    row["id"],
                    row["statement"],
                    Markup("<strong>{}</strong>").format(row["verdict"]),
                    row["numbers"],
                    Markup("<code>{}</code>").format(row["command"]),
                    row["instead"],
                )
                for row in rows
            ],
            prose=True,
        )
        return Section(
            "theory",
            "The paper's statements",
            [
                _counted("Verdicts on equations, lemmas and theorems", counts, counts),
                Folded(f"All {len(rows)} statements", [table]),
            ],
        )

    return from_csv(root(settings) / "tables" / "theory.csv", section)


def sweep(settings: PageSettings) -> Section | None:
    """All tries of the sweep, the chosen ones marked."""
    path = root(settings) / "tables" / "sweep.csv"
    if settings.sweep is None or not path.is_file():
        return None
    rows = read_sweep(path)
    labels = {name: method.label for name, method in settings.methods.items()}
    blocks: list[Block | Folded] = [
        Bullets(
            notes(
                settings.sweep,
                settings.seeds,
                settings.rounds,
                {
                    settings.pairs[pair].label: settings.sections[pair]
                    for pair in dict.fromkeys(row.pair for row in rows)
                    if pair in settings.sections
                },
            )
            + edge_notes(rows, {name: pair.label for name, pair in settings.pairs.items()}, labels)
        )
    ]
    for pair in dict.fromkeys(row.pair for row in rows):
        header, lines = pair_grid([row for row in rows if row.pair == pair], labels)
        label = settings.pairs[pair].label if pair in settings.pairs else pair
        blocks.append(Grid(label, header, [[_tried(entry) for entry in line] for line in lines]))
    return Section("sweep", "Choice of settings", blocks)


def budget(settings: PageSettings) -> Section | None:
    """What a training step of each method used, a table for each pair."""

    def section(rows: list[dict[str, str]]) -> Section:
        grids = []
        for name, pair in settings.pairs.items():
            own = [
                (settings.methods[row["method"]].label, *list(row.values())[2:])
                for row in rows
                if row["pair"] == name
            ]
            if own:
                grids.append(Grid(pair.label, HEADINGS_OF_BUDGET, own))
        return Section("budget", "What a training step uses", [*grids, Bullets(READING_OF_BUDGET)])

    return from_csv(root(settings) / "tables" / "budget.csv", section)


def sandbox(settings: PageSettings) -> Section | None:
    """What the sandbox withstood, by kind of program."""
    path = root(settings) / "tables" / "sandbox_audit.csv"

    def section(rows: list[dict[str, str]]) -> Section:
        kinds = dict.fromkeys(row["category"] for row in rows)
        lines = []
        for kind in kinds:
            own = [row for row in rows if row["category"] == kind]
            wrong = sum((row["status"] == "passed") != (row["expected"] == "pass") for row in own)
            lines.append(
                (
                    kind.replace("_", " "),
                    str(len(own)),
                    str(wrong),
                    str(sum(bool(row["violations"]) for row in own)),
                    str(sum(row["status"] == "timeout" for row in own)),
                )
            )
        header = ("Kind", "Programs", "Wrong verdicts", "Violations", "Timeouts")
        return Section(
            "sandbox",
            "Audit of the sandbox",
            [Paragraph(audit_note(path)), Grid("Programs of the audit", header, lines)],
        )

    if not any(task.grader == "code" for task in settings.tasks.values()):
        return None
    return from_csv(path, section)


def times(settings: PageSettings) -> Section | None:
    """What each stage cost."""

    def section(rows: list[dict[str, str]]) -> Section:
        header = ("Stage", "Jobs", "Seconds", "Seconds per job", "Largest memory, MB")
        grid = Grid("Time and memory", header, [tuple(row.values()) for row in rows])
        notes = read_whole_run(root(settings) / "times.json").notes
        return Section("times", "Time per stage", [grid, Bullets(notes)])

    return from_csv(root(settings) / "times.csv", section)


def _counted(caption: str, counts: Counter[str], order: Sequence[str]) -> Grid:
    """How often each verdict fell."""
    rows = [(verdict, str(counts[verdict])) for verdict in order if counts[verdict]]
    return Grid(caption, ("Verdict", "Number"), [*rows, ("all", str(counts.total()))])


def _tried(entry: str | Tried | None) -> str | Markup:
    if entry is None:
        return ""
    if isinstance(entry, str):
        return entry
    figure = f"{entry.sampled:.1f}"
    return Markup("<strong>{}</strong>").format(figure) if entry.chosen else figure


def _number(text: str) -> str:
    value = float(text)
    if math.isnan(value):
        return "undefined"
    return f"{value:.3g}".replace("inf", "∞").replace("-", "−")


def _probability(text: str) -> str:
    if not text:
        return ""
    return "< 0.001" if float(text) < 0.001 else f"{float(text):.3f}"
