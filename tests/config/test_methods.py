"""A row of methods.yaml: its terms, policy and projection, and what it needs."""

from __future__ import annotations

import pytest

from askd.config import Method, validate

WORDS = {"label": "test"}
SKL = {"divergence": "skl", "estimator": "sampled", "skewness": "projected"}
RKL = {"divergence": "rkl", "estimator": "policy_gradient"}

# reads rewards of tgo, of sgo; reads teacher log-probabilities of tgo, of sgo; loads the teacher
NO, YES = False, True
NEEDS = {
    "sft": (NO, NO, NO, NO, NO, ["likelihood"], "worked answers"),
    "kd": (NO, NO, NO, NO, YES, ["kullback_leibler"], "worked answers"),
    "seqkd": (NO, NO, NO, NO, NO, ["likelihood"], "none"),
    "imitkd": (NO, NO, NO, NO, YES, ["kullback_leibler"], "none"),
    "gkd": (NO, NO, NO, NO, YES, ["jensen_shannon"], "none"),
    "akl": (NO, NO, NO, NO, YES, ["adaptive_kl"], "worked answers"),
    "minillm": (NO, NO, NO, YES, YES, ["policy_gradient"], "none"),
    "speculative-kd": (NO, NO, NO, NO, YES, ["kullback_leibler"], "none"),
    "distillm2": (NO, NO, NO, NO, YES, ["skew"], "none"),
    "askd": (YES, YES, YES, YES, NO, ["sampled"], "rewards"),
    "askd-plus": (YES, YES, NO, NO, YES, ["skew"], "rewards"),
    "askd-wo-1": (YES, YES, NO, NO, YES, ["skew"], "rewards"),
    "askd-wo-2": (NO, YES, YES, YES, NO, ["sampled"], "rewards"),
    "askd-wo-3": (YES, YES, YES, YES, NO, ["sampled"], "rewards"),
    "askd-wo-2-3": (NO, NO, YES, YES, NO, ["sampled"], "none"),
    "askd-wo-1-2-3": (NO, NO, NO, NO, YES, ["skew"], "none"),
    "grpo": (YES, YES, YES, YES, NO, ["sampled"], "rewards"),
    **dict.fromkeys(
        (
            "askd-beta-0.5",
            "askd-beta-1",
            "askd-beta-2",
            "askd-batch",
            "askd-no-constant",
            "askd-reward-to-go",
            "askd-stale",
            "askd-stale-ratio",
        ),
        (YES, YES, YES, YES, NO, ["sampled"], "rewards"),
    ),
}
# Methods whose rewards become skewness; the others read rewards for kappa or a factor, or not.
PROJECT = {name for name, needs in NEEDS.items() if needs[0] and name != "grpo"}


@pytest.mark.parametrize(
    ("side", "term", "reason"),
    [
        ("tgo", {"divergence": "fkl"}, "a term needs `divergence`: nll, kl, akl, jsd, rkl, skl"),
        ("tgo", {}, "a term needs `divergence`"),
        ("tgo", {"divergence": "skl", "skewness": 0.1}, "`estimator`: full_vocabulary or sampled"),
        ("tgo", {"divergence": ["skl"]}, "a term needs `divergence`"),
        ("tgo", {**SKL, "beta": 0.5}, "unknown key 'beta'"),
        ("tgo", {**SKL, "detach_mixture": True}, "unknown key 'detach_mixture'"),
        ("tgo", {**SKL, "skewness": 1.5}, "less than or equal to 1"),
        ("tgo", {**SKL, "skewness": "project"}, "projected"),
        ("tgo", {**SKL, "form": "sequence"}, "sequence_mixture"),
        ("tgo", {**SKL, "weight": 0}, "greater than 0"),
        ("tgo", {"divergence": "jsd", "beta": 0.5, "skewness": 0.1}, "unknown key 'skewness'"),
        ("tgo", {"divergence": "jsd"}, "beta: Field required"),
        ("sgo", {"divergence": "nll", "estimator": "sampled"}, "unknown key 'estimator'"),
        (
            "sgo",
            {**SKL, "divergence": "srkl", "estimator": "full_vocabulary", "importance": "ratio"},
            "unknown key 'importance'",
        ),
        (
            "tgo",
            {**SKL, "estimator": "full_vocabulary", "detach_mixture": True},
            "detach_mixture goes with srkl",
        ),
        ("tgo", {"divergence": "kl", "skewness": 0.5}, "unknown key 'skewness'"),
        ("tgo", {"divergence": "akl", "head_mass": 1.5}, "less than or equal to 1"),
        ("sgo", {"divergence": "rkl"}, "estimator: Field required"),
        ("sgo", {**RKL, "discount": 1.5}, "less than or equal to 1"),
        ("sgo", {**RKL, "skewness": 0.5}, "unknown key 'skewness'"),
        ("tgo", RKL, "tgo: rkl by policy gradient goes with sgo"),
        (
            "tgo",
            {**SKL, "estimator": "full_vocabulary", "advantage_factor": True},
            "unknown key 'advantage_factor'",
        ),
        (
            "tgo",
            {**SKL, "estimator": "full_vocabulary", "skewness": 0.9, "outcome": "leave_one_out"},
            "outcome needs skewness: projected",
        ),
        ("tgo", {**SKL, "outcome": "leave_one_out"}, "unknown key 'outcome'"),
        ("tgo", {**SKL, "estimator": "full_vocabulary", "outcome": "mean"}, "leave_one_out"),
    ],
)
def test_a_bad_term_is_refused(side, term, reason, refusal):
    message = refusal(Method, {**WORDS, side: term})
    assert reason in message
    assert f"test: {side}" in message


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"kind": "speculative", "top_k": 0}, "policy.top_k: Input should be greater than 0"),
        ({"kind": "speculative", "topk": 3}, "unknown key 'topk'; did you mean 'top_k'?"),
        ({"kind": "mixture"}, "policy.teacher_weight: Field required"),
        ({"kind": "mixture", "teacher_weight": 1.5}, "less than or equal to 1"),
        ({"kind": "student"}, "'mixture', 'speculative'"),
        ({"top_k": 3}, "kind"),
    ],
)
def test_a_bad_policy_is_refused(policy, reason, refusal):
    assert reason in refusal(Method, {**WORDS, "sgo": {"divergence": "kl"}, "policy": policy})


def test_a_policy_needs_student_outputs(refusal):
    policy = {"kind": "mixture", "teacher_weight": 0.5}
    message = refusal(Method, {**WORDS, "tgo": {"divergence": "kl"}, "policy": policy})
    assert "policy: it samples student outputs, and the method has no term sgo" in message


@pytest.mark.parametrize(
    ("term", "allowed"),
    [
        ({"divergence": "nll"}, True),
        ({"divergence": "kl"}, True),
        ({"divergence": "akl"}, True),
        ({"divergence": "jsd", "beta": 0.5}, True),
        ({**SKL, "estimator": "full_vocabulary", "skewness": 0.9}, True),
        ({**SKL, "estimator": "full_vocabulary"}, False),
        ({**SKL, "estimator": "full_vocabulary", "skewness": 0.9, "clip_correct": True}, False),
        ({**SKL, "skewness": 0.9}, False),
        (RKL, False),
    ],
)
def test_reference_answers_are_no_samples(term, allowed, refusal):
    value = {**WORDS, "reference": term}
    if allowed:
        assert not validate(Method, value, "test").uses_rewards("reference")
    else:
        assert "reference: the worked answers are samples of no model" in refusal(Method, value)


@pytest.mark.parametrize("term", ["nll", 3, ["nll"]])
def test_a_term_that_is_no_mapping_is_refused(term, refusal):
    assert "a term needs `divergence`" in refusal(Method, {**WORDS, "tgo": term})


def test_a_method_needs_a_term(refusal):
    assert "at least one of the terms reference, tgo, sgo" in refusal(Method, WORDS)


def test_detaching_the_reverse_mixture_is_allowed():
    term = {**SKL, "divergence": "srkl", "estimator": "full_vocabulary", "detach_mixture": True}
    assert validate(Method, {**WORDS, "sgo": term}, "test").sgo.detach_mixture


def test_every_shipped_method_is_listed_here(methods):
    assert set(methods) == set(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_what_a_method_needs(methods, name):
    method = methods[name]
    assert (
        *(method.uses_rewards(side) for side in ("tgo", "sgo")),
        *(method.is_sampled(side) for side in ("tgo", "sgo")),
        method.needs_teacher_model,
        [module.removeprefix("askd.objectives.") for module in method.objective_modules],
        method.supervision,
    ) == NEEDS[name]
    assert method.projects == (name in PROJECT)
    assert not method.uses_rewards("reference")


def test_clipping_alone_needs_rewards():
    term = {**SKL, "divergence": "srkl", "skewness": 0.1}
    clipped = validate(Method, {**WORDS, "sgo": {**term, "clip_correct": True}}, "test")
    assert clipped.uses_rewards("sgo")
    assert not validate(Method, {**WORDS, "sgo": term}, "test").uses_rewards("sgo")


@pytest.mark.parametrize("projection", [{"beta": 2}, {"normalization": "batch"}, {}])
@pytest.mark.parametrize("name", ["gkd", "sft", "grpo", "askd-wo-2"])
def test_a_projection_needs_a_reader(configuration, name, projection, refusal):
    message = refusal(Method, {**configuration["methods"][name], "projection": projection})
    assert "projection: no term of the method has skewness: projected" in message


@pytest.mark.parametrize(
    ("projection", "reason"),
    [
        ({"beta": 0}, "projection.beta: Input should be greater than 0"),
        ({"normalization": "groups"}, "'group' or 'batch'"),
        ({"bta": 1}, "did you mean 'beta'?"),
    ],
)
def test_a_bad_projection_is_refused(projection, reason, refusal):
    assert reason in refusal(Method, {**WORDS, "tgo": SKL, "projection": projection})
