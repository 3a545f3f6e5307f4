"""What is run in the sandbox: a program that a model wrote, and the tests that judge it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from askd.sandbox.result import BadTests

ENTRY_POINT = re.compile(r"[A-Za-z_]\w*(\(\))?(\.[A-Za-z_]\w*)*")


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

    def __post_init__(self) -> None:
        if not ENTRY_POINT.fullmatch(self.entry_point):
            raise BadTests(
                f"tests: the entry point {self.entry_point!r} is no name of a function or class, "
                "as in `add` or `Solution().add`."
            )

    @property
    def name(self) -> str:
        """The name that the program must define."""
        return self.entry_point.partition(".")[0].removesuffix("()")


@dataclass(frozen=True)
class StdioTests:
    """Inputs of a script, and what it must print. Outputs are compared without the white space at
    the ends of their lines and of the whole."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.inputs or len(self.inputs) != len(self.outputs):
            raise BadTests(
                f"tests: {len(self.inputs)} inputs and {len(self.outputs)} outputs; there must be "
                "one output for each input, and one at least."
            )


@dataclass(frozen=True)
class Program:
    """A program and its tests; `name` is what errors call it."""

    source: str | bytes
    tests: FunctionTests | StdioTests
    name: str = field(default="program", compare=False)
