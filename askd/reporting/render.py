"""Markdown, LaTeX and HTML of a table, from the templates beside this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from askd.reporting.entries import Comparison, TableContent
from askd.reporting.markdown import markdown
from askd.reporting.outcomes import METRICS, UNTRAINED
from askd.reporting.paper_numbers import AVERAGE

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
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*"})


@dataclass(frozen=True)
class Format:
    """How one file format writes plain text, the untrained systems, marked figures, and all."""

    escape: Callable[[str], str]
    untrained: Mapping[str, str]
    marks: Mapping[str, str]
    write: Callable[[dict[str, Any]], str]


FORMATS = {
    ".md": Format(
        lambda text: text.translate(_MARKDOWN),
        {"teacher": "M_T (teacher)", "student": "M_S (student)"},
        {"best": "**{}**", "second": "_{}_", "": "{}"},
        markdown,
    ),
    ".tex": Format(
        lambda text: text.translate(_LATEX),
        {"teacher": "$M_T$ (teacher)", "student": "$M_S$ (student)"},
        {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"},
        lambda content: _ENVIRONMENT.get_template("table.tex.jinja").render(content),
    ),
    ".html": Format(
        str,  # the template engine escapes all that is not Markup
        {
            "teacher": Markup("<i>M</i><sub>T</sub> (teacher)"),
            "student": Markup("<i>M</i><sub>S</sub> (student)"),
        },
        {"best": Markup("<strong>{}</strong>"), "second": Markup("<u>{}</u>"), "": Markup("{}")},
        lambda content: _ENVIRONMENT.get_template("table.html.jinja").render(content),
    ),
}


def render(content: TableContent) -> dict[str, str]:
    """The text of the table in each format, by file suffix."""
    return {
        suffix: format_.write(_formatted(content, format_)) for suffix, format_ in FORMATS.items()
    }


def marks(means: Mapping[str, float]) -> dict[str, str]:
    """`best`, `second` or nothing for each system's mean (%), the untrained systems apart.

    Figures that are printed alike are marked alike.
    """
    printed = {name: f"{mean:.1f}" for name, mean in means.items() if name not in UNTRAINED}
    ranking = sorted(set(printed.values()), key=float, reverse=True)
    words = dict(zip(ranking, ("best", "second"), strict=False))
    return {name: words.get(printed.get(name), "") for name in means}


def _formatted(content: TableContent, format_: Format) -> dict[str, Any]:
    """What the templates read: texts of one format, in the order in which they are printed."""
    text = format_.escape
    systems = {
        name: format_.untrained.get(name) or text(label) for name, label in content.systems.items()
    }
    return {
        "name": content.name,
        "title": text(content.title),
        "pairs": {pair: text(label) for pair, label in content.pairs.items()},
        "columns": [text(label) for label in content.columns.values()],
        "metrics": [
            {
                "title": text(content.metric_titles[metric]),
                "rows": [
                    {
                        "system": label,
                        "entries": {
                            pair: [
                                _entry(content, format_, pair, system, column, metric)
                                for column in content.columns
                            ]
                            for pair in content.pairs
                        },
                    }
                    for system, label in systems.items()
                ],
            }
            for metric in METRICS
        ],
        "tests": {
            pair: [
                _test(comparison, systems[comparison.against], text)
                for comparison in content.comparisons
                if comparison.pair == pair and comparison.benchmark == AVERAGE
            ]
            for pair in content.pairs
        },
        "notes": [text(note) for note in content.notes],
        "comparison_notes": [text(note) for note in content.comparison_notes],
    }


def _entry(
    content: TableContent, format_: Format, pair: str, system: str, column: str, metric: str
) -> dict[str, str]:
    means = {name: content.cells[pair, name, column, metric].mean for name in content.systems}
    cell = content.cells[pair, system, column, metric]
    return {
        "mean": format_.marks[marks(means)[system]].format(f"{cell.mean:.1f}"),
        "interval": f"[{cell.ci_low:.1f}, {cell.ci_high:.1f}]",
        "paper": "" if cell.paper is None else f"({cell.paper:.1f})",
    }


def _test(comparison: Comparison, against: str, text: Callable[[str], str]) -> dict[str, str]:
    limits = f"{_signed(comparison.ci_low)}, {_signed(comparison.ci_high)}"
    return {
        "metric": comparison.metric,
        "against": against,
        "difference": text(_signed(comparison.difference)),
        "interval": text(f"[{limits}]"),
        "p_value": text(_probability(comparison.p_value)),
        "p_holm": text(_probability(comparison.p_holm)),
        "verdict": comparison.verdict,
    }


def _signed(points: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(points, 1) + 0.0:+.1f}".replace("-", "−")


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
