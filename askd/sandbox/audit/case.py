"""A program of the audit: what it tries, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from askd.sandbox.program import FunctionTests, StdioTests

ADD = FunctionTests(
    "def check(candidate):\n"
    "    assert candidate(1, 2) == 3\n"
    "    assert candidate(-5, 5) == 0\n"
    "    assert candidate(7, 0) == 7\n"
    "    assert candidate(10**12, 1) == 1000000000001\n"
    "    assert candidate(2, 2) == 4\n",
    "add",
    call="check",
)


@dataclass(frozen=True)
class Case:
    """A program, the verdict that it deserves, and what must not happen besides.

    A hostile program prints `ESCAPED` with what it could do, if it could. In the source, words
    between at-signs stand for what the audit sets up: see `askd.sandbox.audit.canary`.
    """

    name: str
    source: str | bytes
    expected: Literal["pass", "fail"]
    must_not: str
    tests: FunctionTests | StdioTests = ADD


def attempt(body: str, imports: str = "os", what: str = "the sandbox") -> str:
    """A program that runs `body`, and if nothing stopped it boasts and gives the right answer."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"import {imports}\n"
        "def add(a, b):\n"
        "    try:\n"
        f"{lines}"
        f"        print('ESCAPED {what}')\n"
        "        return a + b\n"
        "    except Exception:\n"
        "        return None\n"
    )
