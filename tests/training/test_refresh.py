"""Student outputs that the train stage samples anew."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from askd.artifacts import ROLLOUTS, TRAINED_ON, read_table
from askd.config import Rollout, SandboxSettings
from askd.errors import AskdError
from askd.models.logprobs import collate, token_logprobs
from askd.training import refresh


def of_side(folder: Path, side: str) -> dict[int, list[dict]]:
    """What was trained on, by step."""
    steps: dict[int, list[dict]] = {}
    for row in read_table(folder / "trained_on.parquet", TRAINED_ON).to_pylist():
        if row["side"] == side:
            steps.setdefault(row["step"], []).append(row)
    return steps


def of_stage(path: Path) -> dict:
    rows = read_table(path, ROLLOUTS).to_pylist()
    return {(row["prompt_id"], row["sample_id"]): row for row in rows}


def is_of_stage(rows: list[dict], outputs: dict) -> list[bool]:
    return [
        row["response"] == outputs[row["prompt_id"], row["sample_id"]]["token_ids"] for row in rows
    ]


def test_without_refresh_all_student_outputs_are_those_of_the_stage(run_round, round_):
    steps = of_side(run_round("run", refresh_every=0), "sgo")
    outputs = of_stage(round_.student.rollouts)
    assert all(all(is_of_stage(rows, outputs)) for rows in steps.values())


def test_each_window_trains_on_the_student_of_its_beginning(
    run_round, round_, monkeypatch, teacher, prompt_rows
):
    students = {}
    own = refresh.StudentOutputs._sample

    def recorded(self, first_step):
        students[first_step] = copy.deepcopy(self.student)
        assert self.student.model.training
        outputs = own(self, first_step)
        assert self.student.model.training
        return outputs

    monkeypatch.setattr(refresh.StudentOutputs, "_sample", recorded)
    folder = run_round("run", refresh_every=2)
    assert list(students) == [2, 4]
    steps = of_side(folder, "sgo")
    outputs = of_stage(round_.student.rollouts)
    for step in (0, 1):
        assert all(is_of_stage(steps[step], outputs))
    for step in (2, 3, 4, 5):
        assert not all(is_of_stage(steps[step], outputs))
    # Steps 1 and 2 share a prompt, as do 2 and 3: new outputs with a window, the same within it.
    by_key = {
        step: {(row["prompt_id"], row["sample_id"]): row["response"] for row in rows}
        for step, rows in steps.items()
    }
    for step in range(5):
        shared = by_key[step].keys() & by_key[step + 1].keys()
        same = [by_key[step][key] == by_key[step + 1][key] for key in shared]
        assert len(shared) == 2
        assert all(same) if step % 2 == 0 else not all(same)
    for step in range(2, 6):
        student = students[step // 2 * 2]
        rows = steps[step]
        prompts = {row["prompt_id"]: row["messages"] for row in prompt_rows}
        pairs = [
            (
                student.tokenizer.apply_chat_template(
                    prompts[row["prompt_id"]], add_generation_prompt=True, return_dict=False
                ),
                row["response"],
            )
            for row in rows
        ]
        batch = collate(pairs, 0, torch.device("cpu"))
        for model, column in ((student, "sampler_logprobs"), (teacher, "teacher_logprobs")):
            expected = token_logprobs(model.model.eval(), batch, 102, 64).numpy()
            found = np.concatenate([row[column] for row in rows])
            assert np.allclose(found, expected, atol=1e-4)
        assert all(row["alpha"] == 0.5 and row["kappa"] == 1 for row in rows)


def test_each_window_has_random_numbers_of_its_own(run_round):
    """The student hardly changes here; steps 1 and 2 share a prompt, and so on."""
    steps = of_side(run_round("run", refresh_every=1, learning_rate=1e-12), "sgo")
    for step in range(1, 5):
        one, two = (
            {(row["prompt_id"], row["sample_id"]): row["response"] for row in steps[number]}
            for number in (step, step + 1)
        )
        shared = one.keys() & two.keys()
        assert len(shared) == 2
        assert [one[key] for key in shared] != [two[key] for key in shared]


@pytest.mark.parametrize("name", ["kd", "imitkd", "askd", "minillm", "speculative-kd"])
def test_refreshed_outputs_are_sampled_with_the_methods_policy(
    run_round, methods, monkeypatch, name
):
    """As those of the stage; a method without a policy samples from the student alone."""
    method, sample, asked = methods[name], refresh.sample, []

    def recorded(*arguments):
        asked.append(arguments[-2:])
        return sample(*arguments)

    monkeypatch.setattr(refresh, "sample", recorded)
    rows = [
        row
        for step in of_side(run_round("run", name, refresh_every=3), "sgo").values()
        for row in step
    ]
    if "sgo" not in method.terms:
        assert asked == rows == []
        return
    [(policy, teacher)] = asked
    assert policy == method.policy
    assert policy is None or teacher is not None
    for row in rows:
        kept = len(row["student_logprobs"])
        assert kept == (0 if policy is None else len(row["response"]))


def test_outputs_of_the_student_alone_are_refused_where_a_policy_samples(run_round, round_):
    with pytest.raises(AskdError, match="no column 'student_logprobs'"):
        run_round("run", "speculative-kd", tables={"student": round_.student})


def test_only_methods_with_student_outputs_refresh(run_round, monkeypatch):
    def forbidden(*_):
        raise AssertionError

    monkeypatch.setattr(refresh.StudentOutputs, "_sample", forbidden)
    run_round("run", "sft", refresh_every=1)


def test_refreshed_outputs_are_graded_and_projected(run_round, monkeypatch, prompts_path):
    """With a reference that the student's outputs match by chance, rewards are not all zero."""
    from askd.rewards import arithmetic
    from askd.rewards.result import Grade

    def by_length(answer):
        return Grade(float(len(answer.text) % 2), len(answer.text) % 2 == 1, "made up")

    monkeypatch.setattr(arithmetic, "grade_one", by_length)
    steps = of_side(run_round("run", refresh_every=1), "sgo")
    later = [row for step in range(1, 6) for row in steps[step]]
    assert len({row["alpha"] for row in later}) > 1
    for row in later:
        assert row["reward"] == len(row["text"]) % 2
        assert row["kappa"] == 1 - row["reward"]


def test_the_log_says_how_the_judge_of_refreshed_outputs_did(run_round, monkeypatch):
    """Each step's outputs that it contradicted itself on, or gave no verdict on."""
    from askd.rewards import arithmetic
    from askd.rewards.result import Grade

    reasons = ("win", "inconsistent", "invalid")

    def by_length(answer):
        return Grade(0.5, False, reasons[len(answer.text) % 3])

    monkeypatch.setattr(arithmetic, "grade_one", by_length)
    folder = run_round("run", refresh_every=1)
    log = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    # Those of the stage were graded otherwise.
    assert "sgo_invalid" not in log[0] and not any("tgo_invalid" in entry for entry in log)
    steps = of_side(folder, "sgo")
    for entry in log[1:]:
        said = [reasons[len(row["text"]) % 3] for row in steps[entry["step"] - 1]]
        for reason in reasons[1:]:
            assert entry[f"sgo_{reason}"] == said.count(reason) / len(said)
    assert {reason for reason in reasons[1:] if any(entry.get(f"sgo_{reason}") for entry in log)}


def test_settings_of_a_rollout_hold_for_refreshed_outputs(run_round, rollout_settings):
    assert rollout_settings == Rollout(samples_per_prompt=2, max_new_tokens=6)
    steps = of_side(run_round("run", "gkd", refresh_every=1), "sgo")
    for rows in steps.values():
        assert len(rows) == 4
        assert all(1 <= len(row["response"]) <= 6 for row in rows)


def test_the_grader_of_refreshed_outputs_gets_the_sandbox_of_the_settings(run_round, monkeypatch):
    from askd.rewards import arithmetic

    original, given = arithmetic.grade, []
    monkeypatch.setattr(
        arithmetic, "grade", lambda answers, box: given.append(box) or original(answers, box)
    )
    sandbox = SandboxSettings(lowest_tier="landlock", workers=3)
    run_round("run", refresh_every=1, sandbox=sandbox)
    assert given and set(given) == {sandbox}
