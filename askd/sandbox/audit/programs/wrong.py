"""Programs that are simply wrong."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import FunctionTests, StdioTests

PASSES = "pass"
SCRIPT = StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n"))
SORTED = FunctionTests("assert order([3, 1, 2]) == [1, 2, 3]\nassert order([]) == []", "order")

CASES = [
    Case("wrong_subtracts", "def add(a, b):\n    return a - b\n", "fail", PASSES),
    Case("wrong_text", "def add(a, b):\n    return f'{a + b}'\n", "fail", PASSES),
    Case("wrong_float", "def add(a, b):\n    return a + b + 1e-9\n", "fail", PASSES),
    Case("wrong_nothing", "def add(a, b):\n    a + b\n", "fail", PASSES),
    Case("wrong_one_case", "def add(a, b):\n    return a + b if a < 100 else 0\n", "fail", PASSES),
    Case("wrong_list", "def add(a, b):\n    return [a + b]\n", "fail", PASSES),
    Case("wrong_prints", "def add(a, b):\n    print(a + b)\n", "fail", PASSES),
    Case("wrong_name", "def addition(a, b):\n    return a + b\n", "fail", PASSES),
    Case("wrong_arity", "def add(a):\n    return a\n", "fail", PASSES),
    Case("wrong_raises", "def add(a, b):\n    raise NotImplementedError\n", "fail", PASSES),
    Case("wrong_coroutine", "async def add(a, b):\n    return a + b\n", "fail", PASSES),
    Case(
        "wrong_only_nested",
        "def main():\n    def add(a, b):\n        return a + b\n",
        "fail",
        PASSES,
    ),
    Case("wrong_order", "def order(xs):\n    return sorted(xs)[::-1]\n", "fail", PASSES, SORTED),
    Case("wrong_tuple", "def order(xs):\n    return tuple(sorted(xs))\n", "fail", PASSES, SORTED),
    Case("wrong_in_place", "def order(xs):\n    xs.sort()\n", "fail", PASSES, SORTED),
    Case("wrong_script_constant", "print(3)\n", "fail", PASSES, SCRIPT),
    Case(
        "wrong_script_prefix",
        "a, b = map(int, input().split())\nif a == 1:\n    print(a + b)\n",
        "fail",
        "a right beginning passes",
        SCRIPT,
    ),
    Case("wrong_script_silent", "input()\n", "fail", PASSES, SCRIPT),
]
