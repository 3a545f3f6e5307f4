"""What a section of the page is made of; templates/page.html.jinja writes each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str | Markup
    kind: str = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """Short notes."""

    items: Sequence[str | Markup]
    kind: str = "bullets"


@dataclass(frozen=True)
class Grid:
    """A table; the first entry of each row is its heading."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Markup]]
    # Whether entries are prose, and their lines are to be broken.
    prose: bool = False
    kind: str = "grid"


@dataclass(frozen=True)
class Picture:
    """A figure with its caption, which is also what a screen reader says."""

    svg: Markup
    caption: str | Markup
    id: str
    kind: str = "picture"


@dataclass(frozen=True)
class Raw:
    """HTML that another stage wrote."""

    html: Markup
    kind: str = "raw"


Block = Paragraph | Bullets | Grid | Picture | Raw


@dataclass(frozen=True)
class Folded:
    """Details that are shown on demand, and on paper."""

    summary: str
    blocks: Sequence[Block]
    kind: str = "folded"


@dataclass(frozen=True)
class Section:
    """A heading with what is below it; `parts` are sections of a lower rank."""

    id: str
    title: str
    blocks: Sequence[Block | Folded] = ()
    parts: Sequence[Section] = ()
