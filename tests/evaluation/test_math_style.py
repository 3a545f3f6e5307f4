"""MATH-style answers through minerva_math and our grader: every difference has its reason."""

import importlib.util

import pytest

from askd.evaluation.agreement import Agreement, Theirs
from askd.evaluation.comparison import UNEXPLAINED, counts
from askd.evaluation.math_style import ANSWERS, FORMS, built, built_agreement, reason

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)


def found(text: str, ours: str, read: str, exact: Theirs, verify: Theirs) -> Agreement:
    verdicts = {"exact_match": exact, "math_verify": verify}
    return Agreement("item", text, ours, ours == "correct", read, verdicts)


NO, YES = Theirs(False, "[invalidanswer]"), Theirs(True, "x")


@pytest.mark.parametrize(
    ("metric", "one", "why"),
    [
        ("exact_match", found(r"\boxed{1}", "correct", "1", NO, YES), "reads nothing but 'Final"),
        ("exact_match", found("", "correct", "1", Theirs(False, "2,1"), YES), "math_verify does"),
        ("exact_match", found("", "correct", "1", Theirs(False, "2"), NO), ""),
        ("exact_match", found("", "unparsed", "", Theirs(True, "odd"), NO), "compares words"),
        ("exact_match", found("", "wrong", "1", Theirs(True, "2"), NO), ""),
        ("math_verify", found("", "correct", "50%", NO, Theirs(False, "[]")), "no percentages"),
        ("math_verify", found(r"\boxed{1}\boxed{2}", "correct", "2", NO, NO), "all boxes"),
        ("math_verify", found(r"\boxed{1}\boxed{2}", "wrong", "2", NO, YES), ""),
        ("math_verify", found(r"\boxed{1}", "correct", "1", NO, NO), ""),
        ("math_verify", found("$1$" + 400 * " so", "unparsed", "", NO, YES), "the last 300"),
        ("math_verify", found("$1$", "unparsed", "", NO, YES), ""),
        ("math_verify", found("", "timeout", "", NO, YES), "ran out of time"),
    ],
)
def test_a_reason_follows_from_the_direction_and_from_what_was_read(metric, one, why):
    assert why in reason(metric, one) and bool(why) == bool(reason(metric, one))


def test_each_answer_is_in_each_form():
    outputs = built()
    assert len({output.item for output in outputs}) == len(FORMS) * 3 * len(ANSWERS)
    assert all(output.solution.startswith(r"Thus $\boxed{") for output in outputs)


@needs_lm_eval
def test_the_answers_of_many_forms_differ_for_known_reasons():
    comparisons = built_agreement()
    assert [one for one in comparisons if one.reason == UNEXPLAINED] == []
    by_metric = {count.verdict: count for count in counts(comparisons)}
    assert by_metric["math_verify"].equal > 0.95 * by_metric["math_verify"].items
    assert by_metric["math_verify"].differing > 0
    assert by_metric["exact_match"].passed_ours > by_metric["exact_match"].passed_theirs > 0
