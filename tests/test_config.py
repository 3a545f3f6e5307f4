"""The configuration: what ships validates, and what is wrong is named with what was meant."""

from __future__ import annotations

import copy
import importlib
import json
import typing
from pathlib import Path

import pytest
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
    assert "unknown key 'zzz'; known are batch_size, max_new_tokens, samples_per_prompt" in message


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
        ("tuned", {"qwen2-math": {"gdk": 0.1}}, "method", "gdk", "gkd"),
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
    "askd-wo-1": (YES, YES, NO, NO, YES, ["skew"], "rewards"),
    "askd-wo-2": (NO, YES, YES, YES, NO, ["sampled"], "rewards"),
    "askd-wo-3": (YES, YES, YES, YES, NO, ["sampled"], "rewards"),
    "askd-wo-2-3": (NO, NO, YES, YES, NO, ["sampled"], "none"),
    "grpo": (YES, YES, YES, YES, NO, ["sampled"], "rewards"),
}


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
    assert not method.uses_rewards("reference")


def test_clipping_alone_needs_rewards():
    term = {**SKL, "divergence": "srkl", "skewness": 0.1}
    clipped = validate(Method, {**WORDS, "sgo": {**term, "clip_correct": True}}, "test")
    assert clipped.uses_rewards("sgo")
    assert not validate(Method, {**WORDS, "sgo": term}, "test").uses_rewards("sgo")


def test_a_methods_own_learning_rate_goes_before_the_tuned_before_the_default(configuration):
    tuned = changed(configuration, "tuned", {"qwen2-math": {"askd": 0.5, "gkd": 0.25}})
    parsed = validate(Config, changed(tuned, "methods/askd/learning_rate", 0.75), "test")
    assert parsed.learning_rate("qwen2-math", "askd") == 0.75
    assert parsed.learning_rate("qwen2-math", "gkd") == 0.25
    assert parsed.learning_rate("qwen2.5-math", "gkd") == parsed.training.learning_rate


def test_learning_rates_are_never_chosen_on_what_is_reported(configuration):
    test_items = changed(configuration, "sweep/benchmarks", ["arithmetic-easy"])
    assert "arithmetic-easy is of test items" in refusal(Config, test_items)
    assert "not for choosing" in refusal(Config, changed(configuration, "sweep/seeds", [0]))


def test_a_sweep_adds_each_method_at_each_learning_rate(configuration):
    parsed = validate(Config, configuration, "test")
    varied = parsed.with_sweep_variants()
    for name in parsed.sweep.methods:
        for rate, variant in parsed.sweep.variants(name).items():
            assert varied.learning_rate("qwen2-math", variant) == rate
            assert varied.methods[variant].terms == parsed.methods[name].terms


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
