"""Our verdicts beside lm-eval's, on outputs written by hand; each difference has its reason."""

from __future__ import annotations

import importlib.util

import pytest

from askd.errors import AskdError
from askd.evaluation.agreement import Output, agreement

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)

STRICT, FLEXIBLE = "strict-match", "flexible-extract"
GSM8K_SOLUTION = "She sells 16 - 7 = 9 eggs, for 9 * 2 = 18 dollars.\n#### 18"
GSM8K = [
    ("So 9 * 2.\n#### 18", "correct", [], ""),
    ("#### 18 dollars", "correct", [], ""),
    ("#### 17", "wrong", [], ""),
    ("eighteen", "unparsed", [], ""),
    ("#### 17\nQuestion: Next? #### 18", "wrong", [], "both stop before the next question"),
    ("The answer is 18.", "correct", [STRICT], "strict needs ####"),
    ("It is 18 and not 17", "wrong", [], "both take the last number"),
    ("####18", "correct", [STRICT], "strict needs a blank behind ####"),
    ("#### $18", "correct", [STRICT], "strict reads no currency"),
    ("#### 18.00", "correct", [STRICT, FLEXIBLE], "lm-eval compares digits, not values"),
    ("#### 18\nNo.\n#### 17", "wrong", [STRICT], "strict takes the first ####"),
    (r"\boxed{18} eggs in 3 days", "correct", [STRICT, FLEXIBLE], "lm-eval reads no box"),
    ("The answer is 18, not 17.", "correct", [STRICT, FLEXIBLE], "we heed 'the answer is'"),
    ("The answer is 36/2.", "correct", [STRICT, FLEXIBLE], "a formula counts as its value"),
    ("#### 1,8", "wrong", [STRICT, FLEXIBLE], "lm-eval drops every comma"),
]

EXACT, VERIFY = "exact_match", "math_verify"
FINAL = "Final Answer: The final answer is {}. I hope it is correct."
HALF = r"Thus $\boxed{\frac{1}{2}}$."
MINERVA = [
    (HALF, FINAL.format(r"$\frac{1}{2}$"), "correct", [], ""),
    (HALF, FINAL.format("$0.5$"), "correct", [], ""),
    (HALF, r"\boxed{2}", "wrong", [], ""),
    (HALF, "I do not know.", "unparsed", [], ""),
    (HALF, r"$\boxed{\frac12}$", "correct", [EXACT], "exact match needs 'The final answer is'"),
    (HALF, "The answer is 1/2.", "correct", [EXACT], "as above"),
    (HALF, "\\boxed{\\frac12}\nProblem: \\boxed{7}", "correct", [EXACT], "as above"),
    (HALF, r"\boxed{50\%}", "correct", [EXACT, VERIFY], "its ANTLR does not read percentages"),
    (HALF, r"\boxed{\frac12}" + " so" * 700, "unparsed", [VERIFY], "too far from the end for us"),
    (r"$\boxed{(1,2)}$", r"\boxed{(1, 2)}", "correct", [EXACT], "as above"),
    (r"$\boxed{(1,2)}$", FINAL.format("$(1,2)$"), "correct", [], ""),
    (
        r"$\boxed{10\%}$",
        r"\boxed{10}",
        "correct",
        [EXACT, VERIFY],
        "we take either for a percentage",
    ),
    (r"$\boxed{7}$", r"\boxed{3} or \boxed{7}", "correct", [EXACT, VERIFY], "we take the last box"),
    (r"$\boxed{7}$", r"\boxed{(10^{10})!}", "timeout", [], ""),
    (r"$\boxed{\text{odd}}$", FINAL.format("odd"), "unparsed", [EXACT], "a word is no formula"),
]


@needs_lm_eval
def test_gsm8k():
    outputs = [Output(str(number), row[0], GSM8K_SOLUTION) for number, row in enumerate(GSM8K)]
    for row, found in zip(GSM8K, agreement("gsm8k", outputs), strict=True):
        text, reason, differing, _ = row
        assert (text, found.reason, found.differing) == (text, reason, differing)
        assert set(found.lm_eval) == {STRICT, FLEXIBLE}


@needs_lm_eval
def test_minerva_math():
    outputs = [Output(str(number), row[1], row[0]) for number, row in enumerate(MINERVA)]
    for row, found in zip(MINERVA, agreement("minerva_math", outputs), strict=True):
        _, text, reason, differing, _ = row
        assert (text, found.reason, found.differing) == (text, reason, differing)
        assert set(found.lm_eval) == {EXACT, VERIFY}


def test_every_difference_has_a_reason():
    for *_, differing, why in [*GSM8K, *MINERVA]:
        assert why or not differing


@needs_lm_eval
def test_a_solution_without_a_box_is_refused():
    with pytest.raises(AskdError, match=r"the solution of 'x' has no \\boxed answer"):
        agreement("minerva_math", [Output("x", "7", "7")])


def test_lm_eval_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AskdError, match=r"lm-eval is not installed; run: pip install 'askd\[eval"):
        agreement("gsm8k", [Output("x", "7", "#### 7")])
