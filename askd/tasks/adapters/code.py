"""Sets of programming problems: the reference is a row of tests (`askd.sandbox.formats`)."""

from __future__ import annotations

import json

from askd.tasks.adapters.example import Example, NotGradable, text

# The words are ours; the problems' own words follow.
COMPLETE = "Complete this Python function. Answer with the whole function in one code block."
WRITE = "Write a Python function. Answer with it in one code block."


def code_r1(row: dict) -> Example:
    """code-r1-12k, of LeetCode and TACO: the user's message of `prompt`, and the tests in
    `reward_model.ground_truth`.

    The system message, which asks for thoughts in tags, is left out: only what the tests say of the
    program counts. `extra_info.reference` is a program where there is one.
    """
    truth = (row["reward_model"] or {}).get("ground_truth")
    if not truth or truth in ("{}", "null"):
        raise NotGradable("no tests")
    asked = [message["content"] for message in row["prompt"] if message["role"] == "user"]
    if not asked:
        raise NotGradable("no message of a user")
    reference = {"format": "code-r1", "reward_model": {"ground_truth": truth}}
    program = (row.get("extra_info") or {}).get("reference") or ""
    return Example(asked[-1], json.dumps(reference), _block(program) if program else "")


def humaneval(row: dict) -> Example:
    """HumanEval: `prompt`, `test`, `entry_point`, `canonical_solution`."""
    prompt = text(row, "prompt")
    reference = {
        "format": "humaneval",
        "prompt": prompt,
        "test": text(row, "test"),
        "entry_point": text(row, "entry_point"),
    }
    solution = _block(prompt + text(row, "canonical_solution"))
    return Example(f"{COMPLETE}\n\n{_block(prompt)}", json.dumps(reference), solution)


def evalplus(row: dict, plus: bool = False) -> Example:
    """HumanEval+ and MBPP+ as EvalPlus publishes them, with the base inputs: what it calls "base
    tests"; with `plus`, "base + extra tests"."""
    prompt = text(row, "prompt")
    names = ["task_id", "base_input", "atol", *(["plus_input"] if plus else [])]
    reference = {
        "format": "evalplus" if plus else "evalplus-base",
        **{name: row[name] for name in names},
        **{name: text(row, name) for name in ("prompt", "canonical_solution", "entry_point")},
    }
    solution = _block(prompt + reference["canonical_solution"])
    return Example(f"{COMPLETE}\n\n{_block(prompt)}", json.dumps(reference), solution)


def mbpp(row: dict) -> Example:
    """MBPP (`text`) and its sanitized part (`prompt`): `test_list`, `code`.

    The first test is shown, since the problem does not say what the function is called.
    """
    tests = row["test_list"]
    if not tests:
        raise NotGradable("no tests")
    names = ("test_setup_code", "test_imports", "code")
    reference = {
        "format": "mbpp",
        "test_list": list(tests),
        **{name: row[name] for name in names if row.get(name)},
    }
    problem = f"{WRITE}\n\n{text(row, 'text', 'prompt')}\n\nIt must pass this test:"
    return Example(
        f"{problem}\n\n{_block(tests[0])}", json.dumps(reference), _block(text(row, "code"))
    )


def _block(source: str) -> str:
    return f"```python\n{source.strip()}\n```"
