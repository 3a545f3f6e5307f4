"""Rows of data sets as tests: HumanEval, MBPP, EvalPlus, code-r1, and plain input and output.

A row that cannot judge a program is an error about the data set: `BadTests`, one sentence with what
is wrong and where.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from askd.config import nearest
from askd.sandbox.extract import complete, extract_code
from askd.sandbox.mbpp_plus import converted
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
    name = str(row["format"])
    if name not in FORMATS:
        raise BadTests(f"{where}: unknown format {name!r}; {nearest(name, FORMATS)}")
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
    """MBPP: a list of asserts, which may follow a setup (`test_setup_code` or `test_imports`).

    Modules of the standard library that the asserts name, but nothing imports, are imported: MBPP
    leaves that to the program. The entry point is the function of the reference `code` that the
    asserts name, or the one name in them that nothing defines.
    """
    asserts = row.get("test_list")
    if not isinstance(asserts, list) or not all(isinstance(line, str) for line in asserts):
        raise BadTests(f"{where}: 'test_list' is not a list of asserts.")
    if not asserts:
        raise BadTests(f"{where}: 'test_list' is empty; there must be one assert at least.")
    imports = row.get("test_imports") or []
    if not isinstance(imports, list) or not all(isinstance(line, str) for line in imports):
        raise BadTests(f"{where}: 'test_imports' is not a list of imports.")
    setup = row.get("test_setup_code") or "\n".join(imports)
    tests = "\n".join(asserts)
    trees = [_compiles(setup, where, "the setup"), _compiles(tests, where, "test_list")]
    missing = _undefined(trees)
    modules = [name for name in missing if name in sys.stdlib_module_names]
    setup = "\n".join([setup, *(f"import {name}" for name in modules)]).strip()
    found = _defined_by(row.get("code"), trees)
    found = found if len(found) == 1 else [name for name in missing if name not in modules]
    entry_point = _entry_point(row, found, where)
    return _function_tests(where, tests=tests, entry_point=entry_point, setup=setup)


def evalplus(row: dict, where: str, plus: bool = True) -> FunctionTests:
    """EvalPlus: the program and the canonical solution on the same inputs, equal or within `atol`.

    Inputs are lists of arguments as in EvalPlus's files; those of MBPP+ become the tuples, sets and
    complex numbers that its problems are about.
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
    number = re.fullmatch(r"Mbpp/(\d+)", str(row.get("task_id")))
    try:
        inputs = converted(int(number[1]), inputs) if number else inputs
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise BadTests(
            f"{where}: the inputs are not those of {number[0]} ({error}); give a task of your own "
            "another 'task_id'."
        ) from error
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
    except (KeyError, TypeError, ValueError) as error:
        raise BadTests(
            f"{where}: no JSON in reward_model.ground_truth ({type(error).__name__})."
        ) from error
    if not isinstance(truth, dict):
        raise BadTests(f"{where}: reward_model.ground_truth is not a JSON object.")
    if "functional" not in truth:
        return stdio(truth, where)
    tests = truth["functional"]
    if not isinstance(tests, str):
        raise BadTests(f"{where}: 'functional' is not a text.")
    shared = row.get("prelude") or ""
    trees = [_compiles(shared, where, "prelude"), _compiles(tests, where, "functional")]
    missing = _undefined(trees)
    entry_point = _entry_point(row, _checked(trees[-1]) or missing, where)
    unknown = [name for name in missing if name != re.split(r"\W", entry_point)[0]]
    if unknown and "import *" not in shared + tests:
        raise BadTests(
            f"{where}: nothing defines {', '.join(unknown)}, which the tests use; add the source "
            "that does as 'prelude'."
        )
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
    "evalplus-base": partial(evalplus, plus=False),
    "code-r1": code_r1,
    "stdio": stdio,
}
# Formats whose prompt is the beginning of the program.
COMPLETING = ("humaneval", "evalplus", "evalplus-base")


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
    except (SyntaxError, TypeError, ValueError) as error:
        raise BadTests(f"{where}: {what} does not compile ({error}).") from error


def _entry_point(row: dict, found: Sequence[str], where: str) -> str:
    """The entry point that `row` gives, or else the one that was `found` in the tests."""
    if "entry_point" not in row and len(found) != 1:
        raise BadTests(
            f"{where}: the tests do not say which function they call (names that they do not "
            f"define: {', '.join(found) or 'none'}); add 'entry_point'."
        )
    return str(row.get("entry_point") or found[0])


def _undefined(trees: Sequence[ast.AST]) -> list[str]:
    """The names that the trees use and neither they nor Python define."""
    stored, loaded = set(dir(builtins)), []
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                stored.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                stored.add(name)
            case ast.ExceptHandler(name=str(name)):
                stored.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                stored.update((alias.asname or alias.name).split(".")[0] for alias in names)
            case ast.Name(id=name):
                loaded.append(name)
    return [name for name in dict.fromkeys(loaded) if name not in stored]


def _defined_by(code: Any, trees: Sequence[ast.AST]) -> list[str]:
    """The functions and classes of a reference solution that the trees name."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, TypeError, ValueError):
        return []
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return list({node.name: 0 for node in body if isinstance(node, kinds) and node.name in names})


def _checked(tree: ast.Module) -> list[str]:
    """What a source that ends in check(Solution().add) checks."""
    match tree.body[-1:]:
        case [ast.Expr(ast.Call(func=ast.Name(id="check"), args=[tested]))]:
            return [ast.unparse(tested)]
    return []
