"""MATH-style answers through minerva_math of lm-eval and through our grader.

Two sets: answers of many forms that are built here, and the outputs of a model. Every difference
needs a reason that follows from what each side took for the answer, and from which side passed it.
"""

from __future__ import annotations

from collections.abc import Sequence

from askd.evaluation.agreement import Agreement, Output, agreement
from askd.evaluation.comparison import Comparison, compared
from askd.mathematics.answers import ANSWER_LIMIT
from askd.mathematics.equality import UNPARSED
from askd.mathematics.workers import TIMEOUT

# A right answer as MATH writes it, the same written otherwise, and a wrong one.
ANSWERS = (
    ("7", "7.0", "8"),
    ("-12", "-12.00", "12"),
    ("1000", "1,000", "100"),
    (r"\frac{3}{4}", "0.75", r"\frac{4}{3}"),
    (r"2\sqrt{3}", r"\sqrt{12}", r"3\sqrt{2}"),
    (r"\frac{\pi}{2}", r"\pi/2", r"\pi"),
    ("x^2+2x+1", "(x+1)^2", "x^2+1"),
    ("(1,2)", "(1, 2)", "(2,1)"),
    ("[2,5)", "[2, 5)", "(2,5)"),
    (r"\{1,2\}", r"\{2,1\}", r"\{1,3\}"),
    (r"50\%", r"50 \%", r"5\%"),
    (r"\text{odd}", r"\mbox{odd}", r"\text{even}"),
)
# Ways to give an answer; `other` is one that a text gives up.
FORMS = {
    "boxed": r"So the answer is $\boxed{{{answer}}}$.",
    "final": "Final Answer: The final answer is ${answer}$. I hope it is correct.",
    "boxed and final": (
        r"This is $\boxed{{{answer}}}$."
        "\nFinal Answer: The final answer is ${answer}$. I hope it is correct."
    ),
    "said": "The answer is ${answer}$.",
    "goes on": "It is $\\boxed{{{answer}}}$.\n\nProblem:\nWhat is 2?\n\nSolution: $\\boxed{{2}}$",
    "corrected": r"It is $\boxed{{{other}}}$. No, it is $\boxed{{{answer}}}$.",
    "cut": r"So the answer is $\boxed{{{answer}",
}
OTHER = "99"


def built() -> list[Output]:
    """Each answer, written as MATH does, otherwise and wrongly, in each form."""
    return [
        Output(f"{form}: {answer}", text.format(answer=answer, other=OTHER), _solution(right))
        for form, text in FORMS.items()
        for right, *others in ANSWERS
        for answer in (right, *others)
    ]


def built_agreement() -> list[Comparison]:
    """Both verdicts on the answers that are built here; raises as `agreement.agreement`."""
    return _compared("MATH-style, answers of many forms", built())


def model_agreement(model: str, texts: dict[str, str], answers: dict[str, str]) -> list[Comparison]:
    """Both verdicts on a model's outputs, by item, with the answers of the items in boxes; raises
    as `agreement.agreement`."""
    outputs = [Output(item, text, _solution(answers[item])) for item, text in texts.items()]
    return _compared(f"MATH-style, answers of {model}", outputs)


def reason(metric: str, found: Agreement) -> str:
    """Why `metric` of minerva_math decides otherwise than our grader; empty if nothing is known."""
    read = found.lm_eval[metric].read
    if TIMEOUT in (found.reason, read):
        return "one side ran out of time"
    if metric == "exact_match":
        return _of_exact_match(found, read)
    return _of_math_verify(found)


def _of_exact_match(found: Agreement, read: str) -> str:
    if found.correct and read == "[invalidanswer]":
        return "exact_match reads nothing but 'Final Answer: The final answer is ...'"
    if found.correct and found.lm_eval["math_verify"].passed:
        return "exact_match does not see that the two are equal, math_verify does"
    if found.reason == UNPARSED:
        return "exact_match compares words, which are no formulas for our grader"
    return ""


def _of_math_verify(found: Agreement) -> str:
    if found.correct and "%" in found.read:
        return "with ANTLR 4.11 math_verify reads no percentages in formulas, our grader does"
    if found.correct and found.text.count(r"\boxed") > 1:
        return "math_verify takes all boxes together, we the last one"
    if not found.correct and len(found.text) > ANSWER_LIMIT and r"\boxed" not in found.text:
        return f"where nothing is boxed, our grader reads the last {ANSWER_LIMIT} characters alone"
    return ""


def _solution(answer: str) -> str:
    return rf"Thus $\boxed{{{answer}}}$."


def _compared(name: str, outputs: Sequence[Output]) -> list[Comparison]:
    found = agreement("minerva_math", outputs)
    return [
        compared(
            name, metric, one.item, one.correct, one.lm_eval[metric].passed, reason(metric, one)
        )
        for metric in ("exact_match", "math_verify")
        for one in found
    ]
