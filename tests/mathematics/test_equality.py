"""Which answers are equal, and what happens to those that take too long."""

from __future__ import annotations

import os
import time

import pytest

from askd.errors import AskdError
from askd.mathematics import equality, workers
from askd.mathematics.answers import reference_answer, response_answer
from askd.mathematics.equality import compare, readable

EQUAL = [
    ("18", "18.00"),
    ("1234", r"\boxed{\$1,234}"),
    (r"\frac12", r"\boxed{0.5}"),
    (r"\frac12", r"\boxed{50\%}"),
    ("0.1", r"The answer is $10\%$."),
    ("x^2+2x+1", r"\boxed{(x+1)^2}"),
    ("[2,5)", "The answer is $[2,5)$."),
    ("(1,2)", r"\boxed{(1, 2)}"),
    (r"\text{odd}", r"\boxed{\text{odd}}"),
    ("12", r"\boxed{12\text{ apples}}"),
    ("B", r"\boxed{\text{(B)}}"),
    (r"\frac{1}{3}", r"\boxed{0.333333}"),
    ("3", r"\boxed{x=3}"),
]
DIFFERENT = [
    ("18", "#### 81"),
    ("18", "18 or 19"),
    (r"\frac{1}{3}", r"\boxed{0.333}"),
    ("x^2+2x+1", r"\boxed{x^2+1}"),
    ("[2,5)", r"\boxed{(2,5)}"),
    (r"\text{odd}", r"\boxed{\text{even}}"),
    ("3", r"\boxed{3, 4}"),
]
UNPARSED = [("7", r"\boxed{??}"), ("7", "I do not know."), ("7", r"\boxed{\frac{}{}}")]
ENDLESS = [("7", r"\boxed{(10^{10})!}"), ("7", r"\boxed{9^{9^9}}")]


def answers(pairs):
    return [(reference_answer(gold), response_answer(text)) for gold, text in pairs]


def test_verdicts():
    expected = ["correct"] * len(EQUAL) + ["wrong"] * len(DIFFERENT) + ["unparsed"] * len(UNPARSED)
    pairs = [*EQUAL, *DIFFERENT, *UNPARSED]
    found = compare(answers(pairs))
    assert dict(zip(pairs, found, strict=True)) == dict(zip(pairs, expected, strict=True))


def test_what_takes_too_long_ends_and_leaves_the_others_as_they_are():
    pairs = [EQUAL[2], ENDLESS[0], DIFFERENT[3], ENDLESS[1], EQUAL[5]]
    assert compare(answers(pairs)) == ["correct", "timeout", "wrong", "timeout", "correct"]


def test_plain_numbers_need_no_worker(monkeypatch):
    monkeypatch.setattr("askd.mathematics.equality.limited", None)
    assert compare([("18", "18.0"), ("18", "19"), ("10%", "0.1")]) == [
        "correct",
        "wrong",
        "correct",
    ]


def test_what_a_reference_may_be():
    references = ["18", "(1,2)", "B", r"10\%", r"\text{Evelyn}", r"\frac{}{}", "??", r"\asd{}{}"]
    assert readable([reference_answer(text) for text in references]) == [True] * 5 + [False] * 3
    assert readable(["", "18"]) == [False, True]
    assert readable([reference_answer(ENDLESS[0][1])]) == [True]  # reading it takes no time
    assert compare([(r"\boxed{??}", "7")]) == ["bad reference"]


def test_a_worker_that_waits_is_ended_by_the_wall_clock(monkeypatch):
    assert workers.limited(time.sleep, [(0,)]) == [None]
    monkeypatch.setattr(workers, "WALL_SECONDS", 3.0)
    assert workers.limited(time.sleep, [(3600,), (0,)]) == ["timeout", None]


def test_a_worker_that_dies_is_an_error_and_is_replaced():
    with pytest.raises(AskdError, match="ended with exit code 3"):
        workers.limited(os._exit, [(3,)])
    assert workers.limited(abs, [(-1,)]) == [1]


def test_a_worker_may_not_use_all_memory():
    with pytest.raises(MemoryError):
        workers.limited(bytes, [(workers.MEMORY_BYTES,)])


def test_what_needs_too_much_memory_is_unreadable_or_wrong(monkeypatch):
    """math-verify catches the error that the limit of a worker brings up."""

    def starved(*_, **__):
        raise MemoryError

    ((reference, answer),) = answers([("x^2+2x+1", r"\boxed{(x+1)^2}")])
    assert equality._verdict(reference, answer) == "correct"
    with monkeypatch.context() as patch:
        patch.setattr("math_verify.grader.sympy_expr_eq", starved)
        assert equality._verdict(reference, answer) == "wrong"
    assert equality._is_formula(answer)
    monkeypatch.setattr("math_verify.parser.extract_target_from_pred", starved)
    assert not equality._is_formula(answer)
