"""Warm starts: on worked answers and on a teacher's, to the end, and again after a kill."""

from __future__ import annotations

import json

import pytest
import torch

from askd.artifacts import PROMPTS, table_from_rows, write_table
from askd.config import validate
from askd.errors import AskdError
from askd.models import warm_start as module
from askd.models.folder import load, read_manifest
from askd.models.warm_start import WarmStartSettings, in_epochs, teacher_answers, warm_start


def settings(rollout: dict | None = None, **own) -> WarmStartSettings:
    start = {"model": "student", "task": "arithmetic", "steps": 30, "learning_rate": 0.02}
    return validate(
        WarmStartSettings,
        {
            "name": "warm",
            "warm_start": {**start, "batch_size": 6, **own},
            "rollout": {"max_new_tokens": 16, **(rollout or {})},
            "grader": "arithmetic",
        },
        "test",
    )


@pytest.fixture
def data(tmp_path, prompt_rows):
    """Prompts to train on, which are also those to validate on."""
    for split in ("train", "validation"):
        write_table(tmp_path / f"{split}.parquet", table_from_rows(prompt_rows, PROMPTS), PROMPTS)
    return tmp_path


def run(data, folders, output="model", teacher_folder=None, **own) -> list[dict]:
    metrics = data / f"{output}.jsonl"
    warm_start(
        settings(**own),
        folders.student,
        teacher_folder,
        data,
        data / output,
        metrics,
        data / "state",
    )
    return [json.loads(line) for line in metrics.read_text().splitlines()]


def test_a_model_learns_the_worked_answers(data, folders):
    *log, last = run(data, folders)
    assert [entry["step"] for entry in log] == list(range(1, 31))
    assert log[-1]["loss"] < 0.5 * log[0]["loss"]
    assert log[0]["learning_rate"] < log[2]["learning_rate"] > log[-1]["learning_rate"]
    assert last["step"] == 30 and 0 <= last["accuracy"] <= 1
    before, after = (load(path).model.state_dict() for path in (folders.student, data / "model"))
    assert not any(torch.equal(before[name], after[name]) for name in before if "proj" in name)
    assert not (data / "state").exists()


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(data, folders):
    for output, seed in (("one", 0), ("two", 0), ("three", 1)):
        run(data, folders, output, steps=3, batch_size=4, seed=seed)
    one, two, three = (read_manifest(data / name) for name in ("one", "two", "three"))
    assert one == two
    assert one["model.safetensors"] != three["model.safetensors"]


def test_a_killed_warm_start_goes_on_and_ends_with_the_same_bytes(data, folders, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 2)
    run(data, folders, "whole", steps=6)
    step = module.train_on_answers.__globals__["DistillationTrainer"].compute_loss
    seen = []

    def dies(self, model, inputs, *rest, **more):
        seen.append(inputs["step"])
        if len(seen) == 5:
            raise KeyboardInterrupt
        return step(self, model, inputs, *rest, **more)

    trainer = module.train_on_answers.__globals__["DistillationTrainer"]
    monkeypatch.setattr(trainer, "compute_loss", dies)
    with pytest.raises(KeyboardInterrupt):
        run(data, folders, "killed", steps=6)
    assert not (data / "killed").exists()
    run(data, folders, "killed", steps=6)
    assert seen == [0, 1, 2, 3, 4, 4, 5]
    assert read_manifest(data / "killed") == read_manifest(data / "whole")


def test_a_model_that_has_not_learnt_is_refused(data, folders):
    with pytest.raises(
        AskdError, match=r"models\.warm: after 1 steps the accuracy is 0\.\d+, below"
    ):
        run(data, folders, steps=1, lowest_accuracy=0.99)
    assert not (data / "model").exists()


def test_prompts_without_worked_answers_are_refused(data, folders, prompt_rows):
    rows = [{**row, "response": ""} for row in prompt_rows]
    write_table(data / "train.parquet", table_from_rows(rows, PROMPTS), PROMPTS)
    with pytest.raises(AskdError) as error:
        run(data, folders)
    assert "models.warm: the prompt 'train-" in str(error.value)
    assert "has no `response`" in str(error.value) and "give a `teacher`" in str(error.value)
    assert not (data / "model").exists()


def test_a_teachers_answers_take_the_place_of_the_worked_ones(
    data, folders, teacher, prompt_rows, monkeypatch
):
    told = []

    def keep(language_model, records, *rest):
        told.extend(records)
        return [{"step": 1}]

    monkeypatch.setattr(module, "train_on_answers", keep)
    own = {"teacher": "t", "steps": 2, "rollout": {"max_new_tokens": 40}}
    run(data, folders, teacher_folder=folders.teacher, **own)
    rows = in_epochs(prompt_rows, 12, seed=0)
    assert [row["prompt_id"] for row in told] == [row["prompt_id"] for row in rows]
    assert told == teacher_answers(teacher, rows, settings(**own))
    worked = {row["response"] for row in prompt_rows}
    assert not worked & {row["response"] for row in told}


def test_only_answers_that_ended_are_learnt(teacher, prompt_rows, monkeypatch):
    rows = in_epochs(prompt_rows, 4, seed=0)
    answers = [
        {"text": text, "finish_reason": reason}
        for text, reason in (("a", "stop"), ("b", "length"), ("c", "stop"), ("d", "length"))
    ]
    monkeypatch.setattr(module, "sample", lambda *_, **__: answers)
    learnt = teacher_answers(teacher, rows, settings(teacher="t"))
    assert [(row["response"], row["messages"]) for row in learnt] == [
        ("a", rows[0]["messages"]),
        ("c", rows[2]["messages"]),
        ("a", rows[0]["messages"]),
        ("c", rows[2]["messages"]),
    ]
    assert len({row["prompt_id"] for row in learnt}) == 4
    for answer in answers:
        answer["finish_reason"] = "length"
    with pytest.raises(AskdError, match=r"no answer of t ended within rollout\.max_new_tokens 16"):
        teacher_answers(teacher, rows, settings(teacher="t"))


def test_an_epoch_has_every_row_once_and_epochs_differ(prompt_rows):
    chosen = in_epochs(prompt_rows, 15, seed=0)
    asked = [row["messages"][0]["content"] for row in chosen]
    every = sorted(row["messages"][0]["content"] for row in prompt_rows)
    assert sorted(asked[:6]) == sorted(asked[6:12]) == every and len(asked) == 15
    assert asked[:6] != asked[6:12]
    assert len({row["prompt_id"] for row in chosen}) == 15
    assert asked != [row["messages"][0]["content"] for row in in_epochs(prompt_rows, 15, seed=1)]
