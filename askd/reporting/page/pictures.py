"""Sections of pictures; None where a run did not draw them."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

from askd.reporting.page.blocks import Paragraph, Picture, Section
from askd.reporting.page.files import root
from askd.reporting.page.settings import PageSettings
from askd.reporting.page.svg import inline
from askd.reporting.publish import paragraph_of

_PICTURES = ("figure1", "figure2")


def figures(settings: PageSettings) -> Section | None:
    """Figures 1 and 2, with the captions that their stage wrote."""
    folder = root(settings) / "figures"
    found = [name for name in _PICTURES if (folder / f"{name}.svg").is_file()]
    if settings.figures_pair is None or not found:
        return None
    captions = {
        name: _inline_markdown(paragraph_of(folder / "captions.md", name)) for name in _PICTURES
    }
    pair = settings.pairs[settings.figures_pair].label
    return Section(
        "figures",
        "Figures",
        [
            Paragraph(f"The outputs are those of {pair}."),
            *(_picture(folder / f"{name}.svg", name, captions[name]) for name in found),
        ],
    )


def curves(settings: PageSettings) -> Section | None:
    """What the methods logged while they trained."""
    pairs = settings.estimators.pairs if settings.estimators else []
    pictures = [
        _picture(path, f"curves-{pair}", f"Training curves on {settings.pairs[pair].label}.")
        for pair in pairs
        if (path := root(settings) / "figures" / f"curves-{pair}.svg").is_file()
    ]
    return Section("curves", "Training curves", pictures) if pictures else None


def _picture(path: Path, name: str, caption: str | Markup) -> Picture:
    described_by = f"{name}-caption"
    return Picture(Markup(inline(path, name, described_by)), caption, described_by)


def _inline_markdown(text: str) -> Markup:
    """Emphasis of a paragraph that this project wrote."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text))))
