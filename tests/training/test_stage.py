"""The train stage: whole rounds, killed and resumed, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from askd.artifacts import SKEWNESS, read_table, write_table
from askd.errors import AskdError
from askd.models.folder import load, read_manifest
from askd.training import stage

CONFIG = Path(__file__).resolve().parents[2] / "config" / "methods.yaml"
SHIPPED = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["methods"]
# Those that share the settings of another are ablations of it, and run the same code.
NAMES = [name for name, value in SHIPPED.items() if "tuned_as" not in value]


class Killed(Exception):
    pass


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


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
    run_round, die, capsys, method, refresh_every, at, resumed
):
    settings = {"method": method, "refresh_every": refresh_every}
    whole = contents(run_round("whole", **settings))
    die(at, **settings)
    capsys.readouterr()
    assert contents(run_round("run", **settings)) == whole
    said = f"the run, seed 0: resuming at step {resumed}" in capsys.readouterr().out
    assert said == (resumed is not None)


def test_a_training_may_be_interrupted_again_and_again(run_round, die):
    whole = contents(run_round("whole", refresh_every=1))
    for at in (1, 3, 3, 5):
        die(at, refresh_every=1)
    assert contents(run_round("run", refresh_every=1)) == whole


@pytest.mark.parametrize("damage", ["mark", "weights"])
def test_a_torn_last_checkpoint_is_ignored(run_round, die, tmp_path, capsys, damage):
    whole = contents(run_round("whole", refresh_every=1))
    die(5, refresh_every=1)
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


def test_a_training_that_is_done_only_saves_when_a_later_seed_is_killed(
    run_round, capsys, tmp_path
):
    """Its state stays until the last seed of the job is written."""
    with pytest.raises(Killed), ExitStack() as states:
        whole = contents(run_round("run", states=states))
        raise Killed
    capsys.readouterr()
    assert contents(run_round("run")) == whole
    assert "resuming at step 6" in capsys.readouterr().out
    assert not (tmp_path / "state" / "run").exists()


def test_the_state_is_emptied_when_settings_change(run_round, die, capsys):
    whole = contents(run_round("whole", learning_rate=0.02))
    die(5)
    capsys.readouterr()
    assert contents(run_round("run", learning_rate=0.02)) == whole
    assert "resuming" not in capsys.readouterr().out


def test_the_state_is_emptied_when_the_code_changes(run_round, die, capsys, monkeypatch):
    whole = contents(run_round("whole"))
    die(5)
    monkeypatch.setattr(stage, "digest", lambda *_: "other code")
    capsys.readouterr()
    assert contents(run_round("run")) == whole
    assert "resuming" not in capsys.readouterr().out


def test_the_state_is_emptied_when_a_table_changes(run_round, die, round_, tmp_path):
    """Also where the path stays the same."""
    path = shutil.copy(round_.student.skewness, tmp_path / "skewness.parquet")
    tables = {"student": dataclasses.replace(round_.student, skewness=path)}
    die(5, tables=tables)
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
