"""The report stage: one page of all results, without references to anything outside of it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from askd.artifacts import write_text
from askd.reporting.headings import in_order, table_heading
from askd.reporting.markdown import grid
from askd.reporting.page import pictures, provenance, results, words
from askd.reporting.page.blocks import Bullets, Grid, Section
from askd.reporting.page.settings import PageSettings

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
    autoescape=lambda name: name.endswith(".html.jinja"),
)


def report(settings: PageSettings, output: Path) -> None:
    """Write the page from the files below the results of `settings`, and what it was made with as
    provenance.md beside it.

    Equal files and an equal machine give equal bytes. What was not produced is left out, and named
    at the end.

    Raises:
        AskdError: a file is not what its stage writes.
    """
    tables = {
        table_heading(name, settings.tables[name].title): results.table(settings, name)
        for name in in_order(settings.tables)
    }
    optional = {
        "the paper's claims": results.claims(settings),
        "one method against another": results.contrast(settings),
        **tables,
        "power": results.power(settings),
        "unread answers": results.answers(settings),
        "figures": pictures.figures(settings),
        "training curves": pictures.curves(settings),
        "gradient variance": results.gradient_variance(settings),
        "the paper's statements": results.theory(settings),
        "choice of settings": results.sweep(settings),
        "what a training step uses": results.budget(settings),
        "audit of the sandbox": results.sandbox(settings),
        "time per stage": results.times(settings),
    }
    found = {name: section for name, section in optional.items() if section is not None}
    verdicts = [
        found.pop(name)
        for name in ("the paper's claims", "one method against another")
        if name in found
    ]
    shown = [found.pop(name) for name in tables if name in found]
    made = made_with(settings)
    sections = [
        *verdicts,
        run(settings),
        *([Section("tables", "Tables", parts=shown)] if shown else []),
        *found.values(),
        made,
    ]
    text = _ENVIRONMENT.get_template("page.html.jinja").render(
        settings=settings,
        sections=sections,
        absent=[name for name, section in optional.items() if section is None],
    )
    write_text(output, text)
    write_text(output.with_name("provenance.md"), _markdown(made))


def _markdown(section: Section) -> str:
    """A section of grids as Markdown."""
    blocks = [f"# {section.title}"]
    for block in section.blocks:
        blocks += [f"## {block.caption}", grid(block.header, block.rows)]
    return "\n\n".join(blocks) + "\n"


def run(settings: PageSettings) -> Section:
    """What was run: pairs, tasks, methods, and what all had in common."""
    pairs = Grid(
        "Pairs of teacher and student",
        ("Pair (counterpart in the paper)", "Task", "Kind of teacher", "Teacher", "Student"),
        [
            (
                pair.label,
                pair.task,
                pair.note,
                words.model(pair.teacher, settings.models),
                words.model(pair.student, settings.models),
            )
            for pair in settings.pairs.values()
        ],
        prose=True,
    )
    tasks = Grid(
        "Tasks",
        ("Task", "Prompts: training / validation / test", "Worked answers have", "Graded by"),
        [(name, *words.task(task)) for name, task in settings.tasks.items()],
        prose=True,
    )
    methods = Grid(
        "Methods",
        ("Method", "Trains on", "Sees of the true answers", "Own sampling or projection"),
        [
            (method.label, words.terms(method), words.supervision(method), words.sampling(method))
            for method in settings.methods.values()
        ],
        prose=True,
    )
    return Section(
        "run",
        "What was run",
        [Bullets(words.protocol(settings)), pairs, tasks, methods, *_rates(settings)],
    )


def _rates(settings: PageSettings) -> list[Grid]:
    """Learning rate and options of each method on each pair."""
    written = {(run.pair, run.method): words.run(run) for run in settings.runs}
    rows = [
        [method.label, *(written.get((pair, name), "") for pair in settings.pairs)]
        for name, method in settings.methods.items()
    ]
    labels = [pair.label for pair in settings.pairs.values()]
    caption = "Peak learning rates, and options that were chosen for the pair"
    return [Grid(caption, ("Method", *labels), rows, prose=True)] if rows else []


def made_with(settings: PageSettings) -> Section:
    """Code, packages, machine, and the models that all began with."""
    weights = [
        (name, words.hexadecimal(provenance.weights(Path(settings.results) / "models" / name)))
        for name in settings.models
    ]
    return Section(
        "provenance",
        "Provenance",
        [
            Grid("Code", ("Part", "Version"), provenance.code()),
            Grid("Machine that made this page", ("Part", "Version"), provenance.machine()),
            Grid("Packages that made this page", ("Package", "Version"), provenance.packages()),
            Grid("Models before distillation", ("Model", "SHA-256 of the weights"), weights),
        ],
    )
