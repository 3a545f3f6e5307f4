"""Sets of mathematical problems: the reference is an answer, as grader `math` reads it."""

from __future__ import annotations

import re

from askd.tasks.adapters.example import Example, NotGradable, text

_THE_ANSWER = re.compile(r"The answer is:?\s*(.+?)\s*$")
# GSM8K marks what a calculator was asked: 48/2 = <<48/2=24>>24.
_CALCULATOR = re.compile(r"<<[^<>]*>>")


def metamathqa(row: dict) -> Example:
    """MetaMathQA: `query`, and `response`, whose last line says "The answer is: X"."""
    response = text(row, "response")
    found = _THE_ANSWER.search(response)
    if found is None:
        raise NotGradable("the response does not end with an answer")
    return Example(text(row, "query"), found.group(1), response)


def gsm8k(row: dict) -> Example:
    """GSM8K: `question`, and `answer`, which ends with "#### N"."""
    answer = text(row, "answer")
    _, hashes, number = answer.rpartition("####")
    if not hashes:
        raise NotGradable("the answer has no ####")
    return Example(text(row, "question"), number.strip(), _CALCULATOR.sub("", answer))


def math(row: dict) -> Example:
    r"""MATH: `problem`, and `solution`, which holds the answer in \boxed{}; MATH-500 has `answer`
    beside it."""
    solution = text(row, "solution")
    if "answer" in row:
        return Example(text(row, "problem"), text(row, "answer"), solution)
    if not re.search(r"\\(?:boxed|fbox)\b", solution):
        raise NotGradable("the solution has no box")
    return Example(text(row, "problem"), solution, solution)
