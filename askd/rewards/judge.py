"""The grader by pairwise judging: how an answer fares against a fixed baseline answer.

The judge is a rule, for generated instructions, or a language model behind an endpoint. Either is
asked in both orders; `askd.judge.verdicts` says what its verdicts are worth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from askd.config import Judge, RuleJudge
from askd.errors import AskdError
from askd.judge.prompts import Pair, question_of
from askd.judge.references import baseline_of
from askd.judge.verdicts import PairVerdict, Verdict, rates
from askd.rewards.result import Answer, Grade
from askd.tasks.instructions import broken_rules

Compare = Callable[[str, str], Verdict]


def in_both_orders(compare: Compare, answer: str, baseline: str) -> PairVerdict:
    """What `compare` says of `answer` and `baseline`."""
    return PairVerdict(compare(answer, baseline), compare(baseline, answer))


def rule_judge(rules: dict) -> Compare:
    """Prefers the answer that breaks fewer of `rules`; knows no place, no length and no style."""

    def compare(first: str, second: str) -> Verdict:
        one, other = broken_rules(first, rules), broken_rules(second, rules)
        return "tie" if one == other else "first" if one < other else "second"

    return compare


def grade(answers: Sequence[Answer], settings: Judge) -> tuple[list[Grade], dict]:
    """The win rate of each answer against the baseline in its reference, and the judge's rates.

    An answer counts as correct if it wins in both orders.

    Raises:
        AskdError: a reference does not hold a baseline (and rules, where a rule is the judge), or
            the endpoint failed.
    """
    if isinstance(settings, RuleJudge):
        verdicts = [_by_rule(answer) for answer in answers]
        about = {"kind": "rule", **rates(verdicts)}
    else:
        from askd.judge.endpoint import judge_pairs

        verdicts, about = judge_pairs([pair(answer) for answer in answers], settings)
    return [Grade(v.score, v.score == 1.0, v.reason) for v in verdicts], about


def pair(answer: Answer) -> Pair:
    """What an endpoint is asked about `answer`.

    Raises:
        AskdError: its reference holds no baseline.
    """
    baseline = baseline_of(answer.reference, f"prompts: the reference of {answer.prompt_id!r}")
    return Pair(question_of(answer.messages), answer.text, baseline)


def _by_rule(answer: Answer) -> PairVerdict:
    try:
        reference = json.loads(answer.reference)
        judge, baseline = rule_judge(reference["rules"]), reference["baseline"]
        return in_both_orders(judge, answer.text, baseline)
    except (ValueError, KeyError, TypeError) as error:
        raise AskdError(
            f"prompts: the reference of {answer.prompt_id!r} does not hold rules and a baseline, "
            "as the judge 'rule' needs; for answers in words choose a judge of kind 'endpoint' "
            f"({type(error).__name__}: {error})."
        ) from error
