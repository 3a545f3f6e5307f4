"""What is run in the sandbox: a program that a model wrote, and the tests that judge it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FunctionTests:
    """Python source that calls functions of the program and raises where they are wrong.

    `tests` runs in a process of its own. There the root name of `entry_point` (`add`, or `Solution`
    of `Solution().add`) stands for the program's object of that name: calls cross to the program's
    process, and arguments and results come back as plain data. If `call` is given, that function of
    `tests` is called with the entry point at the end, as in HumanEval's `check(candidate)`.

    `shared` is source that runs before both sides. Instances of classes that it defines cross by
    value, as LeetCode's `ListNode` needs. `setup` runs before the tests only.
    """

    tests: str
    entry_point: str
    call: str | None = None
    setup: str = ""
    shared: str = ""


@dataclass(frozen=True)
class StdioTests:
    """Inputs of a script, and what it must print. Outputs are compared without the white space at
    the ends of their lines and of the whole."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A program and its tests; `name` is what errors call it."""

    source: str | bytes
    tests: FunctionTests | StdioTests
    name: str = field(default="program", compare=False)
