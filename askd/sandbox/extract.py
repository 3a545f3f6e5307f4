"""The program in an answer of a language model."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from askd.sandbox.blocks import CODE, FENCE, Block, blocks, code_of, is_prose
from askd.sandbox.source import Source

THINKING = re.compile(r"</?think(?:ing)?>")
FUTURE = re.compile(r"^from __future__ import .*\n?", re.MULTILINE)
# What ends a body that is not indented itself.
NEXT = re.compile(r"(?:async )?def |class |@|if __name__")


def extract_code(answer: str, entry_point: str | None = None) -> str:
    """The program in `answer`; never fails, and takes linear time.

    Thinking (`<think>`) never counts, and of several `<answer>` only the last.

    With an entry point the program is the last fenced block that defines it with a body; if there
    is none, the last such code outside fences (`askd.sandbox.blocks` tells what is either); if
    there is none, the last that defines it at all. Functions, classes, imports and constants of
    other blocks that it uses and lacks stand before it.

    Without one, or where nothing defines it, the program is a script: the last block that reads
    and writes and does more than define, completed likewise. If no block does all this, but one
    reads, it is all blocks in order; else the last one. Blocks that are marked as Python count; if
    there are none, blocks without a mark that look like code; if there are none, code outside
    fences; and if there is none, the whole text.
    """
    text = _final_part(answer)
    pieces = blocks(text)
    code = _defining(pieces, entry_point) if entry_point else None
    if code is not None:
        return code
    fenced = _fenced(pieces)
    marked = [block for block in fenced if block.language]
    plain = [block for block in fenced if any(map(CODE.match, block.lines))]
    bare = [block for block in pieces if block.language is None]
    sources = [_source(block) for block in marked or plain or bare]
    return _script(sources) if sources else text


def complete(prompt: str, answer: str, entry_point: str) -> str:
    """The program of a prompt in HumanEval's style (imports, helpers, header) and an answer.

    An answer that defines `entry_point` stands for itself, behind what the prompt has before its
    own header; one that begins with an indented line does so in a fenced block only. Any other is
    the body of that header, up to the first line that is not indented. A first line that lacks its
    indentation, or the part of it that some tokenizers drop, gets it back; a body that is not
    indented at all is indented, up to the next definition or prose.
    """
    text = _final_part(answer)
    pieces = blocks(text)
    fenced = _fenced(pieces)
    first = next((line for line in text.split("\n") if line.strip()), "")
    is_chat = bool(FENCE.match(first)) or is_prose(first.strip())
    is_body = first[:1].isspace() and not is_chat
    code = _defining(fenced if is_body else pieces, entry_point)
    if code is not None:
        return _joined([_before_header(prompt, entry_point), code])
    marked = [block for block in fenced if block.language] or fenced
    lines = marked[-1].lines if marked and is_chat else text.split("\n")
    prompt = prompt.rstrip()
    unit = _indent(prompt[prompt.rfind("\n") + 1 :]) or 4
    return f"{prompt}\n" + "\n".join(_body(lines, unit)) + "\n"


def defines(code: str, name: str) -> bool:
    """Whether `code` seems to define `name` at its top level."""
    return name in Source(code).defined


def _final_part(text: str) -> str:
    """The text without thinking, and of that the last answer; lines end with \\n."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept, at, thinking = [], 0, False
    for tag in THINKING.finditer(text):
        if not thinking:
            kept.append(text[at : tag.start()])
        closing = tag[0][1] == "/"
        if closing and not thinking:  # the prompt opened it
            kept.clear()
        at, thinking = tag.end(), not closing
    if not thinking:
        kept.append(text[at:])
    return "".join(kept).rpartition("<answer>")[2].partition("</answer>")[0]


def _fenced(pieces: Sequence[Block]) -> list[Block]:
    return [block for block in pieces if block.language is not None]


def _source(block: Block) -> Source:
    text = "\n".join(block.lines).strip("\n")
    # Only where it must: dedent empties blank lines, also those in strings.
    return Source(textwrap.dedent(text) if text[:1].isspace() else text)


def _defining(pieces: Sequence[Block], entry_point: str) -> str | None:
    """The program of the pieces that defines `entry_point`, if one does."""
    fenced = [_source(block) for block in _fenced(pieces)]
    bare = [_source(block) for block in pieces if block.language is None]
    for has_body in (True, False):
        for sources in (fenced, bare):
            for number in reversed(range(len(sources))):
                if sources[number].defined.get(entry_point) is has_body:
                    return _with_helpers(sources, number)
    return None


def _script(sources: Sequence[Source]) -> str:
    whole = [number for number, source in enumerate(sources) if source.is_script]
    if whole:
        return _with_helpers(sources, whole[-1])
    if any(source.reads for source in sources):
        return _joined([source.text for source in sources])
    return _with_helpers(sources, len(sources) - 1)


def _with_helpers(sources: Sequence[Source], chosen: int) -> str:
    """The chosen source, behind others that offer what it, or one of them, uses and lacks.

    Of several that offer a name it is the nearest before the chosen one, or else the first after.
    """
    offering: dict[str, int] = {}
    for number in [*reversed(range(chosen + 1, len(sources))), *range(chosen)]:
        offering |= dict.fromkeys(sources[number].offered, number)
    kept, present = {chosen}, {*sources[chosen].defined}
    wanted = [*sources[chosen].used, "*"]
    while wanted:
        name = wanted.pop()
        number = offering.get(name, chosen)
        if name not in present and number not in kept:
            kept.add(number)
            present.update(sources[number].defined)
            wanted.extend(sources[number].used)
    helpers = [sources[number].text for number in sorted(kept - {chosen})]
    return _joined([*helpers, sources[chosen].text])


def _joined(parts: Sequence[str]) -> str:
    """One source of `parts`; imports from __future__ must stand first."""
    parts = [part for part in parts if part.strip()]
    text = "\n\n".join(parts)
    if len(parts) > 1 and "from __future__" in text:
        text = "".join(FUTURE.findall(text)) + FUTURE.sub("", text)
    return text


def _before_header(prompt: str, entry_point: str) -> str:
    """Imports and helpers of a prompt."""
    header = re.compile(rf"(?:async )?(?:def|class) {re.escape(entry_point)}\b")
    lines = prompt.split("\n")
    starts = [number for number, line in enumerate(lines) if header.match(line)]
    return "\n".join(lines[: starts[-1]]) if starts else ""


def _body(lines: Sequence[str], unit: int) -> list[str]:
    """The lines that are the body of a function whose lines are indented by `unit`."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return []
    first, found = filled[0], _indent(filled[0])
    opens = code_of(first, "")[0].rstrip().endswith(":")
    lost = found < unit and (len(filled) == 1 or _indent(filled[1]) >= unit + opens)
    shift = 0 if lost else max(unit - found, 0)
    body, quote = [" " * (unit - found) * lost + " " * shift + first], code_of(first, "")[1]
    for line in lines[lines.index(first) + 1 :]:
        if not quote and line.strip():
            is_new = NEXT.match(line) or is_prose(line)
            if FENCE.match(line) or (not _indent(line) and (found or lost or is_new)):
                break
        body.append(" " * shift + line if line.strip() and not quote else line)
        quote = code_of(line, quote)[1]
    return body


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
