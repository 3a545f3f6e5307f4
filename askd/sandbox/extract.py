"""The program in an answer of a language model.

Answers are read line by line: nothing here parses Python, since text that is made for it crashes or
stalls the parser (deeply nested brackets, long chains of operators).
"""

from __future__ import annotations

import re

FENCE = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
PYTHON = ("", "py", "python", "python3", "ipython", "ipython3")
# What the first line of bare code looks like.
CODE_START = re.compile(r"^(import \w|from [\w.]+ import |(async )?def \w|class \w|@\w)")
# A line that cannot be code: words with a sentence's end.
PROSE = re.compile(r"^[A-Z][\w'’-]*,? [\w'’-]+ .*[.:!?]\s*$")
DEFINITION = re.compile(r"^(?:async )?(?:def|class) (\w+)|^(\w+)\s*(?::[^=]+)?=(?!=)")
NAME = re.compile(r"[A-Za-z_]\w*")


def extract_code(answer: str, entry_point: str | None = None) -> str:
    """The program in `answer`; never fails, and takes linear time.

    Only what follows `</think>` counts, and of that the last `<answer>`. Of fenced blocks those in
    Python count (if any is marked as Python, unmarked ones do not): the last one that defines
    `entry_point`, behind those earlier blocks that define what it uses; without an entry point, or
    if none defines it, the last block. A block that is cut ends with the text. Without fences the
    code begins at the first line that looks like Python's and ends where prose does; if no line
    does, the whole answer is the program.
    """
    text = _final_part(answer.replace("\r\n", "\n"))
    blocks = _fenced(text)
    if not blocks:
        return _bare(text)
    marked = [code for code, language in blocks if language]
    sources = marked or [code for code, _ in blocks]
    if not sources:
        return ""
    chosen = len(sources) - 1
    if entry_point:
        defining = [n for n, code in enumerate(sources) if defines(code, entry_point)]
        chosen = defining[-1] if defining else chosen
    return _with_helpers(sources, chosen, entry_point)


def complete(prompt: str, answer: str, entry_point: str) -> str:
    """The program of a prompt in HumanEval's style (imports, helpers, header) and an answer.

    An answer that defines `entry_point` stands for itself, behind what the prompt has before its
    own header. Any other is the body of that header, up to the first line that is not indented.
    """
    code = extract_code(answer, entry_point)
    if defines(code, entry_point):
        lines = prompt.split("\n")
        header = re.compile(rf"^(async )?(def|class) {re.escape(entry_point)}\b")
        starts = [number for number, line in enumerate(lines) if header.match(line)]
        before = lines[: starts[-1]] if starts else []
        return "\n".join([*before, code])
    fenced = bool(_fenced(_final_part(answer)))
    body = (code if fenced else _final_part(answer)).replace("\r\n", "\n").split("\n")
    while body and not body[0].strip():
        body.pop(0)
    if body and not body[0][:1].isspace():
        body = [f"    {line}" if line.strip() else line for line in body]
    end = next(
        (number for number, line in enumerate(body) if line.strip() and not line[:1].isspace()),
        len(body),
    )
    return prompt.rstrip("\n") + "\n" + "\n".join(body[:end]) + "\n"


def defines(code: str, name: str) -> bool:
    """Whether `code` seems to define `name` at its top level."""
    return name in _defined(code)


def _final_part(text: str) -> str:
    """What follows the thinking, and of that the last answer."""
    _, ended, behind = text.rpartition("</think>")
    text = behind if ended else text.partition("<think>")[0]
    before, opened, behind = text.rpartition("<answer>")
    return behind.partition("</answer>")[0] if opened else before + behind


def _fenced(text: str) -> list[tuple[str, str]]:
    """Code and language of the fenced blocks that may hold Python, in order."""
    blocks: list[tuple[str, str]] = []
    mark, language, indent, lines = "", "", 0, []
    for line in text.split("\n"):
        fence = FENCE.match(line) if line.lstrip(" \t")[:1] in "`~" and line.strip() else None
        if not mark:
            if fence:
                mark, lines = fence["mark"], []
                language = (fence["info"].split() or [""])[0].strip("{}.").lower()
                indent = len(line) - len(line.lstrip(" \t"))
        elif (
            fence
            and not fence["info"].strip()
            and fence["mark"][0] == mark[0]
            and len(fence["mark"]) >= len(mark)
        ):
            blocks.append(("\n".join(lines), language))
            mark = ""
        else:
            cut = min(indent, len(line) - len(line.lstrip(" \t")))
            lines.append(line[cut:])
    if mark:
        blocks.append(("\n".join(lines), language))
    return [(code, language) for code, language in blocks if language in PYTHON]


def _bare(text: str) -> str:
    """Code without fences: from the first line that looks like it to where prose begins."""
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if CODE_START.match(line)), None)
    if start is None:
        return text
    end = next(
        (n for n in range(start, len(lines)) if PROSE.match(lines[n])),
        len(lines),
    )
    return "\n".join(lines[start:end])


def _with_helpers(sources: list[str], chosen: int, entry_point: str | None) -> str:
    """The chosen block behind earlier ones that define what it, or a helper, uses."""
    code = sources[chosen]
    if not entry_point:
        return code
    used = set(NAME.findall(code)) - _defined(code)
    kept = [code]
    for earlier in reversed(sources[:chosen]):
        names = _defined(earlier)
        if entry_point not in names and names & used:
            kept.insert(0, earlier)
            used = (used | set(NAME.findall(earlier))) - names
    return "\n\n".join(kept)


def _defined(code: str) -> set[str]:
    """Names that lines without indentation define or import."""
    names = set()
    for line in code.split("\n"):
        if line[:1].isspace():
            continue
        found = DEFINITION.match(line)
        if found:
            names.add(found[1] or found[2])
        elif line.startswith(("import ", "from ")):
            names.update(NAME.findall(line.rpartition("import ")[2]))
    return names
