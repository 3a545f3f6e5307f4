"""The publish stage: results of a run as one page of Markdown, with its figures beside it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from askd.artifacts import atomic_path, write_text
from askd.config import Strict
from askd.errors import AskdError


class Part(Strict):
    """A file of Markdown that becomes a part of the page."""

    name: str = Field(description="Where links of the page lead to.")
    path: str = Field(description="The file.")
    title: str | None = Field(
        default=None, description="Its heading; null: the first heading of the file."
    )


class PublishedFigure(Strict):
    """A picture with its caption."""

    name: str = Field(description="Ending of the picture's name, and where links lead to.")
    path: str = Field(description="The PNG file.")
    title: str = Field(description="Its heading.")
    caption: str | None = Field(
        default=None, description="Its caption; null: the paragraph of captions.md beside it."
    )


class PublishSettings(Strict):
    """What a page is made of."""

    scale: str = Field(description="Name of the scale.")
    command: str = Field(description="The command that publishes, as its reader would write it.")
    parts: list[Part | PublishedFigure] = Field(min_length=1, description="In their order.")


def publish(settings: PublishSettings, output: Path) -> None:
    """Write the page OUTPUT (PAGE.md), and its pictures as PAGE-NAME.png.

    Raises:
        AskdError: a file is missing, or has no heading or caption where one is needed.
    """
    contents, blocks = [], []
    for part in settings.parts:
        if isinstance(part, PublishedFigure):
            title, text = part.title, _picture(part, output)
        else:
            title, text = _text(part)
        contents.append(f"- [{title}](#{part.name})")
        blocks.append(f'<a id="{part.name}"></a>\n\n## {title}\n\n{text}')
    head = f"# Results at scale {settings.scale}\n\nWritten by `{settings.command}`."
    write_text(output, "\n\n".join([head, "\n".join(contents), *blocks]) + "\n")


def paragraph_of(path: Path, figure: str) -> str:
    """The paragraph of captions.md for `figure` (`figure1` is **Figure 1.**), as one line.

    Raises:
        AskdError: there is none.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    start = f"**Figure {figure.removeprefix('figure')}.**"
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(start):
            return " ".join(paragraph.split())
    raise AskdError(f"{path}: no caption of {figure}; draw the figures again.")


def _picture(part: PublishedFigure, output: Path) -> str:
    source = Path(part.path)
    copy = output.with_name(f"{output.stem}-{part.name}.png")
    try:
        with atomic_path(copy) as temporary:
            shutil.copyfile(source, temporary)
    except FileNotFoundError as error:
        raise AskdError(f"{source}: no such figure; draw it first.") from error
    caption = part.caption or paragraph_of(source.with_name("captions.md"), part.name)
    return f"![{part.title}]({copy.name})\n\n{caption}"


def _text(part: Part) -> tuple[str, str]:
    """Heading and text of a part; its own headings are one rank lower than in its file."""
    path = Path(part.path)
    if not path.is_file():
        raise AskdError(f"{path}: no such file; run the stage that writes it.")
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    own = re.fullmatch(r"# (.*)", lines[0]) if lines else None
    if own is None and part.title is None:
        raise AskdError(f"{path}: it does not begin with a heading; write it again.")
    text = "\n".join(_lowered(lines[1:] if own else lines)).strip()
    return part.title or own[1], text


def _lowered(lines: list[str]) -> Iterator[str]:
    is_code = False
    for line in lines:
        is_code ^= line.startswith("```")
        yield f"#{line}" if re.match(r"#+ ", line) and not is_code else line
