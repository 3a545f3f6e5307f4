"""Problems of HumanEval's format as rows of EvalPlus, and right and broken solutions of them.

EvalPlus compares outputs on given inputs with those of a canonical solution, HumanEval has a
function `check`; the inputs are those that `check` hands to the canonical solution. EvalPlus's own
extra inputs are in its own files only. To compare the two sides every second input counts as an
extra one here: a program may pass the base tests and fail the extra ones, as with EvalPlus's own.
"""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from askd.sandbox.result import BadTests

# Inputs that are split into base and extra ones; HumanEval has one problem with a thousand.
MOST_INPUTS = 40
# Each is exchanged for the other.
OPERATORS = [
    (ast.Add, ast.Sub),
    (ast.Mult, ast.FloorDiv),
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.And, ast.Or),
]
EXCHANGED = {one: other for pair in OPERATORS for one, other in (pair, pair[::-1])}


def evalplus_row(row: dict, task_id: str, split: bool = True) -> dict:
    """`row` (prompt, canonical_solution, test, entry_point) as EvalPlus's files have it.

    Without `split` all inputs are base ones. The row's own code is run here, unconfined: it is the
    data set's.

    Raises:
        BadTests: `check` refuses the canonical solution, or the row does not run.
    """
    inputs = _recorded(row, task_id)
    base, plus = (inputs[:MOST_INPUTS:2], inputs[1:MOST_INPUTS:2]) if split else (inputs, [])
    return {
        "task_id": task_id,
        "prompt": row["prompt"],
        "entry_point": row["entry_point"],
        "canonical_solution": row["canonical_solution"],
        "base_input": base,
        "plus_input": plus,
        "contract": "",
        "atol": 0,
    }


def _recorded(row: dict, task_id: str) -> list[list]:
    """The arguments of each call, as JSON keeps them: tuples become lists."""
    space: dict[str, Any] = {}
    calls: list[tuple] = []
    random.seed(0)  # some checks draw their inputs
    try:
        exec("\n".join([row["prompt"] + row["canonical_solution"], row["test"]]), space)
        solve: Callable = space[row["entry_point"]]

        def recorder(*arguments: Any) -> Any:
            calls.append(deepcopy(arguments))
            return solve(*arguments)

        space["check"](recorder)
        return json.loads(json.dumps(calls))
    except Exception as error:  # as many kinds as there are programs
        raise BadTests(
            f"{task_id}: its tests do not accept its canonical solution "
            f"({type(error).__name__}: {error})."
        ) from error


def canonical(row: dict) -> str:
    """The whole program of the canonical solution."""
    return row["prompt"] + row["canonical_solution"]


def empty(row: dict) -> str:
    """The program whose function returns nothing."""
    return f"{row['prompt']}    return None\n"


def mutant(row: dict, number: int) -> str:
    """The canonical solution with one operator or number exchanged: the `number`-th, counted round.

    Some mutants are right all the same, and some on a part of the inputs only. The program that
    returns nothing, where there is nothing to exchange.
    """
    tree = ast.parse(canonical(row))
    function = next(
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == row["entry_point"]
    )
    mutations = list(_mutations(function))
    if not mutations:
        return empty(row)
    mutations[number % len(mutations)]()
    return ast.unparse(tree) + "\n"


def _mutations(function: ast.FunctionDef) -> Iterator[Callable[[], None]]:
    for node in ast.walk(function):
        match node:
            case ast.Constant(value=bool(value)):
                yield lambda node=node, value=value: setattr(node, "value", not value)
            case ast.Constant(value=int(value)):
                yield lambda node=node, value=value: setattr(node, "value", value + 1)
            case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in EXCHANGED:
                yield lambda node=node, op=op: setattr(node, "op", EXCHANGED[type(op)]())
            case ast.Compare(ops=[op]) if type(op) in EXCHANGED:
                yield lambda node=node, op=op: setattr(node, "ops", [EXCHANGED[type(op)]()])
