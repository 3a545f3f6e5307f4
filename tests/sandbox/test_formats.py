"""Rows of data sets as tests, from the row to the verdict."""

from __future__ import annotations

import json

import pytest

from askd.sandbox import BadTests, FunctionTests, Program, StdioTests
from askd.sandbox.formats import FORMATS, from_reference, program

HUMANEVAL = {
    "format": "humaneval",
    "task_id": "HumanEval/0",
    "prompt": 'def one():\n    return 1\n\n\ndef add(a, b):\n    """Add."""\n',
    "entry_point": "add",
    "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate(one(), 2) == 3\n",
}
MBPP = {
    "format": "mbpp",
    "test_setup_code": "import math",
    "test_list": ["assert math.isclose(area(1), math.pi)", "assert area(0) == 0"],
}
EVALPLUS = {
    "format": "evalplus",
    "prompt": "def halves(xs):\n",
    "canonical_solution": "    return [x / 2 for x in xs[:1]] + (halves(xs[1:]) if xs else [])\n",
    "entry_point": "halves",
    "base_input": [[[1, 2]], [[]]],
    "plus_input": [[[0.3, float("inf")]]],
    "atol": 0,
}
FUNCTIONAL = "def check(candidate):\n    assert candidate(a=1, b=2) == 3\n\ncheck(Solution().add)"
CODE_R1 = {
    "format": "code-r1",
    "reward_model": {"ground_truth": json.dumps({"functional": FUNCTIONAL})},
}
NODES = {
    "format": "code-r1",
    "prelude": "class Node:\n    def __init__(self, x, next=None): self.x, self.next = x, next\n",
    "reward_model": {
        "ground_truth": {"functional": "assert Solution().second(Node(1, Node(2))).x == 2"}
    },
}
STDIO = {"format": "stdio", "inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}
SCRIPT = {"format": "code-r1", "reward_model": {"ground_truth": json.dumps({**STDIO, "format": 0})}}


def verdict(sandbox, row: dict, answer: str):
    return sandbox.run(program(from_reference(json.dumps(row), "row 1"), answer, "answer 1"))


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        (HUMANEVAL, "    return a + b", "    return a - b"),
        (HUMANEVAL, "```python\ndef add(a, b):\n    return a + b\n```", "I do not know."),
        (
            MBPP,
            "```python\nimport math\ndef area(r):\n    return math.pi * r * r\n```",
            "```python\ndef area(r):\n    return 3 * r * r\n```",
        ),
        (EVALPLUS, "    return [x / 2 for x in xs]", "    return [x // 2 for x in xs]"),
        (
            EVALPLUS,
            "    return [0.5 * x + 1e-9 for x in xs]",
            "    return [x / 2 + 1e-4 for x in xs]",
        ),
        (EVALPLUS, "    return [x / 2 for x in xs]", "    return tuple(x / 2 for x in xs)"),
        (EVALPLUS, "    return [x / 2 for x in xs]", "    return [x / 2 for x in xs] + [0.0]"),
        (
            CODE_R1,
            "class Solution:\n    def add(self, a, b): return a + b",
            "class Solution:\n    def add(self, b, a): return a - b",
        ),
        (
            NODES,
            "class Solution:\n    def second(self, head): return head.next",
            "class Solution:\n    def second(self, head): return head",
        ),
        (STDIO, "```\nprint(sum(map(int, input().split())))\n```", "print(3)"),
        (SCRIPT, "print(sum(map(int, input().split())))", "print(input())"),
    ],
)
def test_right_and_wrong_answers(sandbox, row, right, wrong):
    assert verdict(sandbox, row, right).passed
    assert not verdict(sandbox, row, wrong).passed


def test_base_inputs_alone(sandbox):
    row = {**EVALPLUS, "plus_input": [[[8]]]}
    answer = "    return [] if xs == [8] else [x / 2 for x in xs]"
    assert not verdict(sandbox, row, answer).passed
    assert verdict(sandbox, {**row, "format": "evalplus-base"}, answer).passed


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        (2, [[1, 2], [3]], [(1, 2), (3,)]),
        (63, [[[1, 2], [3]]], [[(1, 2), (3,)]]),
        (75, [[[1, 2]], 3], [[(1, 2)], 3]),
        (106, [[1], [2]], [[1], (2,)]),
        (115, [[[1, 1], []]], [[{1}, {}]]),
        (124, ["1", "2j"], [1.0, 2j]),
        (252, ["1+2j"], [1 + 2j]),
        (259, [[[1, 2]], [[3]]], [((1, 2),), ((3,),)]),
        (278, [[1, [2, [3]]]], [(1, (2, [3]))]),
        (307, [[1, [2]], 3, 4], [(1, [2]), 3, 4]),
        (580, [[1, [2, [3]]]], [(1, (2, (3,)))]),
        (722, [{"a": [1, 2]}, 3], [{"a": (1, 2)}, 3]),
        (9000, [[1, 2]], [[1, 2]]),
    ],
)
def test_inputs_of_mbpp_plus_are_what_their_problem_is_about(number, arguments, expected):
    row = {**EVALPLUS, "task_id": f"Mbpp/{number}", "base_input": [arguments], "plus_input": []}
    assert f"INPUTS = {[expected]!r}" in from_reference(json.dumps(row), "row").tests.tests


def test_arguments_that_the_program_changes_are_no_longer_its_input(sandbox):
    row = {**EVALPLUS, "base_input": [[[1, 2]], [[1, 2]]]}
    assert verdict(sandbox, row, "    xs[:] = [x / 2 for x in xs]\n    return xs").passed


@pytest.mark.parametrize(
    ("entry_point", "canonical", "passing", "failing"),
    [
        ("Diff", "return [1, 2, 3]", "return [3, 2, 1, 1]", "return [1, 2]"),
        ("check_str", "return 'a match'", "return True", "return None"),
        ("sum_div", "return 7", "return 0", "return 6"),
        ("are_equivalent", "return 1", "return 2", "raise ValueError"),
        ("surface_Area", "return 0", "return 35", "return 34"),
        ("digit_distance_nums", "return 99", "return 1", "return 8"),
    ],
)
def test_the_exceptions_that_evalplus_makes(sandbox, entry_point, canonical, passing, failing):
    row = {
        **EVALPLUS,
        "prompt": f"def {entry_point}(a=0, b=0):\n",
        "canonical_solution": f"    {canonical}\n",
        "entry_point": entry_point,
        "base_input": [[3, 4]],
        "plus_input": [],
    }
    assert verdict(sandbox, row, f"    {canonical}").passed
    assert verdict(sandbox, row, f"    {passing}").passed
    assert not verdict(sandbox, row, f"    {failing}").passed


def test_a_root_of_a_polynomial_is_judged_by_its_value(sandbox):
    row = {
        **EVALPLUS,
        "prompt": "def find_zero(xs):\n",
        "canonical_solution": "    return -xs[0] / xs[1]\n",
        "entry_point": "find_zero",
        "base_input": [[[1, 2]]],
        "plus_input": [[[-6, 11, -6, 1]]],
    }
    with_roots = "    return -0.5 if len(xs) == 2 else 3.0"
    assert verdict(sandbox, row, with_roots).passed
    assert not verdict(sandbox, row, "    return 3.0").passed


@pytest.mark.parametrize(
    ("asserts", "setup", "name"),
    [
        (["assert f(1) == 2"], "", "f"),
        (["assert sorted(f([1])) == [1]", "assert set(f([2])) == {2}"], "", "f"),
        (["assert f(sqrt(4)) == 2"], "from math import sqrt", "f"),
        (["assert all(f(x) for x in range(3))"], "", "f"),
        (["assert (lambda y: f(y))(1)"], "", "f"),
        (["assert math.isclose(f(1), cmath.pi)"], "", "f"),
    ],
)
def test_the_entry_point_of_asserts(asserts, setup, name):
    row = {"format": "mbpp", "test_list": asserts, "test_setup_code": setup}
    assert from_reference(json.dumps(row), "row").tests.entry_point == name


def test_modules_that_asserts_of_mbpp_name_are_imported(sandbox):
    row = {"format": "mbpp", "test_list": ["assert math.isclose(f(4), math.sqrt(4))"]}
    assert verdict(sandbox, row, "def f(x): return x / 2").passed


@pytest.mark.parametrize(
    ("code", "asserts", "name"),
    [
        ("def sum(a, b): return a + b", ["assert sum(1, 2) == 3"], "sum"),
        ("def g(): pass\ndef f(x): return x", ["assert f(h(1)) == 1"], "f"),
    ],
)
def test_the_entry_point_of_a_reference_solution(code, asserts, name):
    row = {"format": "mbpp", "test_list": asserts, "code": code}
    assert from_reference(json.dumps(row), "row").tests.entry_point == name


PRELUDE = """
from typing import *
class ListNode:
    def __init__(self, val=0, next=None): self.val, self.next = val, next
def list_node(values):
    return ListNode(values[0], list_node(values[1:])) if values else None
def is_same_list(one, other):
    return one is other is None or (
        one.val == other.val and is_same_list(one.next, other.next)
    )
"""
LISTS = """
def check(candidate):
    assert is_same_list(candidate(head = list_node([1, 2])), list_node([2, 1]))

check(Solution().reverseList)
"""


def test_lists_of_leetcode(sandbox):
    row = {
        "format": "code-r1",
        "prelude": PRELUDE,
        "reward_model": {"ground_truth": json.dumps({"functional": LISTS})},
    }
    assert from_reference(json.dumps(row), "row").tests.entry_point == "Solution().reverseList"
    turn = """```python
class Solution:
    def reverseList(self, head: Optional[ListNode]) -> Optional[ListNode]:
        turned = None
        while head:
            head.next, turned, head = turned, head, head.next
        return turned
```"""
    assert verdict(sandbox, row, turn).passed
    assert not verdict(sandbox, row, turn.replace("return turned", "return head")).passed


def without(row: dict, key: str) -> dict:
    return {name: value for name, value in row.items() if name != key}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("[1]", "expected a JSON object with the key 'format'"),
        ("{", "not JSON"),
        (without(MBPP, "format"), "expected a JSON object with the key 'format'"),
        ({**MBPP, "format": "mbp"}, "unknown format 'mbp'; did you mean 'mbpp'?"),
        (without(HUMANEVAL, "entry_point"), "no text 'entry_point'"),
        ({**HUMANEVAL, "entry_point": ""}, "entry point '' is no name"),
        ({**HUMANEVAL, "test": "def check(c: assert"}, "test does not compile"),
        ({**HUMANEVAL, "prompt": "def add(a, b"}, "prompt does not compile"),
        ({**HUMANEVAL, "test": "x = '\x00'"}, "test does not compile"),
        ({**MBPP, "test_list": []}, "'test_list' is empty"),
        ({**MBPP, "test_list": "assert 1"}, "'test_list' is not a list of asserts"),
        ({**MBPP, "test_list": ["assert f(g(1)) == 2"]}, "do not define: f, g); add 'entry_point'"),
        ({**MBPP, "test_list": ["assert 1 == 1"]}, "do not define: none); add 'entry_point'"),
        ({**EVALPLUS, "base_input": None}, "'base_input' is not a list"),
        ({**EVALPLUS, "base_input": [], "plus_input": []}, "there are no inputs"),
        ({**EVALPLUS, "canonical_solution": "  retur 1"}, "canonical_solution does not compile"),
        ({**EVALPLUS, "task_id": "Mbpp/2", "base_input": [[1]]}, "not those of Mbpp/2"),
        ({**CODE_R1, "reward_model": {"ground_truth": {"functional": 3}}}, "is not a text"),
        ({**CODE_R1, "reward_model": {"ground_truth": "[1]"}}, "is not a JSON object"),
        ({**CODE_R1, "prelude": 3}, "prelude does not compile"),
        ({**MBPP, "format": ["mbpp"]}, "unknown format"),
        ({**MBPP, "test_imports": 3}, "'test_imports' is not a list"),
        (
            {"format": "code-r1", "reward_model": {"ground_truth": {"functional": LISTS}}},
            "nothing defines is_same_list, list_node, which the tests use",
        ),
        ({"format": "code-r1"}, "no JSON in reward_model.ground_truth"),
        ({**STDIO, "outputs": ["3"]}, "2 inputs and 1 outputs"),
        ({**STDIO, "inputs": [], "outputs": []}, "0 inputs and 0 outputs"),
        ({**STDIO, "inputs": [1, 2]}, "must be lists of texts"),
    ],
)
def test_bad_rows_are_errors_about_the_data(row, words):
    text = row if isinstance(row, str) else json.dumps(row)
    with pytest.raises(BadTests) as caught:
        from_reference(text, "data.jsonl, row 3")
    assert str(caught.value).startswith("data.jsonl, row 3: ")
    assert words in str(caught.value)


def test_a_canonical_solution_that_fails_is_an_error_about_the_data(sandbox):
    row = {**EVALPLUS, "canonical_solution": "    return 1 / 0\n"}
    with pytest.raises(BadTests, match="fail by themselves: ZeroDivisionError"):
        verdict(sandbox, row, "    return [x / 2 for x in xs]")


def test_kinds_of_tests():
    assert isinstance(from_reference(json.dumps(SCRIPT), "row").tests, StdioTests)
    assert isinstance(from_reference(json.dumps(CODE_R1), "row").tests, FunctionTests)


@pytest.mark.parametrize("name", ["solve", "space", "close", "matches"])
def test_evalplus_judges_programs_by_names_of_its_own(name, sandbox):
    """As HumanEval/84, whose function is `solve`."""
    row = {
        "prompt": f"def {name}(n):\n",
        "canonical_solution": "    return n + 1\n",
        "entry_point": name,
        "base_input": [[1], [2]],
        "plus_input": [],
    }
    tests = FORMATS["evalplus"](row, "row")
    right, wrong = (f"def {name}(n):\n    return n + {number}\n" for number in (1, 2))
    assert sandbox.run(Program(right, tests)).passed
    assert not sandbox.run(Program(wrong, tests)).passed
