"""Markdown, LaTeX and HTML of a table, from the templates beside this module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from askd.reporting.captions import METRIC_TITLES
from askd.reporting.entries import Cell, Comparison
from askd.reporting.outcomes import METRICS, UNTRAINED

# Braces and percent signs belong to LaTeX; one set of delimiters serves all three templates.
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    variable_start_string="<<",
    variable_end_string=">>",
    block_start_string="<%",
    block_end_string="%>",
    comment_start_string="<#",
    comment_end_string="#>",
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
    autoescape=lambda template: template.endswith(".html.jinja"),
)

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
        "−": "$-$",
        "→": r"$\rightarrow$",
        "†": r"$^\dagger$",
        "‡": r"$^\ddagger$",
        "α": r"$\alpha$",
        "β": r"$\beta$",
        "κ": r"$\kappa$",
    }
)
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*<`"})


@dataclass(frozen=True)
class Format:
    """How one file format writes plain text, the two untrained systems, and marked figures."""

    suffix: str
    escape: Callable[[str], str]
    untrained: Mapping[str, str]
    marks: Mapping[str, str]


FORMATS = (
    Format(
        ".md",
        lambda text: text.translate(_MARKDOWN),
        {"teacher": "M_T (teacher)", "student": "M_S (student)"},
        {"best": "**{}**", "second": "_{}_", "": "{}"},
    ),
    Format(
        ".tex",
        lambda text: text.translate(_LATEX),
        {"teacher": "$M_T$ (teacher)", "student": "$M_S$ (student)"},
        {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"},
    ),
    Format(
        ".html",
        str,  # the template engine escapes what is not Markup
        {
            "teacher": Markup("<i>M</i><sub>T</sub> (teacher)"),
            "student": Markup("<i>M</i><sub>S</sub> (student)"),
        },
        {"best": Markup("<strong>{}</strong>"), "second": Markup("<u>{}</u>"), "": Markup("{}")},
    ),
)


def render(
    name: str,
    title: str,
    pairs: Mapping[str, str],
    columns: Mapping[str, str],
    systems: Mapping[str, str],
    cells: Sequence[Cell],
    comparisons: Sequence[Comparison],
    notes: Sequence[str],
    comparison_notes: Sequence[str],
) -> dict[str, str]:
    """The text of the table by file suffix.

    `pairs`, `columns` (benchmarks and the average) and `systems` give the labels by name, in the
    order of the table; `comparisons` are shown for the last of the columns.
    """
    found = {(cell.pair, cell.method, cell.benchmark, cell.metric): cell for cell in cells}
    average = list(columns)[-1]
    texts = {}
    for format_ in FORMATS:
        names = {key: format_.escape(label) for key, label in systems.items()}
        names |= {key: text for key, text in format_.untrained.items() if key in systems}
        metrics = []
        for metric in METRICS:
            entries: dict[str, dict[str, list[dict]]] = {key: {} for key in systems}
            for pair in pairs:
                for column in columns:
                    chosen = {key: found[pair, key, column, metric] for key in systems}
                    marked = marks({key: cell.mean for key, cell in chosen.items()})
                    for key, cell in chosen.items():
                        entry = _entry(cell, format_.marks[marked[key]])
                        entries[key].setdefault(pair, []).append(entry)
            rows = [{"system": names[key], "entries": entries[key]} for key in systems]
            metrics.append({"title": format_.escape(METRIC_TITLES[metric]), "rows": rows})
        tests = {
            pair: [
                _test(comparison, names[comparison.against])
                for comparison in comparisons
                if (comparison.pair, comparison.benchmark) == (pair, average)
            ]
            for pair in pairs
        }
        texts[format_.suffix] = _ENVIRONMENT.get_template(f"table{format_.suffix}.jinja").render(
            name=name,
            title=format_.escape(title),
            pairs={pair: format_.escape(label) for pair, label in pairs.items()},
            columns=[format_.escape(label) for label in columns.values()],
            metrics=metrics,
            tests=tests,
            notes=[format_.escape(note) for note in notes],
            comparison_notes=[format_.escape(note) for note in comparison_notes],
            grid=_grid,
        )
    return texts


def marks(means: Mapping[str, float]) -> dict[str, str]:
    """`best`, `second` or nothing for each system's mean (%), the untrained systems apart.

    Figures that are printed alike are marked alike.
    """
    printed = {name: float(f"{mean:.1f}") for name, mean in means.items() if name not in UNTRAINED}
    ranking = sorted(set(printed.values()), reverse=True)
    words = dict(zip(ranking, ("best", "second"), strict=False))
    return {name: words.get(printed.get(name), "") for name in means}


def _entry(cell: Cell, mark: str) -> dict[str, str]:
    return {
        "mean": mark.format(f"{cell.mean:.1f}"),
        "interval": f"[{cell.ci_low:.1f}, {cell.ci_high:.1f}]",
        "paper": "" if cell.paper is None else f"({cell.paper:.1f})",
    }


def _test(comparison: Comparison, against: str) -> dict[str, str]:
    return {
        "metric": comparison.metric,
        "against": against,
        "difference": _signed(comparison.difference),
        "interval": f"[{_signed(comparison.ci_low)}, {_signed(comparison.ci_high)}]",
        "p_value": _probability(comparison.p_value),
        "p_holm": _probability(comparison.p_holm),
        "verdict": comparison.verdict,
    }


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}".replace("-", "−")


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
