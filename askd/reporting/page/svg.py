"""A matplotlib SVG file as an element of an HTML page."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from askd.errors import AskdError

_SVG = "{http://www.w3.org/2000/svg}"
_URL = re.compile(r"url\(#([^)]*)\)")


def inline(path: Path, name: str, described_by: str) -> str:
    """The picture of an SVG file, whose ids begin with `name` and so are unique in the page.

    matplotlib draws letters and markers by reference to ids that are the same in all its files.
    `described_by` is the id of the caption. The width is left to the page's style.

    Raises:
        AskdError: the file is no SVG, or refers to another file.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise AskdError(f"{path}: no SVG picture ({error}); draw it again.") from error
    if root.tag != f"{_SVG}svg" or "viewBox" not in root.attrib:
        raise AskdError(f"{path}: no SVG picture with a viewBox; draw it again.")
    for metadata in root.findall(f"{_SVG}metadata"):
        root.remove(metadata)
    for element in root.iter():
        # An HTML parser knows the elements of an SVG without their namespaces.
        element.tag = element.tag.removeprefix(_SVG)
        attributes = {
            key.rpartition("}")[2]: _renamed(path, key.rpartition("}")[2], value, name)
            for key, value in element.attrib.items()
        }
        element.attrib.clear()
        element.attrib.update(attributes)
        if element.tag == "style":
            # A style sheet within an HTML page holds for all of it.
            element.text = re.sub(r"([^{}]+)\{", rf"#{name} \1{{", element.text or "")
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "id": name,
        "role": "img",
        "aria-labelledby": described_by,
    }
    for element in root.iter():
        if not (element.tail or "").strip():
            element.tail = None
    return ElementTree.tostring(root, encoding="unicode")


def _renamed(path: Path, key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        if value.startswith("#"):
            return f"#{name}-{value[1:]}"
        if not value.startswith("data:"):
            raise AskdError(f"{path}: refers to {value!r}, which a single page cannot hold.")
    return _URL.sub(rf"url(#{name}-\1)", value)
