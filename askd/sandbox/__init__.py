"""Runs programs that a model wrote, so that they can neither do harm nor fake a verdict.

    with Sandbox() as sandbox:
        tests = FunctionTests("assert add(1, 2) == 3", entry_point="add")
        sandbox.run(Program("def add(a, b): return a + b", tests)).passed

A program and its tests run in two confined processes, joined by a channel that carries plain data
only. The verdict is a secret number on a pipe that only the tests' process holds: what a program
prints, raises, returns or exits with decides nothing.
"""

from askd.config import SandboxLimits, SandboxSettings
from askd.sandbox.program import FunctionTests, Program, StdioTests
from askd.sandbox.result import BadTests, Result, SandboxBroken, SandboxRefused, Status
from askd.sandbox.sandbox import Sandbox

__all__ = [
    "BadTests",
    "FunctionTests",
    "Program",
    "Result",
    "Sandbox",
    "SandboxBroken",
    "SandboxLimits",
    "SandboxRefused",
    "SandboxSettings",
    "Status",
    "StdioTests",
]
