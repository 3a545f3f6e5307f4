"""Settings that a pair has in place of the run's."""

import copy

import pytest

from askd.config import Config, validate
from askd.errors import AskdError


def test_pairs_change_parts_of_sections(paper):
    config = validate(Config, paper, "paper")
    assert config.section("rollout", "qwen2-math").samples_per_prompt == 4
    assert config.section("rollout", "qwen2-instruct").samples_per_prompt == 1
    assert config.section("rollout", "qwen2-instruct").vllm == config.rollout.vllm
    assert config.section("advantage", "deepseek-coder").normalization == "batch"
    assert config.section("training", "qwen2-math").lora.rank == 16
    assert config.section("skewness", "qwen2-math") is config.skewness


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"training": {"steps": 3}}, "pairs.qwen2-math.settings.training: unknown key 'steps'"),
        ({"rollout": {"temperature": -1}}, "pairs.qwen2-math.settings.rollout: temperature"),
        ({"rollouts": {}}, "'rollout', 'advantage', 'skewness' or 'training'"),
        ({"rollout": {"temperature": 0}}, "rollout.temperature: 0 gives equal samples"),
    ],
)
def test_settings_of_a_pair_that_are_not_valid_are_refused(configuration, settings, reason):
    value = copy.deepcopy(configuration)
    value["pairs"]["qwen2-math"]["settings"] = settings
    with pytest.raises(AskdError) as error:
        validate(Config, value, "test")
    assert reason in str(error.value)
