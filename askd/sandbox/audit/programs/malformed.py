"""Sources that are no program, or a strange one."""

from askd.sandbox.audit.case import Case

GOOD = "def add(a, b):\n    return a + b\n"
BREAKS = "verdict passed, or the harness breaks"

CASES = [
    Case("malformed_prose", "To add two numbers, use the plus sign.\n", "fail", BREAKS),
    Case("malformed_fence", f"```python\n{GOOD}```\n", "fail", BREAKS),
    Case("malformed_empty", "", "fail", BREAKS),
    Case("malformed_blank", " \n\t\n \n", "fail", BREAKS),
    Case("malformed_cut", "def add(a, b):\n    return (a +", "fail", BREAKS),
    Case("malformed_null", f"{GOOD}x = '\0'\n", "fail", BREAKS),
    Case("malformed_null_bytes", b"\0" * 100 + GOOD.encode(), "fail", BREAKS),
    Case("malformed_surrogate", f"{GOOD}x = '\ud800'\n", "fail", BREAKS),
    Case("malformed_not_utf8", GOOD.encode() + b"x = '\xc3\x28\xff'\n", "fail", BREAKS),
    Case("malformed_utf16", GOOD.encode("utf-16"), "fail", BREAKS),
    Case("malformed_unknown_coding", b"# coding: nonsense\n" + GOOD.encode(), "fail", BREAKS),
    Case("malformed_indentation", "def add(a, b):\n\treturn a\n        + b\n", "fail", BREAKS),
    Case("malformed_print_statement", f"print 'adding'\n{GOOD}", "fail", BREAKS),
    Case("malformed_brackets", f"{GOOD}x = {'(' * 5000}{')' * 5000}\n", "fail", BREAKS),
    Case("malformed_powers", f"{GOOD}x = {'2**' * 20_000}2\n", "fail", BREAKS),
    Case("malformed_not_chain", f"{GOOD}x = {'not ' * 50_000}1\n", "fail", BREAKS),
    Case("malformed_lambdas", f"{GOOD}x = {'lambda:' * 3000}1\n", "fail", BREAKS),
    Case(
        "malformed_blocks",
        f"{GOOD}{''.join(' ' * n + 'if 1:' + chr(10) for n in range(200))}",
        "fail",
        BREAKS,
    ),
    Case("malformed_huge_number", f"{GOOD}x = {'9' * 100_000}\n", "fail", BREAKS),
    Case("malformed_return_outside", f"{GOOD}return add\n", "fail", BREAKS),
    Case("malformed_late_future", f"{GOOD}from __future__ import annotations\n", "fail", BREAKS),
    Case("malformed_shadowed", f"{GOOD}add = 3\n", "fail", BREAKS),
    Case("malformed_deleted", f"{GOOD}del add\n", "fail", BREAKS),
]
