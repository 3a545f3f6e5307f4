"""The configuration: what ships validates, and what is wrong is named with what was meant."""

from __future__ import annotations

import copy
import importlib
import json
import typing
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from askd import config
from askd.config import Config, Method, Rollout, Training, validate, validated_json
from askd.errors import AskdError

ROOT = Path(__file__).resolve().parent.parent

WORDS = {"label": "test"}
SKL = {"divergence": "skl", "estimator": "sampled", "skewness": "projected"}
RKL = {"divergence": "rkl", "estimator": "policy_gradient"}


def refusal(kind, value) -> str:
    with pytest.raises(AskdError) as error:
        validate(kind, value, "test")
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(configuration: dict, path: str, value: object) -> dict:
    """A copy of the configuration with `value` at the dotted `path`."""
    result = copy.deepcopy(configuration)
    *folders, last = path.split("/")
    section = result
    for folder in folders:
        section = section.setdefault(folder, {})
    section[last] = value
    return result


def test_the_default_configuration_is_valid(configuration):
    parsed = validate(Config, configuration, "configuration")
    assert parsed.scale == "nano"
    assert set(parsed.methods) == set(configuration["methods"])


def test_settings_survive_json(configuration):
    """The workflow passes sections as JSON and the stages read them back."""
    parsed = validate(Config, configuration, "configuration")
    sections = [parsed.training, parsed.rollout, parsed.advantage, *parsed.methods.values()]
    for section in sections:
        text = json.dumps(section.model_dump(mode="json"))
        assert validated_json(type(section), text) == section


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("sedes", "seeds"),
        ("training/lerning_rate", "learning_rate"),
        ("rollout/temprature", "temperature"),
        ("models/qwen2-math-teacher/hiden_size", "hidden_size"),
        ("models/qwen2-math-teacher/errors/noize", "noise"),
        ("tasks/arithmetic/levels/easy/operatons", "operations"),
        ("pairs/qwen2-math/techer", "teacher"),
        ("methods/askd/sgo/clip_corect", "clip_correct"),
        ("methods/askd/tgos", "tgo"),
        ("tables/table2/benchmark", "benchmarks"),
        ("benchmarks/arithmetic-easy/splt", "split"),
    ],
)
def test_a_misspelt_key_names_the_nearest_and_its_place(configuration, path, meant):
    message = refusal(Config, changed(configuration, path, 1))
    *folders, key = path.split("/")
    assert f"unknown key {key!r}; did you mean {meant!r}?" in message
    for folder in folders:
        assert folder in message.partition("unknown key")[0]


def test_a_key_that_is_like_no_other_lists_all():
    message = refusal(Rollout, {"max_new_tokens": 3, "zzz": 1})
    assert "unknown key 'zzz'; known are batch_size, engine, max_new_tokens, " in message


@pytest.mark.parametrize(
    ("path", "value", "kind", "word", "meant"),
    [
        ("tables/table2/systems", ["askdd"], "method", "askdd", "askd"),
        ("tables/table2/systems", ["techer"], "method", "techer", "teacher"),
        ("tables/table2/compare", "ask", "method", "ask", "askd"),
        ("tables/table2/pairs", ["qwen-math"], "pair", "qwen-math", "qwen2-math"),
        (
            "tables/table2/benchmarks",
            ["arithmetic-hart"],
            "benchmark",
            "arithmetic-hart",
            "arithmetic-hard",
        ),
        ("pairs/qwen2-math/teacher", "qwen2-math", "model", "qwen2-math", "qwen2-math-teacher"),
        ("pairs/qwen2-math/task", "aritmetic", "task", "aritmetic", "arithmetic"),
        ("models/qwen2-math-teacher/task", "aritmetic", "task", "aritmetic", "arithmetic"),
        ("benchmarks/arithmetic-easy/task", "aritmetic", "task", "aritmetic", "arithmetic"),
        ("benchmarks/arithmetic-easy/level", "esy", "level", "esy", "easy"),
        ("tuned", {"qwen2-mat": {}}, "pair", "qwen2-mat", "qwen2-math"),
        ("tuned", {"qwen2-math": {"gdk": {"learning_rate": 0.1}}}, "method", "gdk", "gkd"),
        ("methods/askd-batch/tuned_as", "asdk", "method", "asdk", "askd"),
        (
            "pairs/qwen2.5-coder/tuned_as",
            "deepsek-coder",
            "pair",
            "deepsek-coder",
            "deepseek-coder",
        ),
        ("sweep/alternatives", {"gdk": [{}]}, "method", "gdk", "gkd"),
        ("figures/pair", "qwen2-mat", "pair", "qwen2-mat", "qwen2-math"),
        ("estimators/pair", "qwen2-mat", "pair", "qwen2-mat", "qwen2-math"),
        ("sweep/benchmarks", ["arithmetic"], "benchmark", "arithmetic", "arithmetic-hard"),
        ("sweep/methods", ["ask"], "method", "ask", "askd"),
        ("sweep/pairs", ["zzz"], "pair", "zzz", None),
    ],
)
def test_an_unknown_name_names_the_nearest(configuration, path, value, kind, word, meant):
    message = refusal(Config, changed(configuration, path, value))
    assert f"unknown {kind} {word!r}; " in message
    assert (f"did you mean {meant!r}?" if meant else "known are ") in message
    assert path.replace("/", ".") in message


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
def test_a_bad_term_is_refused(side, term, reason):
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
def test_a_bad_policy_is_refused(policy, reason):
    assert reason in refusal(Method, {**WORDS, "sgo": {"divergence": "kl"}, "policy": policy})


def test_a_policy_needs_student_outputs():
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
def test_reference_answers_are_no_samples(term, allowed):
    value = {**WORDS, "reference": term}
    if allowed:
        assert not validate(Method, value, "test").uses_rewards("reference")
    else:
        assert "reference: the worked answers are samples of no model" in refusal(Method, value)


@pytest.mark.parametrize("term", ["nll", 3, ["nll"]])
def test_a_term_that_is_no_mapping_is_refused(term):
    assert "a term needs `divergence`" in refusal(Method, {**WORDS, "tgo": term})


def test_a_method_needs_a_term():
    assert "at least one of the terms reference, tgo, sgo" in refusal(Method, WORDS)


def test_detaching_the_reverse_mixture_is_allowed():
    term = {**SKL, "divergence": "srkl", "estimator": "full_vocabulary", "detach_mixture": True}
    assert validate(Method, {**WORDS, "sgo": term}, "test").sgo.detach_mixture


def test_joint_advantages_and_refreshed_outputs_exclude_each_other(configuration):
    joint = changed(configuration, "advantage", {"sides": "joint"})
    assert "joint needs training.refresh_every: 0" in refusal(Config, joint)
    validate(Config, changed(joint, "training/refresh_every", 0), "test")


def test_greedy_rollouts_are_refused(configuration):
    message = refusal(Config, changed(configuration, "rollout/temperature", 0))
    assert "rollout.temperature: 0 gives equal samples" in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seeds", 0),
        ("rollout/top_p", 0),
        ("training/learning_rate", -1),
        ("training/adam_betas", [0.9]),
        ("tasks/arithmetic/largest_operand", 10),
        ("tasks/arithmetic/kind", "aritmetic"),
        ("scale", "Nano scale"),
        ("methods/A SKD", {**WORDS, "tgo": SKL}),
        ("rollout", None),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_place(configuration, path, value):
    message = refusal(Config, changed(configuration, path, value))
    for part in path.split("/"):
        assert part in message


def test_all_wrong_values_are_reported_at_once(configuration):
    message = refusal(Config, changed(changed(configuration, "seeds", 0), "rollout/top_p", 2))
    assert "seeds: " in message
    assert "rollout.top_p: " in message


@pytest.mark.parametrize(
    ("path", "value"),
    [("tasks/arithmetic/largest_operand", 10), ("methods/gkd/tgo/beta", 2)],
)
def test_the_place_of_a_value_in_a_union_is_its_path(configuration, path, value):
    message = refusal(Config, changed(configuration, path, value))
    assert path.replace("/", ".") in message


def test_an_infinite_learning_rate_is_refused(configuration):
    refusal(Config, changed(configuration, "training/learning_rate", float("inf")))


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "[1, 2]", "3", "null"])
def test_settings_that_are_no_json_object_are_refused(text):
    with pytest.raises(AskdError, match=r"^--settings: "):
        validated_json(Training, text)


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


def test_a_methods_own_learning_rate_goes_before_the_tuned_before_the_default(configuration):
    chosen = {"askd": {"learning_rate": 0.5}, "gkd": {"learning_rate": 0.25}}
    tuned = changed(configuration, "tuned", {"qwen2-math": chosen})
    parsed = validate(Config, changed(tuned, "methods/askd/learning_rate", 0.75), "test")
    assert parsed.learning_rate("qwen2-math", "askd") == 0.75
    assert parsed.learning_rate("qwen2-math", "gkd") == 0.25
    assert parsed.learning_rate("qwen2.5-math", "gkd") == parsed.training.learning_rate


def test_learning_rates_are_never_chosen_on_what_is_reported(configuration):
    test_items = changed(configuration, "sweep/benchmarks", ["arithmetic-easy"])
    assert "arithmetic-easy is of test items" in refusal(Config, test_items)
    assert "not for choosing" in refusal(Config, changed(configuration, "sweep/seeds", [0]))


def test_a_sweep_adds_each_try_as_a_method_whatever_was_chosen_before(configuration):
    chosen = {"askd": {"learning_rate": 0.5, "options": {"projection": {"beta": 9}}}}
    tuned = changed(configuration, "tuned", {"qwen2-math": chosen})
    tuned = changed(tuned, "sweep/learning_rates", [0.002, 0.008])
    alternatives = {
        "askd": [{"projection": {"beta": 2}}],
        "gkd": [{"tgo": {"beta": 0.9}, "sgo": {"beta": 0.9}}],
        "minillm": [{"policy": {"teacher_weight": 0.5}}],
    }
    tuned = changed(tuned, "sweep/alternatives", alternatives)
    parsed = validate(Config, tuned, "test")
    varied = parsed.with_sweep_variants()
    for name in parsed.sweep.methods:
        rates = parsed.sweep.learning_rates
        tries = parsed.sweep.tries(name)
        assert len(tries) == len(rates) * (1 + len(parsed.sweep.alternatives.get(name, [])))
        for variant, tried in tries.items():
            assert varied.learning_rate("qwen2-math", variant) == tried.learning_rate
            method = varied.method("qwen2-math", variant)
            assert method == varied.methods[variant]
            if not tried.options:
                assert method.terms == parsed.methods[name].terms
                assert method.projection == parsed.methods[name].projection
    assert varied.methods["askd@0.002@1"].projection.beta == 2
    assert varied.methods["gkd@0.008@1"].sgo.beta == 0.9
    assert varied.methods["gkd@0.008@1"].sgo.divergence == "jsd"
    assert varied.methods["minillm@0.002@1"].policy.teacher_weight == 0.5
    assert varied.methods["minillm@0.002@1"].policy.kind == "mixture"


def test_a_pair_without_validation_prompts_of_its_task_cannot_be_tuned(configuration):
    benchmarks = ["arithmetic-easy-validation", "instructions-long-validation"]
    message = refusal(Config, changed(configuration, "sweep/benchmarks", benchmarks))
    assert "sweep.benchmarks: none is of 'programs', the task of the pair deepseek-coder" in message


def test_tries_are_named_by_rate_and_alternative_in_the_order_of_preference(configuration):
    sweep = {
        "methods": ["gkd", "sft"],
        "pairs": ["qwen2-math"],
        "learning_rates": [0.004, 0.001],
        "alternatives": {"gkd": [{"tgo": {"beta": 0.9}}, {"tgo": {"beta": 0.1}}]},
        "seeds": [1000],
        "benchmarks": ["arithmetic-easy-validation"],
    }
    parsed = validate(Config, changed(configuration, "sweep", sweep), "test")
    tries = parsed.sweep.tries("gkd")
    assert {name: (tried.learning_rate, tried.options) for name, tried in tries.items()} == {
        "gkd@0.001": (0.001, {}),
        "gkd@0.004": (0.004, {}),
        "gkd@0.001@1": (0.001, {"tgo": {"beta": 0.9}}),
        "gkd@0.004@1": (0.004, {"tgo": {"beta": 0.9}}),
        "gkd@0.001@2": (0.001, {"tgo": {"beta": 0.1}}),
        "gkd@0.004@2": (0.004, {"tgo": {"beta": 0.1}}),
    }
    assert list(tries)[:3] == ["gkd@0.001", "gkd@0.004", "gkd@0.001@1"]
    assert list(parsed.sweep.tries("sft")) == ["sft@0.001", "sft@0.004"]


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"tgo": {"bta": 0.9}}, "unknown key 'bta'; did you mean 'beta'?"),
        ({"tgo": {"beta": 2}}, "sweep, gkd@0.002@1: tgo.beta"),
        ({"tgos": {"beta": 0.9}}, "did you mean 'tgo'?"),
        ({"projection": {"beta": 2}}, "no term of the method has skewness: projected"),
    ],
)
def test_an_alternative_that_is_no_method_is_refused(configuration, option, reason):
    sweep = changed(configuration, "sweep/learning_rates", [0.002])
    parsed = validate(Config, changed(sweep, "sweep/alternatives", {"gkd": [option]}), "test")
    with pytest.raises(AskdError) as error:
        parsed.with_sweep_variants()
    assert reason in str(error.value)
    assert str(error.value).startswith("sweep, gkd@0.002@1: ")


def test_a_pair_sweeps_the_methods_that_its_tables_show(configuration):
    tables = {
        "one": {
            "title": "x",
            "pairs": ["qwen2-math"],
            "systems": ["teacher", "sft", "askd"],
            "benchmarks": ["arithmetic-easy"],
            "compare": "askd",
        },
        "two": {
            "title": "y",
            "pairs": ["qwen2-math", "qwen2.5-math"],
            "systems": ["askd", "grpo"],
            "benchmarks": ["arithmetic-easy"],
            "compare": "askd",
        },
    }
    parsed = validate(Config, changed(configuration, "tables", tables), "test")
    assert parsed.swept("qwen2-math") == ["sft", "askd", "grpo"]
    assert parsed.swept("qwen2.5-math") == ["askd", "grpo"]
    assert parsed.swept("qwen2-instruct") == []


def tuned(configuration: dict, **chosen: dict) -> Config:
    value = {
        method.replace("_", "-"): {"learning_rate": 0.5, "options": options}
        for method, options in chosen.items()
    }
    return validate(Config, changed(configuration, "tuned", {"qwen2-math": value}), "test")


def test_a_method_runs_with_the_options_that_were_chosen_for_its_pair(configuration):
    parsed = tuned(
        configuration, gkd={"tgo": {"beta": 0.9}}, minillm={"policy": {"teacher_weight": 0.5}}
    )
    gkd = parsed.method("qwen2-math", "gkd")
    assert gkd.tgo.beta == 0.9 and gkd.sgo.beta == parsed.methods["gkd"].sgo.beta == 0.5
    assert gkd.label == "GKD"
    assert parsed.method("qwen2-math", "minillm").policy.teacher_weight == 0.5
    for name in ("sft", "askd"):
        assert parsed.method("qwen2-math", name) == parsed.methods[name]
    for name in ("gkd", "minillm"):
        assert parsed.method("qwen2.5-math", name) == parsed.methods[name]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tgo": {"bta": 0.9}}, "unknown key 'bta'; did you mean 'beta'?"),
        ({"projection": {"beta": 2}}, "no term of the method has skewness: projected"),
        ({"sgo": {"beta": 2}}, "sgo.beta: Input should be less than or equal to 1"),
    ],
)
def test_chosen_options_that_make_no_method_are_refused(configuration, options, reason):
    chosen = {"qwen2-math": {"gkd": {"learning_rate": 0.5, "options": options}}}
    message = refusal(Config, changed(configuration, "tuned", chosen))
    assert message.startswith("tuned, qwen2-math, gkd: ") and reason in message


def test_a_pair_may_use_what_was_chosen_for_another(configuration):
    own = changed(configuration, "pairs/qwen2.5-math/tuned_as", "qwen2-math")
    parsed = tuned(own, gkd={"tgo": {"beta": 0.9}})
    assert parsed.learning_rate("qwen2.5-math", "gkd") == 0.5
    assert parsed.method("qwen2.5-math", "gkd") == parsed.method("qwen2-math", "gkd")
    assert parsed.learning_rate("qwen2.5-math", "sft") == parsed.training.learning_rate


def test_an_ablation_shares_what_was_chosen_for_its_method_but_for_its_own_row(configuration):
    """Were the chosen beta put over that of the row, all rows of the ablation would be the same."""
    parsed = tuned(configuration, askd={"projection": {"beta": 2, "normalization": "batch"}})
    assert parsed.method("qwen2-math", "askd").projection.beta == 2
    for name, beta, normalization in (
        ("askd-beta-0.5", 0.5, "batch"),
        ("askd-beta-1", 1, "batch"),
        ("askd-beta-2", 2, "batch"),
        ("askd-batch", 2, "batch"),
        ("askd-no-constant", 2, "batch"),
    ):
        method = parsed.method("qwen2-math", name)
        assert (method.projection.beta, method.projection.normalization) == (beta, normalization)
        assert method.label == parsed.methods[name].label
        assert method.terms == parsed.methods[name].terms
        assert parsed.learning_rate("qwen2-math", name) == 0.5
    # Nor does an ablation without a choice of its own use its own name.
    assert parsed.method("qwen2.5-math", "askd-batch") == parsed.methods["askd-batch"]


def test_a_method_that_shares_no_choice_uses_its_own(configuration):
    parsed = tuned(configuration, askd_wo_3={"projection": {"beta": 2}})
    assert parsed.method("qwen2-math", "askd-wo-3").projection.beta == 2
    assert parsed.method("qwen2-math", "askd").projection is None
    assert parsed.learning_rate("qwen2-math", "askd") == parsed.training.learning_rate


@pytest.mark.parametrize("projection", [{"beta": 2}, {"normalization": "batch"}, {}])
@pytest.mark.parametrize("name", ["gkd", "sft", "grpo", "askd-wo-2"])
def test_a_projection_needs_a_reader(configuration, name, projection):
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
def test_a_bad_projection_is_refused(projection, reason):
    assert reason in refusal(Method, {**WORDS, "tgo": SKL, "projection": projection})


def test_a_table_of_different_measures_is_refused(configuration):
    mixed = ["arithmetic-easy", "instructions-alpaca"]
    message = refusal(Config, changed(configuration, "tables/table2/benchmarks", mixed))
    assert "tables.table2.benchmarks: they measure different things (pass@1, win rate)" in message
    same = ["arithmetic-easy", "programs-mbpp"]
    validate(Config, changed(configuration, "tables/table2/benchmarks", same), "test")


def test_what_the_rewards_of_a_task_are_called(configuration):
    tasks = validate(Config, configuration, "test").tasks
    assert {name: task.measure for name, task in tasks.items()} == {
        "arithmetic": "pass@1",
        "programs": "pass@1",
        "instructions": "win rate",
    }


@pytest.mark.parametrize("task", ["arithmetic", "programs", "instructions"])
def test_levels_that_share_prompts_are_refused(configuration, task):
    """Else a test prompt of one level could be a training prompt of the other."""
    level = {"operations": [3, 9], "train": 9, "validation": 9, "test": 9}
    message = refusal(Config, changed(configuration, f"tasks/{task}/levels/more", level))
    assert "'more' both have prompts of 3 operations" in message
    level = {"operations": [8, 9], "train": 9, "validation": 9, "test": 9}
    validate(Config, changed(configuration, f"tasks/{task}/levels/more", level), "test")


@pytest.mark.parametrize("section", ["figures", "estimators", "sweep"])
def test_a_configuration_may_do_without(configuration, section):
    parsed = validate(Config, changed(configuration, section, None), "test")
    assert getattr(parsed, section) is None
    parsed.with_sweep_variants()


@pytest.mark.parametrize("key", ["near", "methods"])
def test_estimators_name_methods(configuration, key):
    value = "askdd" if key == "near" else ["askdd"]
    message = refusal(Config, changed(configuration, f"estimators/{key}", value))
    assert "estimators: unknown method 'askdd'; did you mean 'askd'?" in message


def test_the_model_that_answers_humaneval_is_one_of_the_configuration(configuration):
    solver = {"model": "qwen2-math-studen"}
    message = refusal(Config, changed(configuration, "agreement/humaneval", solver))
    assert "agreement.humaneval.model: unknown model 'qwen2-math-studen'" in message


def test_the_larger_scale_is_valid(configuration):
    full = yaml.safe_load((ROOT / "config" / "full.yaml").read_text(encoding="utf-8"))
    larger = copy.deepcopy(configuration)
    for name, table in full.pop("tables").items():
        larger["tables"].setdefault(name, {}).update(table)
    parsed = validate(Config, {**larger, **full}, "test")
    assert parsed.seeds == full["seeds"]
    assert {pair for table in parsed.tables.values() for pair in table.pairs} == set(parsed.pairs)


def test_plain_rollouts_are_unwarped():
    assert Rollout(max_new_tokens=1).is_plain
    assert not Rollout(max_new_tokens=1, temperature=0.7).is_plain
    assert not Rollout(max_new_tokens=1, top_p=0.9).is_plain


def test_the_schema_file_is_the_schema_of_the_code():
    text = (ROOT / "config" / "schema.json").read_text(encoding="utf-8")
    assert text == config.schema(), "run `askd schema > config/schema.json`"


def models_below(kind, seen: set) -> set:
    """All pydantic models that the annotation `kind` mentions, and those below them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in seen:
            seen.add(kind)
            for field in kind.model_fields.values():
                models_below(field.annotation, seen)
    else:
        for argument in typing.get_args(kind):
            models_below(argument, seen)
    return seen


def test_every_key_has_a_description():
    models = models_below(Config, set())
    assert config.SampledSkewTerm in models and config.Level in models
    missing = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert missing == []
    assert [model.__name__ for model in models if not model.__doc__] == []


@pytest.mark.parametrize(
    "path",
    [
        "askd.evaluation.evaluate.EvaluateSettings",
        "askd.training.stage.TrainSettings",
        "askd.models.pretrain.PretrainSettings",
    ],
)
def test_stage_settings_have_descriptions_too(path):
    module, name = path.rsplit(".", 1)
    fields = getattr(importlib.import_module(module), name).model_fields
    assert [key for key, field in fields.items() if not field.description] == []


def test_the_schema_accepts_the_default_configuration(configuration):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(config.schema())
    jsonschema.validate(configuration, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(configuration, "training/lerning_rate", 1), schema)


def test_a_union_of_tasks_reads_either_kind():
    task = {"kind": "jsonl", "grader": "arithmetic", "train": "a", "validation": "b", "test": "c"}
    assert TypeAdapter(config.Task).validate_python(task).train == "a"
    assert "unknown key 'levels'" in refusal(config.Task, {**task, "levels": {}})


def test_a_model_that_learns_prompts_from_files_is_refused(configuration):
    task = {"kind": "jsonl", "grader": "arithmetic", "train": "a", "validation": "b", "test": "c"}
    own = changed(configuration, "tasks/mine", task)
    name = next(iter(own["models"]))
    message = refusal(Config, changed(own, f"models/{name}/task", "mine"))
    assert f"models.{name}.task: 'mine' is not a generated task" in message
