"""A configuration that stands alone, and files of one's own that are looked for at once."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from askd.config import Config, validate
from askd.errors import AskdError
from askd.own_files import check_own_files
from askd.provenance import _imports, _tree

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = Path("examples/own")


@pytest.fixture
def example(tmp_path, monkeypatch, configuration) -> dict:
    """The example's configuration, in a folder that has its files."""
    ignore = shutil.ignore_patterns("models", "__pycache__")
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE, ignore=ignore)
    for name in ("teacher", "student"):
        (tmp_path / EXAMPLE / "models" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    _tree.cache_clear()
    _imports.cache_clear()
    written = yaml.safe_load((tmp_path / EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    return {"methods": configuration["methods"], **written}


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(AskdError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(configuration: dict, path: str, value: object) -> dict:
    result = copy.deepcopy(configuration)
    *sections, last = path.split("/")
    section = result
    for name in sections:
        section = section[name]
    section[last] = value
    return result


def test_the_example_stands_alone(example):
    config = validate(Config, example, "configuration")
    check_own_files(config)
    assert config.extends == "none"
    assert set(config.tasks) == set(config.benchmarks) == {"sort"}
    assert config.figures is config.estimators is config.sweep is None
    assert config.tasks["sort"].measure == "mean reward"
    assert config.tasks["sort"].grader_module == "examples.own.reward"


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("extends", "nothing", "extends: Input should be 'nano' or 'none'"),
        (
            "tables/methods/systems",
            ["distilm2"],
            "tables.methods.systems: unknown method 'distilm2'; did you mean 'distillm2'?",
        ),
        (
            "benchmarks/sort/task",
            "sorted",
            "benchmarks.sort.task: unknown task 'sorted'; did you mean 'sort'?",
        ),
        ("tables/methods/benchmarks", ["srt"], "unknown benchmark 'srt'; did you mean 'sort'?"),
        (
            "tasks/sort/grader",
            "arithmetics",
            "tasks.sort.grader: unknown grader 'arithmetics'; did you mean 'arithmetic'?",
        ),
        ("tasks/sort/grader", "examples/own/reward.py:in_order", "is `module:function`"),
        ("tasks/sort/grader", "reward:", "is `module:function`"),
    ],
)
def test_what_the_configuration_gets_wrong(example, path, value, sentence):
    wrong = changed(example, path, value)
    assert sentence in refusal(lambda: validate(Config, wrong, "configuration"))


def test_what_stands_alone_says_what_it_lacks(example):
    del example["training"], example["scale"]
    message = refusal(lambda: validate(Config, example, "configuration"))
    assert "scale: Field required" in message
    assert "training: Field required" in message


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("tasks/sort/test", "gone.jsonl", "tasks.sort.test: no file gone.jsonl in the working"),
        ("tasks/sort/grader", "gone.mine:f", "gone.mine:f: no file gone/mine.py in the working"),
        ("models/teacher/source", "my/teacher", "models.teacher.source: no folder my/teacher in"),
        (
            "evalplus",
            {
                "pairs": ["own"],
                "systems": ["askd"],
                "benchmarks": {"mbpp_plus": {"path": "a.jsonl"}},
            },
            "evalplus.benchmarks.mbpp_plus: no file a.jsonl in the working directory",
        ),
    ],
)
def test_what_is_not_there(example, path, value, sentence):
    config = validate(Config, changed(example, path, value), "configuration")
    message = refusal(lambda: check_own_files(config))
    assert message.startswith(sentence)
    assert str(Path.cwd()) in message


def test_files_of_lm_eval_that_are_not_there(example):
    task = {"pairs": list(example["pairs"]), "systems": ["teacher"], "tasks": ["gsm8k"]}
    example["lm_eval"] = {**task, "files": {"gsm8k": {"test": "gone.jsonl"}}}
    config = validate(Config, example, "configuration")
    message = refusal(lambda: check_own_files(config))
    assert message.startswith("lm_eval.files.gsm8k.test: no file gone.jsonl in the working")


def test_a_reward_that_is_not_python(example):
    (EXAMPLE / "reward.py").write_text("def in_order(:\n")
    config = validate(Config, example, "configuration")
    assert "reward.py: not Python" in refusal(lambda: check_own_files(config))
