"""The training loop: accumulation, learning rates, errors, resuming, and refreshed outputs."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from askd.artifacts import ROLLOUTS, SKEWNESS, TRAINED_ON, read_table, write_table
from askd.config import Advantage, Method, Rollout, Skewness, Training, validate
from askd.errors import AskdError
from askd.models.folder import load, read_manifest
from askd.models.logprobs import collate, token_logprobs
from askd.training import refresh, stage
from askd.training.objective import Objective, Totals
from askd.training.source import RoundSource
from askd.training.stage import TrainSettings, train
from askd.training.trainer import DistillationTrainer, learning_rate_factor

CONFIG = Path(__file__).resolve().parents[2] / "config" / "methods.yaml"
NAMES = list(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["methods"])
BASE = {"learning_rate": 0.01, "steps_per_round": 6, "prompts_per_step": 2, "warmup_steps": 2}


class Steps:
    """Rows of steps that are known beforehand."""

    def __init__(self, *steps: list) -> None:
        self.given = steps
        self.steps = len(steps)
        self.rows_per_step = max(map(len, steps))

    def rows(self, step: int) -> list:
        return self.given[step]


@pytest.fixture
def make_trainer(make_model, tmp_path):
    """Makes a trainer of a model in double precision."""

    def make(
        method,
        source,
        objective=None,
        first_step=0,
        total_steps=6,
        model=None,
        state=None,
        **settings,
    ):
        training = Training(**{**BASE, **settings})
        student, teacher = model or make_model(16, seed=2).double(), make_model(24, seed=1).double()
        if objective is None:
            objective = Objective(
                method,
                student,
                teacher if method.needs_teacher_model else None,
                102,
                0,
                training.reduction,
                training.head_chunk,
            )
        state = state or tmp_path / f"state{len(list(tmp_path.iterdir()))}"
        return DistillationTrainer(
            student, source, objective, training, 0.01, first_step, total_steps, state, "the run"
        )

    return make


def weights(model) -> np.ndarray:
    return torch.cat([value.detach().flatten() for value in model.parameters()]).numpy().copy()


# --- steps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_make_the_same_step(make_trainer, make_rows, methods, name):
    rows = make_rows(methods[name])
    results = []
    for size in (1000, 1, 2, 3):
        trainer = make_trainer(methods[name], Steps(rows, rows), micro_batch_size=size)
        before = weights(trainer.model)
        _, log = trainer.run()
        results.append((weights(trainer.model), [entry["loss"] for entry in log]))
    assert np.abs(results[0][0] - before).max() > 1e-3
    for after, losses in results[1:]:
        assert np.abs(after - results[0][0]).max() < 1e-6
        assert losses == pytest.approx(results[0][1], rel=1e-5)


def test_steps_are_those_of_adamw_on_the_loss_of_all_rows(
    make_trainer, make_model, make_rows, methods
):
    steps = [make_rows(methods["askd"], seed=seed) for seed in (0, 1)]
    model = make_model(16, seed=2).double()
    objective = Objective(methods["askd"], model, None, 102, 0, "sequence", 999)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.8, 0.9), weight_decay=0.0)
    losses, norms = [], []
    for rate, rows in zip((0.005, 0.01), steps, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss, _ = objective(rows, Totals(rows))
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05).item())
        optimizer.step()
    assert min(norms) > 0.05
    trainer = make_trainer(
        methods["askd"],
        Steps(*steps),
        micro_batch_size=2,
        max_grad_norm=0.05,
        adam_betas=(0.8, 0.9),
    )
    _, log = trainer.run()
    assert np.abs(weights(trainer.model) - weights(model)).max() < 1e-6
    assert [entry["loss"] for entry in log] == pytest.approx(losses, rel=1e-5)
    assert [entry["grad_norm"] for entry in log] == pytest.approx(norms, rel=1e-4)


def test_a_step_whose_rows_are_all_clipped_changes_nothing(make_trainer, make_rows):
    term = {"divergence": "srkl", "estimator": "sampled", "skewness": 0.1, "clip_correct": True}
    method = validate(Method, {"label": "x", "sgo": term}, "x")
    rows = [dataclasses.replace(row, kappa=0.0) for row in make_rows(method)]
    trainer = make_trainer(method, Steps(rows), micro_batch_size=2)
    before = weights(trainer.model)
    table, [log] = trainer.run()
    assert np.array_equal(weights(trainer.model), before)
    assert log["loss"] == log["grad_norm"] == log["sgo_kept"] == 0
    assert len(table) == len(rows)


def test_the_log_and_the_rows_of_a_training(make_trainer, make_rows, methods):
    method = methods["askd"]
    steps = [make_rows(method, seed=seed) for seed in range(3)]
    table, log = make_trainer(method, Steps(*steps), micro_batch_size=3).run()
    assert [entry["step"] for entry in log] == [1, 2, 3]
    own = [row for row in steps[1] if row.side == "sgo"]
    assert log[1]["sgo_alpha"] == pytest.approx(np.mean([row.alpha for row in own]))
    assert log[1]["sgo_kept"] == pytest.approx(np.mean([row.kappa for row in own]))
    assert log[1]["sgo_tokens"] == pytest.approx(np.mean([len(row.response) for row in own]))
    assert log[1]["tgo_loss"] + log[1]["sgo_loss"] == pytest.approx(log[1]["loss"], rel=1e-5)
    assert 0 < log[1]["tgo_coefficient"] < 1
    expected = [(step, row) for step, rows in enumerate(steps) for row in rows]
    for found, (step, row) in zip(table.to_pylist(), expected, strict=True):
        assert (found["step"], found["side"], found["prompt_id"]) == (step, row.side, row.prompt_id)
        assert found["response"] == row.response
        assert found["alpha"] == row.alpha and found["kappa"] == row.kappa


def test_a_training_that_ended_early_stays_ended(make_trainer, make_rows, methods, tmp_path):
    """It ended where a checkpoint was saved, and was killed before its model was."""
    rows = make_rows(methods["sft"])
    logs = []
    for _ in range(2):
        trainer = make_trainer(
            methods["sft"], Steps(*[rows] * 6), state=tmp_path / "state", checkpoint_every=2
        )
        trainer.is_done = lambda step: step == 2
        logs.append([entry["step"] for entry in trainer.run()[1]])
    assert logs == [[1, 2], [1, 2]]


def test_training_can_end_early(make_trainer, make_rows, methods):
    rows = make_rows(methods["sft"])
    trainer = make_trainer(methods["sft"], Steps(*[rows] * 5))
    trainer.is_done = lambda step: step == 2
    table, log = trainer.run()
    assert [entry["step"] for entry in log] == [1, 2]
    assert set(table.column("step").to_pylist()) == {0, 1}


# --- learning rate -----------------------------------------------------------------------------


def test_the_learning_rate_warms_up_and_falls_to_its_end():
    settings = Training(**{**BASE, "warmup_steps": 4, "final_learning_rate": 0.2})
    factors = [learning_rate_factor(step, 20, settings) for step in range(21)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[12] == pytest.approx(0.6)
    assert factors[20] == pytest.approx(0.2)
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert learning_rate_factor(25, 20, settings) == pytest.approx(0.2)


def test_no_warmup_and_no_steps_left_are_fine():
    settings = Training(**{**BASE, "warmup_steps": 0})
    assert learning_rate_factor(0, 10, settings) == 1
    longer = Training(**{**BASE, "warmup_steps": 10})
    assert learning_rate_factor(9, 5, longer) == 1


def test_the_learning_rate_schedule_spans_the_rounds(make_trainer, make_rows, methods):
    rows, method = make_rows(methods["sft"]), methods["sft"]

    def rates(steps, first_step):
        trainer = make_trainer(method, Steps(*[rows] * steps), first_step=first_step)
        return [entry["learning_rate"] for entry in trainer.run()[1]]

    assert rates(3, 0) + rates(3, 3) == pytest.approx(rates(6, 0), rel=1e-12)
    settings = Training(**BASE)
    used = [0.01 * learning_rate_factor(step, 6, settings) for step in range(6)]
    assert rates(6, 0) == pytest.approx(used, rel=1e-12)


# --- what is not finite ------------------------------------------------------------------------


def test_a_student_with_a_weight_that_is_no_number_is_refused(
    make_trainer, make_model, make_rows, methods
):
    model = make_model(16).double()
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = torch.nan
    trainer = make_trainer(methods["sft"], Steps(make_rows(methods["sft"])), model=model)
    with pytest.raises(AskdError, match=r"the run: the loss is nan at step 0 of this round; lower"):
        trainer.run()


def test_a_loss_that_is_not_finite_names_its_step(make_trainer, make_rows):
    """The printed form of Eq. 11 has no value where p is much larger than q."""
    term = {
        "divergence": "srkl",
        "estimator": "sampled",
        "form": "product",
        "skewness": "projected",
    }
    method = validate(Method, {"label": "x", "sgo": term}, "x")
    zero = [dataclasses.replace(row, alpha=0.0) for row in make_rows(method)]
    large = [
        dataclasses.replace(row, alpha=0.9, teacher_logprobs=[-0.01] * len(row.response))
        for row in make_rows(method)
    ]
    with pytest.raises(AskdError, match=r"the run: the loss is nan at step 1 of this round"):
        make_trainer(method, Steps(zero, large)).run()


def test_a_gradient_that_is_not_finite_names_its_step(make_trainer, make_model, make_rows, methods):
    model = make_model(16).double()

    class SquareRoot:
        method = methods["sft"]
        calls = 0

        def __call__(self, rows, totals):
            self.calls += 1
            distance = model.lm_head.weight.square().sum() * (self.calls < 3)
            return distance.sqrt(), {}

    rows = make_rows(methods["sft"])
    trainer = make_trainer(methods["sft"], Steps(*[rows] * 4), SquareRoot(), model=model)
    with pytest.raises(AskdError, match=r"the run: the gradient is not finite at step 2 of this"):
        trainer.run()


# --- the stage ---------------------------------------------------------------------------------


class Killed(Exception):
    pass


@pytest.fixture
def run_round(folders, round_, prompts_path, rollout_settings, methods, tmp_path):
    """Runs the train stage on the tables of the round; runs of one name share their state."""

    def run(name: str, method: str = "askd", tables=None, round_number: int = 0, **training):
        method = methods[method] if isinstance(method, str) else method
        settings = TrainSettings(
            name="the run",
            method=method,
            learning_rate=training.pop("learning_rate", 0.01),
            rounds=2,
            training=Training(**{**BASE, "checkpoint_every": 2, **training}),
            rollout=rollout_settings,
            advantage=Advantage(),
            skewness=Skewness(),
            grader="arithmetic",
        )
        student = getattr(round_, method.policy.kind if method.policy else "student")
        sides = {"teacher": round_.teacher, "student": student, **(tables or {})}
        output = tmp_path / name
        train(
            settings,
            0,
            round_number,
            folders.student,
            folders.teacher,
            prompts_path,
            round_.schedule,
            sides["teacher"],
            sides["student"],
            output,
            tmp_path / "state" / name,
        )
        return output

    return run


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def kill_at(monkeypatch):
    """Makes the next training die when the rows of a step are asked for."""
    rows = RoundSource.rows

    def arm(at: int | None):
        def killed(self, step):
            if step == at:
                raise Killed
            return rows(self, step)

        monkeypatch.setattr(RoundSource, "rows", killed)

    return arm


def die(run_round, kill_at, at: int, name: str = "run", **settings) -> None:
    kill_at(at)
    with pytest.raises(Killed):
        run_round(name, **settings)
    kill_at(None)


@pytest.mark.parametrize("method", NAMES)
def test_every_method_trains_a_round_twice_to_the_same_bytes(
    run_round, folders, tmp_path, prompts_path, method
):
    one = contents(run_round("one", method, refresh_every=1))
    assert one == contents(run_round("two", method, refresh_every=1))
    assert {"metrics.jsonl", "trained_on.parquet", "model/manifest.json"} <= set(one)
    assert not (tmp_path / "state" / "one").exists()
    before = read_manifest(folders.student)
    after = read_manifest(tmp_path / "one" / "model")
    assert after["model.safetensors"] != before["model.safetensors"]
    log = [json.loads(line) for line in one["metrics.jsonl"].splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    load(tmp_path / "one" / "model")


@pytest.mark.parametrize(
    ("method", "refresh_every", "at", "resumed"),
    [
        ("askd", 1, 5, 4),
        ("askd", 3, 5, 3),
        ("askd", 3, 2, None),
        ("askd", 0, 3, 2),
        ("gkd", 3, 4, 3),
        ("sft", 1, 5, 4),
        ("minillm", 2, 5, 4),
    ],
)
def test_an_interrupted_training_resumes_to_the_same_bytes(
    run_round, kill_at, capsys, method, refresh_every, at, resumed
):
    settings = {"method": method, "refresh_every": refresh_every}
    whole = contents(run_round("whole", **settings))
    die(run_round, kill_at, at, **settings)
    capsys.readouterr()
    assert contents(run_round("run", **settings)) == whole
    said = f"the run: resuming at step {resumed}" in capsys.readouterr().out
    assert said == (resumed is not None)


def test_a_training_may_be_interrupted_again_and_again(run_round, kill_at):
    whole = contents(run_round("whole", refresh_every=1))
    for at in (1, 3, 3, 5):
        die(run_round, kill_at, at, refresh_every=1)
    assert contents(run_round("run", refresh_every=1)) == whole


@pytest.mark.parametrize("damage", ["mark", "weights"])
def test_a_torn_last_checkpoint_is_ignored(run_round, kill_at, tmp_path, capsys, damage):
    whole = contents(run_round("whole", refresh_every=1))
    die(run_round, kill_at, 5, refresh_every=1)
    last = tmp_path / "state" / "run" / "checkpoint-4"
    (last / "complete").unlink()
    if damage == "weights":
        weights = last / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
        (last / "trainer_state.json").unlink()
    capsys.readouterr()
    assert contents(run_round("run", refresh_every=1)) == whole
    assert "resuming at step 2" in capsys.readouterr().out


@pytest.mark.parametrize("refresh_every", [1, 4])
def test_a_training_that_died_behind_its_last_step_only_saves(
    run_round, monkeypatch, capsys, refresh_every
):
    whole = contents(run_round("whole", refresh_every=refresh_every))
    save = stage.save

    def killed(*_):
        raise Killed

    monkeypatch.setattr(stage, "save", killed)
    with pytest.raises(Killed):
        run_round("run", refresh_every=refresh_every)
    monkeypatch.setattr(stage, "save", save)
    assert contents(run_round("run", refresh_every=refresh_every)) == whole
    assert "resuming at step" in capsys.readouterr().out


def test_the_state_is_emptied_when_settings_change(run_round, kill_at, capsys):
    whole = contents(run_round("whole", learning_rate=0.02))
    die(run_round, kill_at, 5)
    capsys.readouterr()
    assert contents(run_round("run", learning_rate=0.02)) == whole
    assert "resuming" not in capsys.readouterr().out


def test_the_state_is_emptied_when_the_code_changes(run_round, kill_at, capsys, monkeypatch):
    whole = contents(run_round("whole"))
    die(run_round, kill_at, 5)
    monkeypatch.setattr(stage, "digest", lambda *_: "other code")
    capsys.readouterr()
    assert contents(run_round("run")) == whole
    assert "resuming" not in capsys.readouterr().out


def test_the_state_is_emptied_when_a_table_changes(run_round, kill_at, round_, tmp_path):
    """Also where the path stays the same."""
    path = shutil.copy(round_.student.skewness, tmp_path / "skewness.parquet")
    tables = {"student": dataclasses.replace(round_.student, skewness=path)}
    die(run_round, kill_at, 5, tables=tables)
    table = read_table(path, SKEWNESS)
    number = table.column_names.index("alpha")
    write_table(path, table.set_column(number, "alpha", [[0.9] * len(table)]), SKEWNESS)
    whole = contents(run_round("whole", tables=tables))
    assert contents(run_round("run", tables=tables)) == whole


def test_a_term_without_its_tables_is_refused(run_round):
    for side, term in (("teacher", "tgo"), ("student", "sgo")):
        with pytest.raises(AskdError, match=f"the run: the method has a term on {term}; give its"):
            run_round("run", tables={side: None})


@pytest.mark.parametrize(
    ("side", "table"),
    [("teacher", "skewness"), ("student", "skewness"), ("student", "scores")],
)
def test_a_method_without_a_table_that_it_reads_is_refused(run_round, round_, side, table):
    lacking = dataclasses.replace(getattr(round_, side), **{table: None})
    with pytest.raises(AskdError, match=table):
        run_round("run", tables={side: lacking})


@pytest.mark.parametrize("side", ["teacher", "student"])
@pytest.mark.parametrize("table", ["rollouts", "skewness"])
def test_a_table_that_is_missing_or_torn_is_refused(run_round, round_, tmp_path, side, table):
    path = tmp_path / "broken.parquet"
    broken = {side: dataclasses.replace(getattr(round_, side), **{table: path})}
    with pytest.raises(AskdError, match=r"broken\.parquet: no such file"):
        run_round("run", tables=broken)
    path.write_bytes(getattr(getattr(round_, side), table).read_bytes()[:-30])
    with pytest.raises(AskdError, match=r"broken\.parquet: not a whole Parquet file"):
        run_round("run", tables=broken)
    assert not (tmp_path / "run").exists()


def test_a_round_that_the_schedule_lacks_is_refused(run_round):
    with pytest.raises(AskdError, match="the schedule has no round 1"):
        run_round("run", round_number=1)


def test_a_teacher_of_another_tokenizer_is_refused(
    run_round, folders, make_model, tmp_path, monkeypatch
):
    copied = shutil.copytree(folders.teacher, tmp_path / "teacher")
    (copied / "chat_template.jinja").write_text("{{ messages[0].content }}")
    monkeypatch.setattr(folders, "teacher", copied)
    with pytest.raises(AskdError, match="chat templates differ"):
        run_round("run", "gkd")


def test_a_teacher_of_another_tokenizer_is_refused_also_where_it_is_not_loaded(
    run_round, folders, tmp_path, monkeypatch
):
    copied = shutil.copytree(folders.teacher, tmp_path / "teacher")
    (copied / "chat_template.jinja").write_text("{{ messages[0].content }}")
    monkeypatch.setattr(folders, "teacher", copied)
    with pytest.raises(AskdError, match="chat templates differ"):
        run_round("run", "askd", refresh_every=0)


# --- refreshed student outputs -----------------------------------------------------------------


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


def test_settings_of_a_rollout_hold_for_refreshed_outputs(run_round, rollout_settings):
    assert rollout_settings == Rollout(samples_per_prompt=2, max_new_tokens=6)
    steps = of_side(run_round("run", "gkd", refresh_every=1), "sgo")
    for rows in steps.values():
        assert len(rows) == 4
        assert all(1 <= len(row["response"]) <= 6 for row in rows)
