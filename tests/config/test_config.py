"""The whole configuration: what ships validates, and what is wrong is named with what was meant."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from askd import config
from askd.config import Config, Rollout, Training, validate, validated_json
from askd.errors import AskdError
from askd.evaluation.gradient_noise import SMALLEST

ROOT = Path(__file__).resolve().parents[2]


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
def test_a_misspelt_key_names_the_nearest_and_its_place(
    configuration, path, meant, refusal, changed
):
    message = refusal(Config, changed(configuration, path, 1))
    *folders, key = path.split("/")
    assert f"unknown key {key!r}; did you mean {meant!r}?" in message
    for folder in folders:
        assert folder in message.partition("unknown key")[0]


def test_a_key_that_is_like_no_other_lists_all(refusal):
    message = refusal(Rollout, {"max_new_tokens": 3, "zzz": 1})
    assert "unknown key 'zzz'; known are batch_size, dtype, engine, max_new_tokens, " in message


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
        (
            "evalplus",
            {"pairs": ["qwen2-mat"], "systems": ["askd"], "benchmarks": {"humaneval": {}}},
            "pair",
            "qwen2-mat",
            "qwen2-math",
        ),
        (
            "evalplus",
            {"pairs": ["qwen2-math"], "systems": ["techer"], "benchmarks": {"humaneval": {}}},
            "system",
            "techer",
            "teacher",
        ),
        ("figures/pair", "qwen2-mat", "pair", "qwen2-mat", "qwen2-math"),
        ("estimators/pairs", ["qwen2-mat"], "pair", "qwen2-mat", "qwen2-math"),
        ("sweep/benchmarks", ["arithmetic"], "benchmark", "arithmetic", "arithmetic-hard"),
        ("sweep/methods", ["ask"], "method", "ask", "askd"),
        ("sweep/pairs", ["zzz"], "pair", "zzz", None),
    ],
)
def test_an_unknown_name_names_the_nearest(
    configuration, path, value, kind, word, meant, refusal, changed
):
    message = refusal(Config, changed(configuration, path, value))
    assert f"unknown {kind} {word!r}; " in message
    assert (f"did you mean {meant!r}?" if meant else "known are ") in message
    assert path.replace("/", ".") in message


def test_joint_advantages_and_refreshed_outputs_exclude_each_other(configuration, refusal, changed):
    joint = changed(configuration, "advantage", {"sides": "joint"})
    assert "joint needs training.refresh_every: 0" in refusal(Config, joint)
    validate(Config, changed(joint, "training/refresh_every", 0), "test")


SERVER = {"base_url": "http://localhost:8000/v1", "model": "served"}


def served(configuration: dict, **servers: dict) -> dict:
    value = copy.deepcopy(configuration)
    value["rollout"] |= {"engine": "openai", "openai": {"servers": servers}}
    return value


def test_every_teacher_has_a_server_and_every_server_a_model(configuration, refusal):
    teachers = {pair["teacher"]: SERVER for pair in configuration["pairs"].values()}
    parsed = validate(Config, served(configuration, **teachers), "test")
    assert parsed.rollout.openai.servers.keys() == teachers.keys()
    message = refusal(Config, served(configuration))
    assert "there is no server of" in message and "the teacher of the pair" in message
    message = refusal(Config, served(configuration, **teachers, other=SERVER))
    assert "rollout.openai.servers: unknown model 'other'" in message


def test_a_server_is_never_that_of_trained_students(configuration, refusal):
    value = served(configuration, model=SERVER)
    value["models"]["model"] = value["models"][next(iter(value["models"]))]
    assert "folders of trained students are named 'model'" in refusal(Config, value)


def test_the_key_of_a_server_is_no_setting(configuration, refusal):
    url = {**SERVER, "base_url": "http://user:secret@localhost/v1"}
    message = refusal(Config, served(configuration, tiny=url))
    assert "a key belongs into an environment variable" in message


def test_a_pair_has_no_engine_of_its_own(configuration, refusal, changed):
    pair = next(iter(configuration["pairs"]))
    value = changed(configuration, f"pairs/{pair}/settings/rollout/engine", "vllm")
    assert "all pairs have one engine" in refusal(Config, value)


@pytest.mark.parametrize(("gpus", "is_right"), [(0, False), (1, False), (2, True), (4, True)])
def test_gpus_that_share_a_model_are_those_of_a_job(configuration, refusal, gpus, is_right):
    vllm = {"engine": "vllm", "vllm": {"tensor_parallel_size": 2}}
    value = {**configuration, "gpus": gpus, "rollout": {**configuration["rollout"], **vllm}}
    if is_right:
        assert validate(Config, value, "test").gpus == gpus
    else:
        assert f"2 GPUs share a model, but a job has {gpus}" in refusal(Config, value)


def test_greedy_rollouts_are_refused(configuration, refusal, changed):
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
        ("methods/A SKD", {"label": "test", "tgo": {"divergence": "nll"}}),
        ("rollout", None),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_place(
    configuration, path, value, refusal, changed
):
    message = refusal(Config, changed(configuration, path, value))
    for part in path.split("/"):
        assert part in message


def test_all_wrong_values_are_reported_at_once(configuration, refusal, changed):
    message = refusal(Config, changed(changed(configuration, "seeds", 0), "rollout/top_p", 2))
    assert "seeds: " in message
    assert "rollout.top_p: " in message


@pytest.mark.parametrize(
    ("path", "value"),
    [("tasks/arithmetic/largest_operand", 10), ("methods/gkd/tgo/beta", 2)],
)
def test_the_place_of_a_value_in_a_union_is_its_path(configuration, path, value, refusal, changed):
    message = refusal(Config, changed(configuration, path, value))
    assert path.replace("/", ".") in message


def test_an_infinite_learning_rate_is_refused(configuration, refusal, changed):
    refusal(Config, changed(configuration, "training/learning_rate", float("inf")))


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "[1, 2]", "3", "null"])
def test_settings_that_are_no_json_object_are_refused(text):
    with pytest.raises(AskdError, match=r"^--settings: "):
        validated_json(Training, text)


def test_a_table_of_different_measures_is_refused(configuration, refusal, changed):
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
def test_levels_that_share_prompts_are_refused(configuration, task, refusal, changed):
    """Else a test prompt of one level could be a training prompt of the other."""
    level = {"operations": [3, 9], "train": 9, "validation": 9, "test": 9}
    message = refusal(Config, changed(configuration, f"tasks/{task}/levels/more", level))
    assert "'more' both have prompts of 3 operations" in message
    level = {"operations": [8, 9], "train": 9, "validation": 9, "test": 9}
    validate(Config, changed(configuration, f"tasks/{task}/levels/more", level), "test")


@pytest.mark.parametrize("section", ["figures", "estimators", "sweep"])
def test_a_configuration_may_do_without(configuration, section, changed):
    parsed = validate(Config, changed(configuration, section, None), "test")
    assert getattr(parsed, section) is None
    parsed.with_sweep_variants()


def test_a_variance_has_as_many_minibatches_as_its_intervals_need(configuration, changed, refusal):
    assert "batches" in refusal(Config, changed(configuration, "estimators/batches", SMALLEST - 1))
    validate(Config, changed(configuration, "estimators/batches", SMALLEST), "test")


@pytest.mark.parametrize("key", ["near", "methods"])
def test_estimators_name_methods(configuration, key, refusal, changed):
    value = "askdd" if key == "near" else ["askdd"]
    message = refusal(Config, changed(configuration, f"estimators/{key}", value))
    assert "estimators: unknown method 'askdd'; did you mean 'askd'?" in message


def test_the_model_that_answers_humaneval_is_one_of_the_configuration(
    configuration, refusal, changed
):
    solver = {"model": "qwen2-math-studen"}
    message = refusal(Config, changed(configuration, "agreement/humaneval", solver))
    assert "agreement.humaneval.model: unknown model 'qwen2-math-studen'" in message


def test_the_larger_scale_is_valid(configuration):
    full = yaml.safe_load((ROOT / "config" / "full.yaml").read_text(encoding="utf-8"))
    larger = copy.deepcopy(configuration)
    for section in ("models", "pairs", "tables"):
        for name, value in full.pop(section).items():
            larger[section].setdefault(name, {}).update(value)
    larger["estimators"].update(full.pop("estimators"))
    parsed = validate(Config, {**larger, **full}, "test")
    assert parsed.seeds == full["seeds"]
    assert {pair for table in parsed.tables.values() for pair in table.pairs} == set(parsed.pairs)


def test_plain_rollouts_are_unwarped():
    assert Rollout(max_new_tokens=1).is_plain
    assert not Rollout(max_new_tokens=1, temperature=0.7).is_plain
    assert not Rollout(max_new_tokens=1, top_p=0.9).is_plain


def test_a_union_of_tasks_reads_either_kind(refusal):
    task = {"kind": "jsonl", "grader": "arithmetic", "train": "a", "validation": "b", "test": "c"}
    assert TypeAdapter(config.Task).validate_python(task).train == "a"
    assert "unknown key 'levels'" in refusal(config.Task, {**task, "levels": {}})


def test_a_model_that_learns_prompts_from_files_is_refused(configuration, refusal, changed):
    task = {"kind": "jsonl", "grader": "arithmetic", "train": "a", "validation": "b", "test": "c"}
    own = changed(configuration, "tasks/mine", task)
    name = next(iter(own["models"]))
    message = refusal(Config, changed(own, f"models/{name}/task", "mine"))
    assert f"models.{name}.task: 'mine' is not a generated task" in message


def test_a_benchmark_may_have_a_judge_of_its_own(configuration, refusal, changed):
    endpoint = {"kind": "endpoint", "base_url": "http://127.0.0.1/v1", "model": "small"}
    judged = changed(configuration, "judge", endpoint)
    own = changed(judged, "benchmarks/instructions-evol/judge", {"model": "large"})
    parsed = validate(Config, own, "configuration")
    assert parsed.judge_of("instructions-evol").model == "large"
    assert parsed.judge_of("instructions-evol").base_url == endpoint["base_url"]
    assert parsed.judge_of("instructions-ultra") == parsed.judge
    assert parsed.judge_of("arithmetic-easy") is None
    misspelt = changed(judged, "benchmarks/instructions-evol/judge", {"modle": "large"})
    message = refusal(Config, misspelt)
    assert "benchmarks.instructions-evol.judge: unknown key 'modle'" in message
    graded = changed(judged, "benchmarks/arithmetic-easy/judge", {"model": "large"})
    message = refusal(Config, graded)
    assert "benchmarks.arithmetic-easy.judge: answers to 'arithmetic'" in message
    assert "which asks no judge" in message
