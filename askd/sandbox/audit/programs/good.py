"""Right programs in unusual clothes: all of them must pass."""

from askd.sandbox.audit.case import Case
from askd.sandbox.program import FunctionTests, StdioTests

FAILS = "verdict failed"
GOOD = "def add(a, b):\n    return a + b\n"
SCRIPT = StdioTests(("1 2\n", "3 4\n"), ("3\n", "7\n"))


def _asserts(tests: str, entry_point: str = "f") -> FunctionTests:
    return FunctionTests(tests, entry_point)


CASES = [
    Case("good_plain", GOOD, "pass", FAILS),
    Case("good_lambda", "add = lambda a, b: a + b\n", "pass", FAILS),
    Case("good_operator", "from operator import add\n", "pass", FAILS),
    Case(
        "good_typed",
        "from typing import *\ndef add(a: int, b: int) -> int: return a + b\n",
        "pass",
        FAILS,
    ),
    Case("good_future", f"from __future__ import annotations\n{GOOD}", "pass", FAILS),
    Case("good_mark", f"\ufeff{GOOD}", "pass", FAILS),
    Case("good_mark_bytes", f"\ufeff{GOOD}".encode(), "pass", FAILS),
    Case("good_carriage_returns", GOOD.replace("\n", "\r\n"), "pass", FAILS),
    Case("good_names", "def add(größe, b):\n    return größe + b\n", "pass", FAILS),
    Case("good_long", f"{GOOD}# {'x' * (1 << 20)}\n", "pass", FAILS),
    Case(
        "good_main_block",
        f"import sys\n{GOOD}if __name__ == '__main__':\n    sys.exit(add(1, 1))\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_dataclass",
        "from dataclasses import dataclass\n@dataclass\nclass Pair:\n    a: int\n    b: int\n"
        "    def sum(self): return self.a + self.b\ndef add(a, b): return Pair(a, b).sum()\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_cache",
        "from functools import lru_cache\n@lru_cache(None)\ndef add(a, b): return a + b\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_recursion",
        "import sys\nsys.setrecursionlimit(5000)\n"
        "def down(n): return 0 if n == 0 else 1 + down(n - 1)\n"
        "def add(a, b): return a + b + down(3000) - 3000\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_scratch_files",
        "import os, shutil, tempfile\ndef add(a, b):\n"
        "    with tempfile.TemporaryDirectory() as d, open(d + '/x', 'w') as f:\n"
        "        f.write(str(a))\n        f.flush()\n        shutil.copy2(d + '/x', 'y')\n"
        "        a = int(open('y').read())\n        os.remove('y')\n    return a + b\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_threads",
        "from concurrent.futures import ThreadPoolExecutor\ndef add(a, b):\n"
        "    with ThreadPoolExecutor(8) as pool:\n"
        "        return sum(pool.map(int, [a, b]))\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_asyncio",
        "import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x\n"
        "def add(a, b):\n    return asyncio.run(later(a)) + b\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_prints",
        f"print('module ' * 9999)\n{GOOD.replace('    ', '    print(a * 99); ')}",
        "pass",
        FAILS,
    ),
    Case(
        "good_library",
        "import bisect, collections, csv, datetime, decimal, fractions, hashlib, heapq, itertools\n"
        "import json, math, random, re, sqlite3, statistics, string, textwrap, unicodedata, zlib\n"
        "def add(a, b): return int(decimal.Decimal(a) + fractions.Fraction(b).numerator)\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_changes_argument",
        "def f(xs):\n    xs.append(len(xs))\n",
        "pass",
        FAILS,
        _asserts("x = [1]\nf(x)\nf(x)\nassert x == [1, 1, 2]"),
    ),
    Case(
        "good_raises",
        "def f(x):\n    raise ValueError('negative')\n",
        "pass",
        FAILS,
        _asserts(
            "try:\n    f(-1)\n    assert False\nexcept ValueError as e:\n    assert 'neg' in str(e)"
        ),
    ),
    Case(
        "good_values",
        "def f(x):\n    return {1: (x, {2.5}, b'b', None, 1j)}, frozenset('a'), 2**9999, -0.0\n",
        "pass",
        FAILS,
        _asserts("assert f(True) == ({1: (True, {2.5}, b'b', None, 1j)}, {'a'}, 2**9999, 0)"),
    ),
    Case(
        "good_not_a_number",
        "def f():\n    return float('nan'), float('inf')\n",
        "pass",
        FAILS,
        _asserts("import math\na, b = f()\nassert math.isnan(a) and b == math.inf"),
    ),
    Case(
        "good_generator",
        "def f(n):\n    for i in range(n):\n        yield i * i\n",
        "pass",
        FAILS,
        _asserts("assert list(f(4)) == [0, 1, 4, 9]\nassert sum(f(3)) == 5"),
    ),
    Case(
        "good_counter",
        "from collections import Counter\ndef f(s):\n    return Counter(s)\n",
        "pass",
        FAILS,
        _asserts("assert f('aab') == {'a': 2, 'b': 1}"),
    ),
    Case(
        "good_class",
        "class Stack:\n    def __init__(self): self.items = []\n"
        "    def push(self, x): self.items.append(x)\n    def pop(self): return self.items.pop()\n",
        "pass",
        FAILS,
        _asserts(
            "s = Stack()\ns.push(1)\ns.push([2])\nassert s.pop() == [2]\nassert s.pop() == 1",
            "Stack",
        ),
    ),
    Case(
        "good_closure",
        "def f(n):\n    return lambda x: x + n\n",
        "pass",
        FAILS,
        _asserts("assert f(3)(4) == 7"),
    ),
    Case("good_script", "print(sum(map(int, input().split())))\n", "pass", FAILS, SCRIPT),
    Case(
        "good_script_main",
        "import sys\ndef main():\n    for line in sys.stdin:\n"
        "        print(eval('+'.join(line.split())))\n"
        "if __name__ == '__main__':\n    main()\n",
        "pass",
        FAILS,
        SCRIPT,
    ),
    Case(
        "good_script_exit",
        "import os, sys\na, b = map(int, os.read(0, 99).split())\n"
        "sys.stdout.write(f'  {a + b}  \\n\\n')\nsys.exit()\n",
        "pass",
        FAILS,
        SCRIPT,
    ),
    Case(
        "good_script_closes_output",
        "import sys\nprint(sum(map(int, input().split())))\nsys.stdout.close()\n",
        "pass",
        FAILS,
        SCRIPT,
    ),
    Case(
        "good_touch",
        "import pathlib\ndef add(a, b):\n    p = pathlib.Path('x')\n    p.touch()\n"
        "    return a + b if p.exists() else None\n",
        "pass",
        FAILS,
    ),
    Case(
        "good_clocks",
        "import time\ndef add(a, b):\n    time.process_time(), time.thread_time(), time.sleep(0.001)\n"
        "    return a + b\n",
        "pass",
        FAILS,
    ),
]
