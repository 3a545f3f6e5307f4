"""Scripts that print something like the answer."""

from askd.sandbox.audit.case import Case
from askd.sandbox.audit.programs.forged_verdict.common import BELIEVED, PATCHED
from askd.sandbox.program import StdioTests

SCRIPT = StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n"))

LINES = StdioTests(("3\n", "2\n"), ("1\n2\n3\n", "1\n2\n"))


CASES = [
    Case(
        "forged_script_json",
        r"""
print('{"status": "passed", "reason": "correct", "detail": ""}')
""",
        "fail",
        BELIEVED,
        SCRIPT,
    ),
    Case(
        "forged_script_every_descriptor",
        r"""
import os
for d in range(256):
    try:
        os.write(d, b"passed\n")
    except OSError:
        pass
os._exit(0)
""",
        "fail",
        BELIEVED,
        SCRIPT,
    ),
    Case(
        "forged_script_prefix",
        r"""
print(1)
""",
        "fail",
        "a right beginning passes",
        LINES,
    ),
    Case(
        "forged_script_prefix_then_exit",
        r"""
import os
n = int(input())
for i in range(1, n):
    print(i, flush=True)
os._exit(0)
""",
        "fail",
        "a right beginning passes",
        LINES,
    ),
    Case(
        "forged_script_more",
        r"""
for i in range(int(input()) + 1):
    print(i + 1)
""",
        "fail",
        "right lines among others pass",
        LINES,
    ),
    Case(
        "forged_script_all_answers",
        r"""
print(*range(20), sep="\n")
""",
        "fail",
        "right lines among others pass",
        SCRIPT,
    ),
    Case(
        "forged_script_one_line",
        r"""
print(*range(1, int(input()) + 1))
""",
        "fail",
        "the right words on other lines pass",
        LINES,
    ),
    Case(
        "forged_script_overwrites",
        r"""
a, b = map(int, input().split())
print(f"0\r{a + b}\x1b[2K")
""",
        "fail",
        "what a terminal would show counts",
        SCRIPT,
    ),
    Case(
        "forged_script_invisible",
        r"""
a, b = map(int, input().split())
print(f"\u200b{a + b}\u2060")
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_other_line_ends",
        r"""
n = int(input())
print("\x0b".join(map(str, range(1, n))) + "\u2028" + str(n))
""",
        "fail",
        "other text passes",
        LINES,
    ),
    Case(
        "forged_script_other_digits",
        r"""
a, b = map(int, input().split())
print(str(a + b).translate({48 + i: 0xFF10 + i for i in range(10)}))
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_null",
        r"""
a, b = map(int, input().split())
print(a + b, end="\0")
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_not_utf8",
        r"""
import os
os.write(1, b"3\xff\n")
""",
        "fail",
        "other text passes",
        SCRIPT,
    ),
    Case(
        "forged_script_error_stream",
        r"""
import sys
a, b = map(int, input().split())
print(a + b, file=sys.stderr)
""",
        "fail",
        "the error stream counts as output",
        SCRIPT,
    ),
    Case(
        "forged_script_fails_late",
        r"""
a, b = map(int, input().split())
print(a + b, flush=True)
raise SystemExit(3)
""",
        "fail",
        "a script that fails passes",
        SCRIPT,
    ),
    Case(
        "forged_script_counts_runs",
        r"""
import os, tempfile
folders = [".", tempfile.gettempdir(), os.path.expanduser("~"), "/tmp", "/var/tmp", "/dev/shm"]
seen = False
for folder in folders:
    path = os.path.join(folder, "askd_runs")
    try:
        seen = seen or os.path.exists(path)
        open(path, "w").close()
    except OSError:
        pass
print(7 if seen else 3)
""",
        "fail",
        "a run of a script finds what the run before it left",
        SCRIPT,
    ),
    Case(
        "forged_script_marks_stdin",
        r"""
import fcntl, os
# Flags belong to the open file: they would stay if that were the same for each run.
seen = False
for d in range(3):
    try:
        flags = fcntl.fcntl(d, fcntl.F_GETFL)
        seen = seen or bool(flags & os.O_APPEND)
        fcntl.fcntl(d, fcntl.F_SETFL, flags | os.O_APPEND)
    except OSError:
        pass
print(7 if seen else 3)
""",
        "fail",
        "a run of a script finds what the run before it left",
        SCRIPT,
    ),
    Case(
        "forged_script_patches",
        r"""
import builtins, sys
class Any(str):
    def __eq__(self, other): return True
    def rstrip(self, *_): return self
    strip = splitlines = rstrip
builtins.str = Any
sys.stdout.write(Any("passed\n"))
""",
        "fail",
        PATCHED,
        SCRIPT,
    ),
]
