"""What the lines of a source tell of it, without parsing."""

from __future__ import annotations

import re

from askd.sandbox.blocks import code_of

DEFINITION = re.compile(r"(?:async\s+)?(?:def|class)\s+(\w+)|(\w+)\s*(?::[^=]*)?=(?!=)")
IMPORT = re.compile(r"(?:from\s+[\w.]+\s+)?import\b(.*)")
CONSTANT = re.compile(r"[A-Z_][A-Z\d_]*")
NAME = re.compile(r"[^\W\d]\w*|\*")
# A definition that holds nothing else is a stub.
STUB = {'""', "...", "pass"}
READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0")
WRITES = re.compile(r"\bprint\s*\(|\bstdout\b")


class Source:
    """A source and what its lines tell.

    `defined` has the names that its top level defines or imports, and whether they have a body;
    `offered` are those of them that another block of an answer may need: functions, classes,
    imports ("*" included) and constants. `is_script` says that it reads, writes, and does more than
    define.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.used: set[str] = set()
        self.defined: dict[str, bool] = {}
        self.offered: set[str] = set()
        self.reads = bool(READS.search(text))
        runs, quote, importing = False, "", False
        name, body = "", []
        for line in text.split("\n"):
            is_top = not quote and line[:1].strip() and line[0] not in ")]}#"
            code, quote = code_of(line, quote)
            if not is_top:
                body.append(code)
            else:
                self._end(name, body)
                name, body = "", [code]
                imports, definition = IMPORT.match(code), DEFINITION.match(code)
                importing = bool(imports)
                if imports:
                    code = imports[1]
                elif definition:
                    name = definition[1] or definition[2]
                    if definition[1] or CONSTANT.fullmatch(name):
                        self.offered.add(name)
                    else:
                        runs = True
                elif code[0] != "@" and code.strip() != '""':
                    runs = True
            if importing:
                self.offered.update(NAME.findall(code))
                self.defined |= dict.fromkeys(NAME.findall(code), True)
            else:
                self.used.update(NAME.findall(code))
        self._end(name, body)
        self.is_script = runs and self.reads and bool(WRITES.search(text))

    def _end(self, name: str, body: list[str]) -> None:
        """Note the definition of `name` in the lines `body`."""
        if name:
            text = "\n".join(body)
            is_assignment = DEFINITION.match(text)[2]
            words = text.split() if is_assignment else _behind_header(text).split()
            is_stub = not set(words) - STUB or words[:2] == ["raise", "NotImplementedError"]
            self.defined[name] = not is_stub or self.defined.get(name, False)


def _behind_header(text: str) -> str:
    """What follows the first colon outside brackets."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == ":" and not depth:
            return text[at + 1 :]
    return ""
