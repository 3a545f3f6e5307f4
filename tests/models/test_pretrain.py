import json

import pytest

from askd.config import validate
from askd.errors import AskdError
from askd.models.folder import load
from askd.models.pretrain import COOLDOWN_STEPS, PretrainSettings, pretrain


def settings(**model) -> PretrainSettings:
    level = {"operations": [2], "train": 40, "validation": 8, "test": 8}
    return validate(
        PretrainSettings,
        {
            "name": "tiny",
            "task": {"kind": "arithmetic", "levels": {"easy": level}},
            "model": {
                "task": "arithmetic",
                "errors": {},
                "hidden_size": 8,
                "steps": 40,
                "batch_size": 4,
                "learning_rate": 0.01,
                **model,
            },
        },
        "test",
    )


def run(tmp_path, **model) -> list[dict]:
    metrics = tmp_path / "metrics.jsonl"
    pretrain(settings(**model), tmp_path / "model", metrics, tmp_path / "state")
    return [json.loads(line) for line in metrics.read_text().splitlines()]


def test_a_teacher_trains_for_all_steps_at_a_falling_rate(tmp_path):
    log = run(tmp_path)
    assert [entry["step"] for entry in log] == list(range(1, 41))
    assert log[-1]["learning_rate"] < log[30]["learning_rate"]
    assert load(tmp_path / "model").model.config.hidden_size == 8
    assert not (tmp_path / "state").exists()


def test_a_student_stops_at_the_first_look_that_is_good_enough_and_cools_down(tmp_path):
    log = run(tmp_path, stop_at_accuracy=0.0)
    assert [entry["step"] for entry in log] == list(range(1, 20 + COOLDOWN_STEPS + 1))
    assert log[19]["learning_rate"] > log[20]["learning_rate"] > log[-1]["learning_rate"]


def test_an_accuracy_that_is_never_reached_is_an_error(tmp_path):
    with pytest.raises(AskdError, match=r"models\.tiny: the accuracy is still below .* 1\.0"):
        run(tmp_path, stop_at_accuracy=1.0)
    assert not (tmp_path / "model").exists()


def test_a_teacher_that_has_not_learnt_is_an_error(tmp_path):
    with pytest.raises(AskdError, match=r"tiny: after 40 .* is 0\.\d+, below .* 0.9"):
        run(tmp_path, lowest_accuracy=0.9)
    assert not (tmp_path / "model").exists()
    run(tmp_path, lowest_accuracy=0.0)


def test_a_width_that_heads_do_not_divide_is_an_error(tmp_path):
    with pytest.raises(AskdError, match="hidden_size 12 is not a multiple of twice heads"):
        run(tmp_path, hidden_size=12)
