"""The rollout stage: shards that resume, with the bytes of an uninterrupted run."""

from __future__ import annotations

import shutil
from contextlib import ExitStack

import pytest

from askd.artifacts import JOINT_ROLLOUTS, ROLLOUTS, read_table
from askd.config import MixturePolicy, Rollout
from askd.errors import AskdError
from askd.models.folder import save
from askd.rollout import stage

SETTINGS = Rollout(samples_per_prompt=2, max_new_tokens=6, shard_size=5)
POLICY = MixturePolicy(kind="mixture", teacher_weight=0.5)
OTHER = MixturePolicy(kind="mixture", teacher_weight=0.9)


class Killed(Exception):
    pass


@pytest.fixture
def run(folders, prompts_path, tmp_path):
    """Runs the stage; all runs share one state folder."""

    def run(
        name: str,
        settings=SETTINGS,
        prompt_ids=None,
        seed=0,
        stream="test",
        model=None,
        policy=None,
        teacher=None,
        states=None,
    ):
        output = tmp_path / f"{name}.parquet"
        with ExitStack() as own:
            stage.rollout(
                model or folders.teacher,
                prompts_path,
                prompt_ids,
                settings,
                seed,
                stream,
                output,
                tmp_path / "state",
                states or own,
                policy,
                teacher,
            )
        return output

    return run


@pytest.fixture
def calls(monkeypatch):
    """The keys of the requests of each call of `sample`; `calls.limit` shards until the kill."""

    class Calls(list):
        limit = 1000

    made, sample = Calls(), stage.sample

    def counted(language_model, wanted, *arguments, **keywords):
        if len(made) == made.limit:
            raise Killed
        made.append([(request.prompt_id, request.sample_id) for request in wanted])
        return sample(language_model, wanted, *arguments, **keywords)

    monkeypatch.setattr(stage, "sample", counted)
    return made


def interrupt(run, calls, after: int, **changes) -> None:
    calls.clear()
    calls.limit = after
    with pytest.raises(Killed):
        run("interrupted", **changes)
    calls.clear()
    calls.limit = 1000


def test_a_rollout_has_all_samples_in_order(run, calls, prompt_rows, tmp_path):
    table = read_table(run("out"), ROLLOUTS)
    assert table.select(["prompt_id", "sample_id"]).to_pylist() == [
        {"prompt_id": row["prompt_id"], "sample_id": number}
        for row in prompt_rows
        for number in range(2)
    ]
    assert [len(keys) for keys in calls] == [5, 5, 2]
    assert not (tmp_path / "state").exists()


def test_prompts_can_be_chosen_and_ordered(run):
    table = read_table(run("out", prompt_ids=["train-4", "train-1"]), ROLLOUTS)
    names = table.column("prompt_id").to_pylist()
    assert names == ["train-4", "train-4", "train-1", "train-1"]


def test_an_unknown_prompt_is_refused(run):
    with pytest.raises(AskdError, match=r"train\.parquet: no prompt 'train-99'"):
        run("out", prompt_ids=["train-1", "train-99"])


@pytest.mark.parametrize("size", [1, 1000])
def test_the_size_of_shards_does_not_matter(run, size):
    columns = [name for name in ROLLOUTS.names if name != "sampler_logprobs"]
    tables = [
        read_table(path, ROLLOUTS).select(columns)
        for path in (run("five"), run("other", SETTINGS.model_copy(update={"shard_size": size})))
    ]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupted_rollout_resumes_with_equal_bytes(run, calls, after, tmp_path):
    whole = run("whole").read_bytes()
    interrupt(run, calls, after)
    assert not (tmp_path / "interrupted.parquet").exists()
    resumed = run("interrupted")
    assert resumed.read_bytes() == whole
    assert len(calls) == 3 - after
    assert calls[0][0] == [("train-2", 1), ("train-5", 0)][after - 1]
    assert not (tmp_path / "state").exists()


def test_a_rollout_that_is_done_is_not_sampled_again_when_a_later_seed_is_killed(run, calls):
    """Its state stays until the last seed of the job is written."""
    with pytest.raises(Killed), ExitStack() as states:
        whole = run("done", states=states).read_bytes()
        raise Killed
    calls.clear()
    assert run("done").read_bytes() == whole
    assert calls == []


def test_a_shard_that_is_gone_is_sampled_again(run, calls, tmp_path):
    whole = run("whole").read_bytes()
    interrupt(run, calls, 2)
    (tmp_path / "state" / "shard-000000000.parquet").unlink()
    assert run("interrupted").read_bytes() == whole
    assert len(calls) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": SETTINGS.model_copy(update={"temperature": 0.5})},
        {"settings": SETTINGS.model_copy(update={"shard_size": 4})},
        {"seed": 1},
        {"stream": "other"},
        {"prompt_ids": ["train-1", "train-2", "train-3"]},
    ],
)
def test_the_state_is_emptied_when_something_changes(run, calls, changes):
    fresh = run("fresh", **changes).read_bytes()
    interrupt(run, calls, 1)
    assert run("changed", **changes).read_bytes() == fresh
    first = "train-0" if "prompt_ids" not in changes else "train-1"
    assert calls[0][0] == (first, 0)


def test_the_state_is_emptied_when_the_model_changes(run, calls, folders):
    fresh = run("fresh", model=folders.student).read_bytes()
    interrupt(run, calls, 1)
    assert run("changed", model=folders.student).read_bytes() == fresh


def test_a_student_may_sample_with_its_teacher(run, folders):
    """Its table has one column more, and is read as any other where that is not needed."""
    together = {"model": folders.student, "policy": POLICY, "teacher": folders.teacher}
    path = run("together", **together)
    rows = read_table(path, JOINT_ROLLOUTS).to_pylist()
    assert all(len(row["student_logprobs"]) == len(row["token_ids"]) for row in rows)
    alone = read_table(run("alone", model=folders.student), ROLLOUTS)
    assert read_table(path, ROLLOUTS).column_names == alone.column_names
    assert not read_table(path, ROLLOUTS).column("token_ids").equals(alone.column("token_ids"))
    with pytest.raises(AskdError, match="no column 'student_logprobs'"):
        read_table(run("alone", model=folders.student), JOINT_ROLLOUTS)


def test_an_interrupted_rollout_of_both_resumes_with_equal_bytes(run, calls, folders):
    together = {"model": folders.student, "policy": POLICY, "teacher": folders.teacher}
    whole = run("whole", **together).read_bytes()
    interrupt(run, calls, 1, **together)
    assert run("interrupted", **together).read_bytes() == whole
    assert len(calls) == 2


@pytest.mark.parametrize("changes", [{"policy": OTHER}, {"policy": None}, {"teacher": None}])
def test_the_state_is_emptied_when_the_policy_or_its_teacher_changes(
    run, calls, folders, make_model, loaded_student, tmp_path, changes
):
    together = {"model": folders.student, "policy": POLICY, "teacher": folders.teacher}
    if "teacher" in changes:
        save(make_model(24, seed=9), loaded_student.tokenizer, tmp_path / "other")
        changes = {"teacher": tmp_path / "other"}
    changed = {**together, **changes}
    fresh = run("fresh", **changed).read_bytes()
    interrupt(run, calls, 1, **together)
    assert run("changed", **changed).read_bytes() == fresh
    assert calls[0][0] == ("train-0", 0)


@pytest.mark.parametrize(("dtype", "used"), [(None, "float32"), ("bfloat16", "bfloat16")])
def test_weights_are_of_the_type_of_the_settings(
    run, folders, prompts_path, monkeypatch, dtype, used
):
    """Those of the student, of the teacher beside it, and of the teacher that scores."""
    types, load = [], stage.load

    def seen(*arguments):
        loaded = load(*arguments)
        types.append(str(loaded.model.dtype).removeprefix("torch."))
        return loaded

    monkeypatch.setattr(stage, "load", seen)
    settings = SETTINGS.model_copy(update={"dtype": dtype})
    both = {"model": folders.student, "policy": POLICY, "teacher": folders.teacher}
    rollouts = run("typed", settings=settings, prompt_ids=["train-0"], **both)
    output = rollouts.with_name("scores.parquet")
    stage.score_rollouts(
        folders.teacher, folders.student, prompts_path, rollouts, settings, 64, output
    )
    assert types == [used] * 3


def test_a_policy_without_a_teacher_is_refused(run, folders, tmp_path):
    with pytest.raises(AskdError, match=r"out\.parquet: the policy mixture samples with a teacher"):
        run("out", model=folders.student, policy=POLICY)
    assert not (tmp_path / "state").exists()


def test_a_teacher_of_another_tokenizer_is_refused(run, folders, tmp_path):
    other = shutil.copytree(folders.teacher, tmp_path / "teacher")
    (other / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(AskdError, match="chat templates differ"):
        run("out", model=folders.student, policy=POLICY, teacher=other)


def test_a_model_that_was_not_written_to_its_end_is_refused(run, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(AskdError, match=r"no manifest\.json"):
        run("out", model=tmp_path / "model")
