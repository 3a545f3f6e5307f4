"""A published page from small files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from askd.config import validated_json
from askd.errors import AskdError
from askd.reporting.headings import in_order, table_heading
from askd.reporting.publish import PublishSettings, publish

PUBLISHED = Path(__file__).parents[2] / "docs" / "results"
CAPTIONS = "**Figure 1.** Of two\nlines.\n\n**Figure 2.** Another.\n"


@pytest.fixture
def folder(tmp_path):
    files = {
        "claims.md": "# Claims\n\nText.\n\n## Verdicts\n\n```\n# code\n```\n",
        "table2.md": "# Reasoning\n\n## Greedy\n\n| a |\n",
        "times.md": "| stage |\n\n- A note.\n",
        "figures/captions.md": CAPTIONS,
        "figures/figure1.png": "first",
        "figures/curves.png": "curves",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def write(folder, **changes):
    figures = folder / "figures"
    settings = {
        "scale": "nano",
        "command": "snakemake publish",
        "parts": [
            {"name": "claims", "path": str(folder / "claims.md")},
            {"name": "table2", "path": str(folder / "table2.md"), "title": "Table 2: Reasoning"},
            {"name": "figure1", "path": str(figures / "figure1.png"), "title": "Figure 1",
             "caption": None},
            {"name": "curves", "path": str(figures / "curves.png"), "title": "Curves",
             "caption": "While they trained."},
            {"name": "times", "path": str(folder / "times.md"), "title": "Time"},
        ],
        **changes,
    }  # fmt: skip
    publish(validated_json(PublishSettings, json.dumps(settings)), folder / "docs/nano.md")
    return (folder / "docs/nano.md").read_text()


def test_the_page_has_contents_headings_and_text_in_order(folder):
    text = write(folder)
    assert text.startswith(
        "# Results at scale nano\n\nWritten by `snakemake publish`.\n\n"
        "- [Claims](#claims)\n- [Table 2: Reasoning](#table2)\n- [Figure 1](#figure1)\n"
        "- [Curves](#curves)\n- [Time](#times)\n\n"
    )
    # One heading of the first rank; those of the files are one lower, and code is none.
    assert re.findall(r"^#+ .*$", text, re.MULTILINE) == [
        "# Results at scale nano",
        "## Claims",
        "### Verdicts",
        "# code",
        "## Table 2: Reasoning",
        "### Greedy",
        "## Figure 1",
        "## Curves",
        "## Time",
    ]
    assert re.findall(r'<a id="(.*?)">', text) == re.findall(r"\]\(#(.*?)\)", text)
    assert "| stage |\n\n- A note.\n" in text


def test_figures_are_shown_with_their_captions(folder):
    text = write(folder)
    assert "![Figure 1](nano-figure1.png)\n\n**Figure 1.** Of two lines.\n" in text
    assert "![Curves](nano-curves.png)\n\nWhile they trained.\n" in text
    assert (folder / "docs/nano-figure1.png").read_text() == "first"


def test_the_published_pictures_are_those_that_a_page_shows():
    """The stage removes none that it no longer makes: the next scale's name may begin alike."""
    pages = [path.read_text(encoding="utf-8") for path in PUBLISHED.glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)}
    assert shown == {path.name for path in PUBLISHED.glob("*.png")}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("claims.md", None, r"claims\.md: no such file"),
        ("claims.md", "Text.", r"claims\.md: it does not begin with a heading"),
        ("figures/figure1.png", None, r"figure1\.png: no such figure"),
        ("figures/captions.md", "**Figure 2.** Another.", r"captions\.md: no caption of figure1"),
    ],
)
def test_what_is_missing_is_named(folder, name, content, words):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(AskdError, match=words):
        write(folder)


def test_tables_of_the_paper_come_first_and_by_number():
    names = ["table10", "table1", "ablation-b", "table2", "mine", "ablation-a"]
    assert in_order(names) == ["table1", "table2", "table10", "ablation-b", "mine", "ablation-a"]
    assert table_heading("table2", "Reasoning") == "Table 2: Reasoning"
    assert table_heading("ablation-b", "The scale") == "Ablation: The scale"
    assert table_heading("mine", "Sums") == "Sums"
