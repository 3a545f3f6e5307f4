"""The measures and the provenance of an evaluation."""

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest

from askd import __version__
from askd.evaluation.summary import measures, pass_at_k, provenance

PROMPTS = [
    {"prompt_id": "a", "messages": [{"role": "user", "content": "1+1"}], "reference": "2"},
    {"prompt_id": "b", "messages": [{"role": "user", "content": "2+2"}], "reference": "4"},
]


def item(prompt_id: str, decoding: str, reason: str) -> dict:
    correct = reason == "correct"
    return {
        "prompt_id": prompt_id,
        "decoding": decoding,
        "correct": correct,
        "reward": float(correct),
        "reason": reason,
    }


@pytest.mark.parametrize(("samples", "correct"), [(4, 0), (4, 1), (5, 2), (6, 6)])
def test_pass_at_k_counts_choices_of_k_samples(samples, correct):
    answers = [True] * correct + [False] * (samples - correct)
    for k in range(1, samples + 1):
        choices = [any(choice) for choice in combinations(answers, k)]
        assert pass_at_k(samples, correct, k) == pytest.approx(sum(choices) / len(choices))


def test_pass_at_k_is_without_bias():
    right, samples, k = Fraction(3, 10), 5, 3
    expected = sum(
        comb(samples, n) * right**n * (1 - right) ** (samples - n) * pass_at_k(samples, n, k)
        for n in range(samples + 1)
    )
    assert float(expected) == pytest.approx(float(1 - (1 - right) ** k))


@pytest.mark.parametrize(("samples", "correct", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 5), (4, 1, 0)])
def test_pass_at_k_of_what_was_not_sampled_is_refused(samples, correct, k):
    with pytest.raises(ValueError, match=f"no pass@{k} from {correct} correct of {samples}"):
        pass_at_k(samples, correct, k)


def test_measures_by_hand():
    reasons = {
        "greedy": {"a": ["correct"], "b": ["timeout"]},
        "sampled": {
            "a": ["correct", "wrong", "unparsed", "timeout"],
            "b": ["no answer", "syntax error", "wrong", "wrong"],
        },
    }
    items = [
        item(prompt_id, decoding, reason)
        for decoding, answers in reasons.items()
        for prompt_id, own in answers.items()
        for reason in own
    ]
    assert measures(items, "math") == {
        "reward": {"greedy": 0.5, "sampled": 1 / 8},
        "parse_failures": {"greedy": 0.0, "sampled": 3 / 8},
        "timeouts": {"greedy": 0.5, "sampled": 1 / 8},
        "pass_at_k": {"1": 1 / 8, "2": 0.25, "4": 0.5},
    }


def test_no_answer_is_unread_where_a_judge_compares_them():
    """What cannot be read there is the judge's own verdict, which counts half."""
    items = [item("a", decoding, "invalid") for decoding in ("greedy", "sampled")]
    judged = measures(items, "judge")
    assert judged["parse_failures"] == {"greedy": None, "sampled": None}
    assert judged["timeouts"] == {"greedy": 0.0, "sampled": 0.0}


def test_hashes_change_with_what_they_stand_for():
    first = provenance(PROMPTS, "{{ messages }}", "arithmetic")
    assert first == provenance([dict(row) for row in PROMPTS], "{{ messages }}", "arithmetic")
    other_template = provenance(PROMPTS, "{{ messages }}\n", "arithmetic")
    assert other_template["prompt_template_hash"] != first["prompt_template_hash"]
    assert other_template["task_hash"] == first["task_hash"]
    for changed in (
        [{**PROMPTS[0], "reference": "3"}, PROMPTS[1]],
        [{**PROMPTS[0], "messages": []}, PROMPTS[1]],
        PROMPTS[::-1],
        PROMPTS[:1],
    ):
        other = provenance(changed, "{{ messages }}", "arithmetic")
        assert other["task_hash"] != first["task_hash"]


def test_the_tool_is_the_one_that_decides():
    assert provenance(PROMPTS, "", "code")["tool"] == {"name": "askd", "version": __version__}
    tool = provenance(PROMPTS, "", "math")["tool"]
    assert tool["name"] == "math-verify" and tool["version"].startswith("0.")
