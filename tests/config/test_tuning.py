"""The sweep, and the settings that it has chosen."""

from __future__ import annotations

import pytest

from askd.config import Config, validate
from askd.errors import AskdError


@pytest.fixture
def tuned(changed):
    """Makes a configuration in which options of methods, by keyword, were chosen for a pair."""

    def choose(configuration: dict, **chosen: dict) -> Config:
        value = {
            method.replace("_", "-"): {"learning_rate": 0.5, "options": options}
            for method, options in chosen.items()
        }
        return validate(Config, changed(configuration, "tuned", {"qwen2-math": value}), "test")

    return choose


def test_a_methods_own_learning_rate_goes_before_the_tuned_before_the_default(
    configuration, changed
):
    chosen = {"askd": {"learning_rate": 0.5}, "gkd": {"learning_rate": 0.25}}
    tuned = changed(configuration, "tuned", {"qwen2-math": chosen})
    parsed = validate(Config, changed(tuned, "methods/askd/learning_rate", 0.75), "test")
    assert parsed.learning_rate("qwen2-math", "askd") == 0.75
    assert parsed.learning_rate("qwen2-math", "gkd") == 0.25
    assert parsed.learning_rate("qwen2.5-math", "gkd") == parsed.training.learning_rate


def test_learning_rates_are_never_chosen_on_what_is_reported(configuration, refusal, changed):
    test_items = changed(configuration, "sweep/benchmarks", ["arithmetic-easy"])
    assert "arithmetic-easy is of test items" in refusal(Config, test_items)
    assert "not for choosing" in refusal(Config, changed(configuration, "sweep/seeds", [0]))


def test_a_sweep_adds_each_try_as_a_method_whatever_was_chosen_before(configuration, changed):
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


def test_a_pair_without_validation_prompts_of_its_task_cannot_be_tuned(
    configuration, refusal, changed
):
    benchmarks = ["arithmetic-easy-validation", "instructions-long-validation"]
    message = refusal(Config, changed(configuration, "sweep/benchmarks", benchmarks))
    assert "sweep.benchmarks: none is of 'programs', the task of the pair deepseek-coder" in message


def test_tries_are_named_by_rate_and_alternative_in_the_order_of_preference(configuration, changed):
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
def test_an_alternative_that_is_no_method_is_refused(configuration, option, reason, changed):
    sweep = changed(configuration, "sweep/learning_rates", [0.002])
    parsed = validate(Config, changed(sweep, "sweep/alternatives", {"gkd": [option]}), "test")
    with pytest.raises(AskdError) as error:
        parsed.with_sweep_variants()
    assert reason in str(error.value)
    assert str(error.value).startswith("sweep, gkd@0.002@1: ")


def test_a_pair_sweeps_the_methods_that_its_tables_show(configuration, changed):
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


def test_a_method_runs_with_the_options_that_were_chosen_for_its_pair(configuration, tuned):
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
def test_chosen_options_that_make_no_method_are_refused(
    configuration, options, reason, refusal, changed
):
    chosen = {"qwen2-math": {"gkd": {"learning_rate": 0.5, "options": options}}}
    message = refusal(Config, changed(configuration, "tuned", chosen))
    assert message.startswith("tuned, qwen2-math, gkd: ") and reason in message


def test_a_pair_may_use_what_was_chosen_for_another(configuration, changed, tuned):
    own = changed(configuration, "pairs/qwen2.5-math/tuned_as", "qwen2-math")
    parsed = tuned(own, gkd={"tgo": {"beta": 0.9}})
    assert parsed.learning_rate("qwen2.5-math", "gkd") == 0.5
    assert parsed.method("qwen2.5-math", "gkd") == parsed.method("qwen2-math", "gkd")
    assert parsed.learning_rate("qwen2.5-math", "sft") == parsed.training.learning_rate


def test_an_ablation_shares_what_was_chosen_for_its_method_but_for_its_own_row(
    configuration, tuned
):
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


def test_a_method_that_shares_no_choice_uses_its_own(configuration, tuned):
    parsed = tuned(configuration, askd_wo_3={"projection": {"beta": 2}})
    assert parsed.method("qwen2-math", "askd-wo-3").projection.beta == 2
    assert parsed.method("qwen2-math", "askd").projection is None
    assert parsed.learning_rate("qwen2-math", "askd") == parsed.training.learning_rate
