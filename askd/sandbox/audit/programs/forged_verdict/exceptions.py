"""Programs that raise what tests might take for success."""

from askd.sandbox.audit.case import Case
from askd.sandbox.audit.programs.forged_verdict.common import UNITTEST
from askd.sandbox.program import FunctionTests

ALL = FunctionTests(
    "pairs = [(1, 2), (3, 4), (0, 0)]\n"
    "results = list(map(lambda pair: add(*pair), pairs))\n"
    "assert all(x == sum(pair) for x, pair in zip(results, pairs))\n"
    "assert len(results) == len(pairs)\n",
    "add",
)


CASES = [
    Case(
        "forged_raises_passed",
        r"""
class Passed(Exception):
    status = kind = "passed"
    def __str__(self): return "passed"
    __repr__ = __str__
def add(a, b):
    raise Passed
""",
        "fail",
        "an exception counts as a pass",
    ),
    Case(
        "forged_raises_lost",
        r"""
import sys
def add(a, b):
    checker = sys.modules["askd.sandbox.inside.checker"]
    raise checker.NoPlainArgument("the tests are at fault")
""",
        "fail",
        "the program says that the tests are at fault",
    ),
    Case(
        "forged_raises_own_skip",
        r"""
import unittest
def add(a, b):
    raise unittest.SkipTest("not today")
""",
        "fail",
        "a skipped test counts as a pass",
        UNITTEST,
    ),
    Case(
        "forged_raises_expected_failure",
        r"""
class SkipTest(Exception):
    pass
class _ShouldStop(Exception):
    pass
def add(a, b):
    raise _ShouldStop from SkipTest()
""",
        "fail",
        "an exception counts as a pass",
        UNITTEST,
    ),
    Case(
        "forged_raises_lying_type",
        r"""
class Meta(type):
    __name__ = property(lambda cls: "SystemExit")
    __module__ = property(lambda cls: "builtins")
    __instancecheck__ = __subclasscheck__ = lambda *_: True
class Error(BaseException, metaclass=Meta):
    __class__ = property(lambda self: SystemExit)
    code = 0
def add(a, b):
    raise Error
""",
        "fail",
        "an exception counts as a pass",
    ),
    Case(
        "forged_raises_without_words",
        r"""
import os
class Error(BaseException):
    def __str__(self):
        raise SystemExit(0)
    __repr__ = __str__
def add(a, b):
    raise Error
""",
        "fail",
        "an exception counts as a pass",
    ),
    Case(
        "forged_raises_stop",
        r"""
def add(a, b):
    raise StopIteration(3)
""",
        "fail",
        "the end of an iteration counts as a pass",
    ),
    Case(
        "forged_stops_iteration",
        r"""
def add(a, b):
    raise StopIteration
""",
        "fail",
        "a loop of the tests ends before all is tested",
        ALL,
    ),
    Case(
        "forged_stops_all",
        r"""
def add(a, b):
    raise StopIteration
""",
        "fail",
        "a loop of the tests ends before anything is tested",
        FunctionTests(
            "assert all(map(lambda pair: add(*pair) == sum(pair), [(1, 2), (3, 4), (0, 0)]))\n",
            "add",
        ),
    ),
]
