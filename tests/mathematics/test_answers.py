"""Where the answer stands in a text."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd.mathematics.answers import (
    ANSWER_LIMIT,
    TEXT_LIMIT,
    number,
    reference_answer,
    response_answer,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # The number behind the last `####` comes before everything else.
        ("9 eggs at $2.\n#### 18", "18"),
        ("#### 17\nNo.\n#### 18", "18"),
        (r"So \boxed{17}. #### 18", "18"),
        ("#### 1,234 dollars", "1,234"),
        ("#### $1,234.50", "$1,234.50"),
        (r"#### \$18", "18"),
        ("####-4.", "-4"),
        (r"#### 50\%", "50%"),
        # Not a number by itself: then the text is read as if it had none.
        ("#### 1/2", "#### 1/2"),
        ("#### 18.5/2", "#### 18.5/2"),
        ("#### 1,2", "#### 1,2"),
        ("#### none", "#### none"),
        # The last whole box.
        (r"\boxed{3} or \boxed{4}", "4"),
        (r"\boxed{3} or \boxed{4", "3"),
        (r"\boxed{\frac{1}{\sqrt{2}}} is it.", r"\boxed{\frac{1}{\sqrt{2}}}"),
        (r"\boxed{\{1, 2\}}", r"\boxed{\{1, 2\}}"),
        (r"\fbox{12}", "12"),
        (r"$\boxed 12$ apples", "12"),
        (r"\boxed{ x+1 }", r"\boxed{x+1}"),
        # The end of the text.
        ("The answer is 4.", "The answer is 4."),
        (r"It costs \$5, that is 50\%.", "It costs 5, that is 50%."),
    ],
)
def test_the_answer_of_a_response(text, answer):
    assert response_answer(text) == answer


@pytest.mark.parametrize("text", ["", "  \n", r"\boxed{}", r"\boxed{ }"])
def test_a_response_may_have_no_answer(text):
    assert response_answer(text) is None


def test_only_the_end_of_a_response_counts():
    assert response_answer("#### 1" + " " * (TEXT_LIMIT - 1) + ".") != "1"
    assert response_answer("#### 1" + " " * (TEXT_LIMIT - 7) + ".") == "1"
    assert len(response_answer("word " * 1000)) == ANSWER_LIMIT


def test_a_long_answer_is_none():
    longest = "1" + "+1" * ((ANSWER_LIMIT - len(r"\boxed{}")) // 2 - 1)
    assert response_answer(rf"\boxed{{{longest}}}") == rf"\boxed{{{longest}}}"
    assert response_answer(rf"\boxed{{{longest}+111}}") is None
    assert reference_answer(f"{longest}+111") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("18", "18"),
        (" (1,2) ", r"\boxed{(1,2)}"),
        ("B", r"\boxed{B}"),
        (r"10\%", "10%"),
        ("Natalia sold 48/2 = 24 clips.\n#### 72", "72"),
        (r"so $\boxed{\frac12}$.", r"\boxed{\frac12}"),
        ("", None),
        (r"\boxed{}", None),
    ],
)
def test_the_answer_of_a_reference(text, answer):
    assert reference_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "value", "percent"),
    [
        ("18", Fraction(18), False),
        ("-4", Fraction(-4), False),
        ("+4", Fraction(4), False),
        ("1,234", Fraction(1234), False),
        ("$1,234.50", Fraction(2469, 2), False),
        (".5", Fraction(1, 2), False),
        ("007", Fraction(7), False),
        (r"12.5\%", Fraction(25, 2), True),
    ],
)
def test_plain_numbers(text, value, percent):
    assert number(text) == (value, percent)


@pytest.mark.parametrize("text", ["", "-", "%", "1/2", "1,2", "12,34", "1.2.3", "2x", "1e5", "5."])
def test_what_is_no_plain_number(text):
    assert number(text) is None


def test_a_percentage_equals_its_share_and_its_number():
    half = number("50%")
    assert half.equals(number("50")) and half.equals(number("0.5")) and half.equals(number("50%"))
    assert number("0.5").equals(half) and number("50").equals(half)
    assert not half.equals(number("5")) and not half.equals(number("0.5%"))


@given(st.integers(-(10**9), 10**9), st.sampled_from(["#### {}", "\\boxed{{{}}}"]))
def test_every_integer_is_found_however_it_is_written(value, form):
    for written in (str(value), f"{value:,}", f"{value}.00"):
        assert number(response_answer(form.format(written))).value == value


@given(st.text(alphabet="\\boxed{}#%$1,./ \n-", max_size=60))
def test_any_text_is_read(text):
    answer = response_answer(text)
    assert answer is None or 0 < len(answer) <= ANSWER_LIMIT
