"""Verdicts, limits and bad input, in both tiers."""

from __future__ import annotations

import os
import time

import pytest

from askd.sandbox import (
    BadTests,
    FunctionTests,
    Program,
    Sandbox,
    SandboxLimits,
    SandboxRefused,
    SandboxSettings,
    Status,
    StdioTests,
)

CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(2, 2) == 4\n"
ADD = FunctionTests(CHECK, "add", call="check")
GOOD = "def add(a, b):\n    return a + b\n"


def run(sandbox: Sandbox, source: str | bytes, tests=ADD):
    if isinstance(tests, str):
        tests = FunctionTests(tests, "add")
    return sandbox.run(Program(source, tests, "the program"))


# --- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason", "detail"),
    [
        (GOOD, "correct", ""),
        ("def add(a, b): return a - b", "wrong answer", "assert candidate(1, 2) == 3"),
        ("def add(a, b): return str(a + b)", "wrong answer", "assert candidate(1, 2) == 3"),
        ("def add(a, b): return c", "exception", "NameError: name 'c' is not defined"),
        ("def add(a, b): raise AssertionError", "exception", "AssertionError"),
        ("def add(a, b): raise SystemExit(0)", "exception", "ProgramError: SystemExit"),
        ("class E(Exception): pass\ndef add(a, b): raise E(7)", "exception", "E: 7"),
        ("def add(a, b: return", "syntax error", "SyntaxError"),
        ("\tdef add(a, b):\n  return 1", "syntax error", "IndentationError"),
        ("import nothing_like_it\n" + GOOD, "exception", "ModuleNotFoundError"),
        ("def sub(a, b): return a - b", "no entry point", "does not define 'add'"),
        ("", "no entry point", "does not define 'add'"),
        ("import os\ndef add(a, b): os._exit(0)", "died", "in call 1"),
        ("import os\nos._exit(0)", "died", "while the program was loaded"),
        ("def add(a, b): return [0] * 10**6", "no plain data", "too large"),
        ("def add(a, b): return 'x' * 10**10", "out of memory", "MemoryError"),
    ],
)
def test_verdicts_on_functions(sandbox, source, reason, detail):
    result = run(sandbox, source)
    assert (result.reason, result.passed) == (reason, reason == "correct")
    assert detail in result.detail
    assert result.tier == sandbox.tier


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("print(int(input()) + 1)", "correct"),
        ("import sys\nprint(int(sys.stdin.read()) + 1, end='')", "correct"),
        ("print(f'{int(input()) + 1}  \\n\\n')", "correct"),
        ("if __name__ == '__main__':\n    print(int(input()) + 1)", "correct"),
        ("import sys\nprint(int(input()) + 1)\nsys.exit()", "correct"),
        ("import atexit\natexit.register(lambda: print(int(input()) + 1))", "correct"),
        ("print(int(input()))", "wrong answer"),
        ("print(2)", "wrong answer"),
        ("", "wrong answer"),
        ("print(int(input()) + 1)\nprint('more')", "wrong answer"),
        ("print(int(input()) + 1)\n1 / 0", "exception"),
        ("import sys\nprint(int(input()) + 1)\nsys.exit(1)", "exception"),
        ("print(int(input()) + 1", "syntax error"),
        ("import ctypes\nprint(int(input()) + 1, flush=True)\nctypes.string_at(0)", "died"),
        ("while True: print('x' * 1000)", "too much output"),
    ],
)
def test_verdicts_on_scripts(sandbox, source, reason):
    assert run(sandbox, source, StdioTests(("1\n", "41\n"), ("2\n", "42"))).reason == reason


def test_a_script_may_print_as_much_as_it_should(sandbox):
    long = "x" * 300_000
    assert run(sandbox, "print(input())", StdioTests((long,), (long,))).passed


# --- how tests and programs meet ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("def add(a): a.append(3)", "x = [1]\nadd(x)\nassert x == [1, 3]"),
        ("def add(a): a.clear()", "x = {1: 2}\nadd(x)\nassert x == {}"),
        ("def add(a): a.add(3)", "x = {1}\nadd(x)\nassert x == {1, 3}"),
        ("def add(a=1, *, b): return {a: b}", "assert add(b=(1, 2)) == {1: (1, 2)}"),
        ("def add(): return {3, 1}, b'x', 2**9999", "assert add() == ({1, 3}, b'x', 2**9999)"),
        (
            "def add(x): raise ValueError('no')",
            "try:\n    add(1)\nexcept ValueError as e: assert str(e) == 'no'\nelse: assert 0",
        ),
        ("def add(n): yield from range(n)", "assert list(add(3)) == [0, 1, 2]"),
        ("add = lambda f=None: (lambda x: x + 1)", "assert add()(2) == 3"),
        (
            "class add:\n    def __init__(self, n): self.n = n\n    def more(self): self.n += 1\n"
            "    def value(self): return self.n",
            "a = add(1)\na.more()\nassert a.value() == 2",
        ),
        ("def add(a, b):\n    return a is b", "x = add(add, 1) if False else add(1, 1)\nassert x"),
    ],
)
def test_what_tests_can_do(sandbox, source, tests):
    assert run(sandbox, source, tests).passed


def test_a_method_of_a_class_as_entry_point(sandbox):
    source = "class Solution:\n    def add(self, a, b): return a + b"
    assert run(sandbox, source, FunctionTests(CHECK, "Solution().add", call="check")).passed
    tests = FunctionTests(f"{CHECK}\ncheck(Solution().add)", "Solution")
    assert run(sandbox, source, tests).passed
    assert run(sandbox, GOOD, tests).reason == "no entry point"


def test_shared_classes_cross_by_value(sandbox):
    shared = "class Node:\n    def __init__(self, x, next=None): self.x, self.next = x, next\n"
    tests = FunctionTests("assert add(Node(1, Node(2))).x == 2", "add", shared=shared)
    assert run(sandbox, "def add(node): return node.next", tests).passed
    assert run(sandbox, "def add(node): return Node(2)", tests).passed
    assert not run(sandbox, "def add(node): return node", tests).passed
    # A class of the program's own under the same name has no part in it.
    own = "class Node:\n    x = 2\n    def __eq__(self, o): return True\ndef add(n): return Node()"
    assert not run(sandbox, own, tests).passed


@pytest.mark.parametrize(
    "value", ["lambda: 3", "object()", "type('T', (), {'__eq__': lambda s, o: True})()", "Ellipsis"]
)
def test_objects_of_the_program_equal_nothing(sandbox, value):
    source = f"thing = {value}\ndef add(a, b): return thing"
    assert run(sandbox, source).reason == "wrong answer"
    assert not run(sandbox, source, "x = add(1, 2)\nassert x == x").passed


def test_objects_of_the_program_are_neither_true_nor_false(sandbox):
    source = "class Any:\n    def __bool__(self): return False\ndef add(a, b): return Any()"
    assert not run(sandbox, source, "assert add(1, 2)").passed
    assert not run(sandbox, source, "assert not add(1, 2)").passed


def test_tests_that_swallow_exceptions_do_not_hide_a_dead_program(sandbox):
    tests = "try:\n    add(1, 2)\nexcept:\n    pass"
    assert run(sandbox, "import os\ndef add(a, b): os._exit(0)", tests).reason == "died"
    assert run(sandbox, "def add(a, b): raise ValueError", tests).passed


def test_programs_see_nothing_of_each_other(sandbox):
    write = "def add(a, b):\n    open('left', 'w').write('x')\n    import math\n    math.x = 1\n"
    assert run(sandbox, write + "    return a + b").passed
    look = "import math, os\ndef add(a, b): return os.listdir(), hasattr(math, 'x')"
    assert run(sandbox, look, "assert add(1, 2) == ([], False)").passed


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        "import time\ntime.sleep(100)",
        "def add(a, b):\n    while True: pass",
        "import re\ndef add(a, b): re.match(r'(a+)+$', 'a' * 64 + '!')",
    ],
)
def test_a_timeout_is_told_apart_and_run_once_more(sandbox, source, monkeypatch):
    runs = []
    original = Sandbox._run
    monkeypatch.setattr(Sandbox, "_run", lambda self, p: runs.append(p) or original(self, p))
    started = time.monotonic()
    result = run(sandbox, source)
    assert (result.status, result.reason) == (Status.TIMEOUT, "timeout")
    assert len(runs) == 2
    assert time.monotonic() - started < 2 * (sandbox.settings.limits.wall_seconds + 1)


def test_a_script_that_runs_too_long(sandbox):
    tests = StdioTests(("",), ("x",))
    assert run(sandbox, "print('x', flush=True)\nwhile True: pass", tests).reason == "timeout"
    closing = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(100)"
    assert run(sandbox, closing, tests).reason == "timeout"


def test_all_inputs_of_a_script_share_one_wall_clock(sandbox):
    wall = sandbox.settings.limits.wall_seconds
    source = f"import time\ntime.sleep({0.4 * wall})\nprint(1)"
    assert run(sandbox, source, StdioTests(("",) * 2, ("1",) * 2)).passed
    assert run(sandbox, source, StdioTests(("",) * 4, ("1",) * 4)).reason == "timeout"


@pytest.mark.parametrize(
    ("limits", "body", "error"),
    [
        ({"memory_mib": 100}, "bytearray(200 << 20)", "MemoryError"),
        ({"file_mib": 1}, "open('f', 'wb').write(bytes(2 << 20))", "OSError"),
        ({"open_files": 20}, "files = [open('f', 'w') for _ in range(30)]", "OSError"),
        ({"threads": 5}, "import threading, time\n"
         "    for _ in range(20): threading.Thread(target=time.sleep, args=(2,)).start()\n"
             "    time.sleep(0.3)",
         "RuntimeError"),
        ({"scratch_mib": 4, "file_mib": 2}, "for i in range(9):\n"
         "        open(str(i), 'wb').write(bytes(1 << 20))\n    import time; time.sleep(0.3)",
         "OSError"),
        ({"scratch_files": 50}, "for i in range(99): open(str(i), 'w')\n"
         "    import time; time.sleep(0.3)", "OSError"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_each_limit_comes_from_the_settings(tier, limits, body, error):
    source = f"def add(a, b):\n    {body}\n    return a + b"
    roomy = SandboxLimits(wall_seconds=5, cpu_seconds=2)
    tight = SandboxLimits(**{**roomy.model_dump(), **limits})
    try:
        sandbox = Sandbox(SandboxSettings(limits=roomy), tier)
    except SandboxRefused as error:
        pytest.skip(str(error))
    with sandbox:
        assert run(sandbox, source).passed
    with Sandbox(SandboxSettings(limits=tight), tier) as sandbox:
        result = run(sandbox, source)
    assert not result.passed
    # Without namespaces some limits can only be watched, and their breach kills.
    assert error in result.detail or (tier == "landlock" and result.reason == "died")


def test_output_is_cut(sandbox):
    limits = SandboxLimits(output_kib=1)
    with Sandbox(SandboxSettings(limits=limits), sandbox.tier) as small:
        result = run(small, "def add(a, b):\n    print('x' * 10**6)\n    return a + b")
        assert result.passed and len(result.output) == 1024
        assert (
            run(small, "print('x' * 2000)", StdioTests(("",), ("x",))).reason == "too much output"
        )


def test_results_say_what_was_used(sandbox):
    keep = "x = bytearray(b'x') * (100 << 20)\nsum(range(10**6))\n"
    result = run(sandbox, keep + GOOD)
    assert result.passed
    assert 100 << 20 < result.peak_memory < 200 << 20
    assert 0.005 < result.cpu_seconds <= result.seconds + 0.05
    assert sandbox.about["tier"] == sandbox.tier
    assert sandbox.about["limits"] == sandbox.settings.limits.model_dump()
    assert {"kernel", "landlock", "libseccomp", "python"} <= sandbox.about.keys()


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        b"x = '\xff\xfe'\n" + GOOD.encode(),
        "x = '\ud800'\n" + GOOD,
        "x = 1\x00\n" + GOOD,
        GOOD.encode("utf-16"),
        "(" * 100_000 + GOOD,
    ],
    ids=["not UTF-8", "surrogate", "null", "UTF-16", "nested"],
)
def test_odd_sources_fail(sandbox, source):
    result = run(sandbox, source)
    assert result.status is Status.FAILED
    assert result.reason in ("syntax error", "exception", "out of memory", "died")


def test_long_sources(sandbox):
    assert run(sandbox, GOOD + "# " + "x" * (1 << 20)).passed
    assert run(sandbox, GOOD + "# " + "x" * (5 << 20)).reason == "source too long"


def test_bytes_in_another_coding(sandbox):
    source = "# coding: latin-1\ndef add(a, b): return 'ä'".encode("latin-1")
    assert run(sandbox, source, "assert add(1, 2) == 'ä'").passed


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ("assert add(1, 2 == 3", "do not compile"),
        ("assert add(1, 2) == 3\x00", "do not compile"),
        ("assert bdd(1, 2) == 3", "fail by themselves: NameError"),
        ("import nothing_like_it\nassert add(1, 2) == 3", "fail by themselves: ModuleNotFound"),
        ("assert True", "never call"),
        ("", "never call"),
        ("exit(0)", "fail by themselves: "),
        ("assert add(object()) == 3", "cannot cross: a object is not plain data"),
    ],
)
def test_tests_that_cannot_judge_are_an_error_about_the_data(sandbox, tests, words):
    with pytest.raises(BadTests, match=words) as caught:
        run(sandbox, GOOD, tests)
    assert str(caught.value).startswith("the program: the tests are at fault: ")


@pytest.mark.parametrize("body", ["while True: pass", "import os\nos._exit(0)"])
def test_tests_that_end_before_the_first_call_are_at_fault(sandbox, body):
    with pytest.raises(BadTests, match="before they call the program"):
        run(sandbox, GOOD, f"{body}\nassert add(1, 2) == 3")
    # Behind the first call the program may have brought them there.
    assert run(sandbox, GOOD, f"assert add(1, 2) == 3\n{body}").status is not Status.PASSED


def test_a_call_that_the_tests_do_not_define(sandbox):
    with pytest.raises(BadTests, match="do not define 'verify'"):
        run(sandbox, GOOD, FunctionTests(CHECK, "add", call="verify"))


@pytest.mark.parametrize("entry_point", ["", "1", "add()()", "a b", "os.system('x')", "add;x"])
def test_a_task_without_an_entry_point(entry_point):
    with pytest.raises(BadTests, match="entry point"):
        FunctionTests(CHECK, entry_point)


def test_inputs_and_outputs_that_do_not_match():
    for inputs, outputs in (((), ()), (("1",), ()), (("1",), ("1", "2"))):
        with pytest.raises(BadTests, match="one output for each input"):
            StdioTests(inputs, outputs)


def test_a_program_cannot_pass_its_failure_off_as_bad_tests(sandbox):
    tests = "x = add(1, 2)\nadd(x, x)\nassert False"
    big = "def add(a, b): return [0] * 200_000"
    assert run(sandbox, big, tests).reason == "no plain data"
    strange = "def add(a, b): return (lambda: 1)"
    assert not run(sandbox, strange, "import sys\nsys.exit(add(1, 2) != 3)").passed


def test_a_sandbox_can_be_used_by_itself():
    with Sandbox(SandboxSettings(lowest_tier="landlock")) as sandbox:
        assert sandbox.run(Program(GOOD, ADD)).passed
        pids = sandbox.pids()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
