"""The pieces of an answer that may be Python, and what a look at their lines tells.

Nothing here parses Python: text that is made for it stalls a parser or exhausts its stack. Lines
are read once, with the string that is open at their ends; all of it takes linear time.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)")
LANGUAGE = re.compile(r"\{?[ \t]*\.?([a-z]+)")
PYTHON = ("python", "py", "ipython")
# A fence behind words, which Markdown does not know but models write.
BEHIND_WORDS = ("```python", "```python3", "```py")
# Blocks in these are transparent: the program is in a block inside.
MARKDOWN = ("markdown", "md")
MAYBE_PYTHON = ("python", "", None)

STRING = re.compile(
    r"""\#.* | \"{3} | '{3} | "(?:[^"\\]++|\\.)*+"? | '(?:[^'\\]++|\\.)*+'?""", re.VERBOSE
)
UNTIL_CLOSED = {
    '"""': re.compile(r'(?:[^"\\]++|\\.|"(?!""))*+"""'),
    "'''": re.compile(r"(?:[^'\\]++|\\.|'(?!''))*+'''"),
}

# How code may begin, and how a line begins that goes on in prose.
CODE = re.compile(
    r"""import[ ]\w[\w.]*(?:[ ]as[ ]\w+)?\s*(?:[,;\#]|$) | from[ ][\w.]+[ ]import\b
    | (?:async[ ])?def[ ]+\w+\s*\( | class[ ]+\w+\s*[(:] | @\w | if[ ]__name__ | try:
    | (?:for|while|with)[ ].*:\s*$ | \w+(?:\s*,\s*\w+)*\s*[-+*/%&|^]{0,2}=(?!=)
    | [\w.]+\(.*\)\s*$""",
    re.VERBOSE,
)
PROSE = re.compile(r"[-*>•][ \t]|\d+[.)][ \t]|\*\*|[A-Z][\w'’-]*[:!.]\s*$")
TWO_WORDS = re.compile(r"(?:[^\W\d][\w'’-]*[,:;][ \t]+)?([^\W\d][\w'’-]*)[ \t]+([^\W\d][\w'’-]*)")


@dataclass
class Block:
    """Lines that may be Python. `language` is as marked, "" without a mark, None without a fence;
    Python in any spelling is "python"."""

    language: str | None
    lines: list[str] = field(default_factory=list)


def is_prose(line: str) -> bool:
    """Whether a line without indentation cannot be code: two words in a row, an item, a heading."""
    if PROSE.match(line):
        return True
    words = TWO_WORDS.match(line)
    if not words or keyword.iskeyword(words[1]) or words[1] in ("match", "case", "type"):
        return False
    return words[2] not in ("and", "or", "if")


def code_of(line: str, quote: str) -> tuple[str, str]:
    """`line` without its comment and with "" for its strings, and the triple quote (or "") that is
    open behind it; `quote` is open before it. Strings that may hold code (f"") stay."""
    kept, at = [], 0
    while True:
        if quote:
            closed = UNTIL_CLOSED[quote].match(line, at)
            if not closed:
                return "".join(kept), quote
            at, quote = closed.end(), ""
        found = STRING.search(line, at)
        if not found:
            kept.append(line[at:])
            return "".join(kept), ""
        before, string = line[at : found.start()], found[0]
        kept.append(before)
        at = found.end()
        if string[0] == "#":
            continue
        if string in UNTIL_CLOSED:
            quote = string
        kept.append(string if not quote and before[-1:] in ("f", "F") else '""')


def blocks(text: str) -> list[Block]:
    """The fenced blocks of `text` in Python or without a mark, and the code outside fences.

    A fence may be indented, stand behind the mark of a list or quotation, and have any length; it
    closes at a fence at least as long, which need not be alone in its line. A fence that names a
    language closes the block before and opens another. Fences in a triple-quoted string are part of
    the program, unless that string never ends. A fence without a mark behind code with which the
    text begins closes a block that the prompt opened.
    """
    return [block for block in _read(text.split("\n")) if block.language in MAYBE_PYTHON]


def _read(lines: list[str]) -> Iterator[Block]:
    block: Block | None = None
    mark, indent, start, quote = "", 0, 0, ""
    heed_strings = True
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    number = 0
    while number < len(lines):
        line, inside = lines[number], bool(quote)
        code = line
        if block and block.language in MAYBE_PYTHON:
            code, quote = code_of(line, quote)
        fence = None if inside and heed_strings else FENCE.match(line)
        if fence and ("`" in fence[2] or not fence[1].startswith(mark)):
            fence = None
        if mark and fence:
            yield block
            block, mark, quote = None, "", ""
            # A language behind a closing fence opens the next block; other words are prose.
            if len(fence[2].split()) == 1 or _language(fence[2]) == "python":
                continue
        elif mark:
            closed = code.rstrip().endswith(mark) and block.language in MAYBE_PYTHON and not quote
            block.lines.append(_without(line.rstrip()[: -len(mark)] if closed else line, indent))
            if closed:
                yield block
                block, mark = None, ""
        elif fence or (not inside and line.rstrip().lower().endswith(BEHIND_WORDS)):
            language = _language(fence[2]) if fence else "python"
            closes = block is not None and start == first and not language
            if block:
                block.language = "python" if closes else None
                yield block
            block, quote = None, ""
            if not closes and language not in MARKDOWN:
                block, start = Block(language), number
                mark, indent = (fence[1], fence.start(1)) if fence else ("```", 0)
        elif block and not inside and line[:1].strip() and is_prose(line):
            yield block
            block, quote = None, ""
        elif block:
            block.lines.append(line)
        elif CODE.match(line):
            block, start = Block(None, [line]), number
            quote = code_of(line, "")[1]
        number += 1
        if number == len(lines) and quote and heed_strings:
            # The string that seems open is none: read its block again, and heed fences in strings.
            heed_strings, block, mark, quote, number = False, None, "", "", start
    if block:
        yield block


def _language(info: str) -> str:
    """The language that a fence names, "" if none."""
    name = LANGUAGE.match(info.strip().lower())
    if not name:
        return "" if not info.strip() else "unknown"
    return "python" if name[1] in PYTHON else name[1]


def _without(line: str, indent: int) -> str:
    """`line` without the indentation of its fence."""
    return line[min(indent, len(line) - len(line.lstrip(" \t>"))) :] if indent else line
