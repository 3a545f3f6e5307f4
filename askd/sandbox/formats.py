"""Rows of data sets as tests: HumanEval, MBPP, EvalPlus, code-r1, and plain input and output.

A row that cannot judge a program is an error about the data set: `BadTests`, one sentence with what
is wrong and where.
"""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from askd.config import nearest
from askd.sandbox.extract import complete, extract_code
from askd.sandbox.oracles import comparison
from askd.sandbox.program import FunctionTests, Program, StdioTests
from askd.sandbox.result import BadTests


@dataclass(frozen=True)
class Task:
    """Tests, and the beginning of the program where the answer is to complete one."""

    tests: FunctionTests | StdioTests
    prompt: str = ""


def from_reference(text: str, where: str) -> Task:
    """The task of a JSON `text`: an object with `format` and the keys of that format's rows.

    Raises:
        BadTests: it is not such an object, or its tests cannot judge any program.
    """
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadTests(f"{where}: not JSON ({error}).") from error
    if not isinstance(row, dict) or "format" not in row:
        raise BadTests(f"{where}: expected a JSON object with the key 'format'.")
    name = row["format"]
    if name not in FORMATS:
        raise BadTests(f"{where}: unknown format {name!r}; {nearest(str(name), FORMATS)}")
    tests = FORMATS[name](row, where)
    return Task(tests, row.get("prompt", "") if name in COMPLETING else "")


def program(task: Task, answer: str, name: str) -> Program:
    """The program in a model's answer to `task`."""
    if isinstance(task.tests, StdioTests):
        return Program(extract_code(answer), task.tests, name)
    if task.prompt:
        return Program(complete(task.prompt, answer, task.tests.name), task.tests, name)
    return Program(extract_code(answer, task.tests.name), task.tests, name)


def humaneval(row: dict, where: str) -> FunctionTests:
    """HumanEval: `test` defines check(candidate). The prompt runs before it, for its helpers."""
    prompt, test, entry_point = _texts(row, where, "prompt", "test", "entry_point")
    _compiles(prompt, where, "prompt")
    _compiles(test, where, "test")
    return _function_tests(where, tests=test, entry_point=entry_point, call="check", setup=prompt)


def mbpp(row: dict, where: str) -> FunctionTests:
    """MBPP: a list of asserts, which may follow a setup (`test_setup_code` or `test_imports`)."""
    asserts = row.get("test_list")
    if not isinstance(asserts, list) or not all(isinstance(line, str) for line in asserts):
        raise BadTests(f"{where}: 'test_list' is not a list of asserts.")
    if not asserts:
        raise BadTests(f"{where}: 'test_list' is empty; there must be one assert at least.")
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or [])
    tests = "\n".join(asserts)
    _compiles(setup, where, "the setup")
    _compiles(tests, where, "test_list")
    entry_point = row.get("entry_point") or _called(tests, setup, where)
    return _function_tests(where, tests=tests, entry_point=entry_point, setup=setup)


def evalplus(row: dict, where: str, plus: bool = True) -> FunctionTests:
    """EvalPlus: the program and the canonical solution on the same inputs, equal or within `atol`.

    Inputs count as they stand in the row: what EvalPlus converts for some MBPP problems (lists to
    tuples or sets) has to be converted already.
    """
    prompt, solution, entry_point = _texts(
        row, where, "prompt", "canonical_solution", "entry_point"
    )
    _compiles(prompt + solution, where, "canonical_solution")
    inputs = []
    for name in ("base_input", "plus_input") if plus else ("base_input",):
        if not isinstance(row.get(name), list):
            raise BadTests(f"{where}: {name!r} is not a list.")
        inputs += row[name]
    if not inputs:
        raise BadTests(f"{where}: there are no inputs.")
    tests = comparison(entry_point, prompt + solution, inputs, row.get("atol") or 0)
    return _function_tests(where, tests=tests, entry_point=entry_point)


def code_r1(row: dict, where: str) -> FunctionTests | StdioTests:
    """code-r1: `reward_model.ground_truth` is JSON with `functional`, a source that ends in a call
    such as check(Solution().add), or with the `inputs` and `outputs` of a script.

    A `prelude` holds the classes that both sides share, such as ListNode.
    """
    try:
        truth = row["reward_model"]["ground_truth"]
        truth = json.loads(truth) if isinstance(truth, str) else truth
        keys = set(truth)
    except (KeyError, TypeError, ValueError) as error:
        raise BadTests(
            f"{where}: no JSON in reward_model.ground_truth ({type(error).__name__})."
        ) from error
    if "functional" not in keys:
        return stdio(truth, where)
    tests = truth["functional"]
    _compiles(tests, where, "functional")
    shared = row.get("prelude", "")
    _compiles(shared, where, "prelude")
    entry_point = row.get("entry_point") or _called(tests, shared, where)
    return _function_tests(where, tests=tests, entry_point=entry_point, shared=shared)


def stdio(row: dict, where: str) -> StdioTests:
    """Lists `inputs` and `outputs`: what a script reads, and what it must print."""
    lists = [row.get(name) for name in ("inputs", "outputs")]
    if not all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists
    ):
        raise BadTests(f"{where}: 'inputs' and 'outputs' must be lists of texts.")
    try:
        return StdioTests(*map(tuple, lists))
    except BadTests as error:
        raise BadTests(f"{where}: {error}") from error


FORMATS: dict[str, Callable[[dict, str], FunctionTests | StdioTests]] = {
    "humaneval": humaneval,
    "mbpp": mbpp,
    "evalplus": evalplus,
    "code-r1": code_r1,
    "stdio": stdio,
}
# Formats whose prompt is the beginning of the program.
COMPLETING = ("humaneval", "evalplus")


def _texts(row: dict, where: str, *names: str) -> list[str]:
    for name in names:
        if not isinstance(row.get(name), str):
            raise BadTests(f"{where}: no text {name!r}.")
    return [row[name] for name in names]


def _function_tests(where: str, **arguments: Any) -> FunctionTests:
    try:
        return FunctionTests(**arguments)
    except BadTests as error:
        raise BadTests(f"{where}: {error}") from error


def _compiles(source: str, where: str, what: str) -> ast.Module:
    """The syntax tree of a data set's source, which is trusted not to attack the parser."""
    try:
        compile(source, what, "exec", dont_inherit=True)
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise BadTests(f"{where}: {what} does not compile ({error}).") from error


def _called(tests: str, setup: str, where: str) -> str:
    """The one name that `tests` use and neither they, their setup nor Python define."""
    trees = [ast.parse(setup), ast.parse(tests)]
    stored, loaded = set(dir(builtins)), []
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                stored.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                stored.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                stored.update((alias.asname or alias.name).split(".")[0] for alias in names)
            case ast.Name(id=name):
                loaded.append(name)
    unknown = list(dict.fromkeys(name for name in loaded if name not in stored))
    if len(unknown) != 1:
        found = ", ".join(unknown) or "none"
        raise BadTests(
            f"{where}: the tests do not say which function they call (names that they do not "
            f"define: {found}); add 'entry_point'."
        )
    return unknown[0]
