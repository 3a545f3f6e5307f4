"""The command line: bad input is one sentence and exit code 1, and light stages stay light."""

from __future__ import annotations

import json
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askd import config
from askd.artifacts import (
    ITEMS,
    PROMPTS,
    REWARDS,
    ROLLOUTS,
    SCHEDULE,
    SKEWNESS,
    read_table,
    table_from_rows,
    write_table,
)

TASK = {
    "kind": "arithmetic",
    "levels": {"easy": {"operations": [2], "train": 8, "validation": 2, "test": 2}},
}
TRAINING = {"learning_rate": 0.1, "steps_per_round": 2, "prompts_per_step": 3}
GRADED = [
    {"prompt_id": "train-0", "sample_id": n, "reward": float(n), "correct": n == 1, "reason": ""}
    for n in range(2)
]
SAMPLED = [
    {
        "prompt_id": "train-0",
        "sample_id": number,
        "token_ids": [7, 1],
        "text": text,
        "finish_reason": "stop",
        "sampler_logprobs": [-0.5, -0.1],
    }
    for number, text in enumerate(["1+1=2", "1+1=3"])
]


@pytest.fixture
def data(tmp_path, prompts_path):
    """A folder with good inputs, which a test may damage."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(prompts_path, folder / "prompts.parquet")
    write_table(folder / "rollouts.parquet", table_from_rows(SAMPLED, ROLLOUTS), ROLLOUTS)
    write_table(folder / "rewards.parquet", table_from_rows(GRADED, REWARDS), REWARDS)
    return folder


@pytest.fixture
def refused(askd_command, tmp_path):
    """Runs a command that must fail in the way that is promised; returns its sentence."""

    def run(*arguments) -> str:
        output = tmp_path / "output"
        before = {path for path in tmp_path.rglob("*") if "state" not in path.name}
        result = askd_command(*arguments, "--output", output / "made")
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr
        lines = result.stderr.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == 1 and lines[-1] == errors[0]
        after = {path for path in tmp_path.rglob("*") if "state" not in str(path)}
        assert after - before <= {tmp_path / "empty"}
        return errors[0]

    return run


def grade(data) -> list:
    tables = ["--prompts", data / "prompts.parquet", "--rollouts", data / "rollouts.parquet"]
    return ["grade", "--seed", "0", "--grader", "arithmetic", *tables]


def project(data, beta: str = "1.0") -> list:
    numbers = ["--seed", "0", "--beta", beta]
    return ["project", "--settings", "{}", *numbers, "--rewards", data / "rewards.parquet"]


def schedule(data, **changes) -> list:
    settings = json.dumps({**TRAINING, **changes})
    numbers = ["--seed", "0", "--rounds", "2"]
    return ["schedule", "--settings", settings, *numbers, "--prompts", data / "prompts.parquet"]


# --- what works --------------------------------------------------------------------------------


def test_light_stages_write_their_tables_without_torch(askd_command, data, tmp_path):
    commands = {
        "prompts": ["prompts", "--settings", json.dumps(TASK)],
        "schedule": schedule(data),
        "rewards": grade(data),
        "skewness": project(data),
    }
    for name, command in commands.items():
        result = askd_command(
            *command, "--output", tmp_path / "made" / name, python=("-X", "importtime")
        )
        assert result.returncode == 0
        assert not re.search(r"\| +(torch|transformers)$", result.stderr, re.MULTILINE)
        assert re.search(r"\| +askd\.artifacts$", result.stderr, re.MULTILINE)
    assert read_table(tmp_path / "made" / "prompts" / "train.parquet", PROMPTS).num_rows == 8
    assert read_table(tmp_path / "made" / "schedule", SCHEDULE).num_rows == 2 * 2 * 3
    rewards = read_table(tmp_path / "made" / "rewards", REWARDS)
    assert rewards.column("correct").to_pylist() == [True, False]
    skewness = read_table(tmp_path / "made" / "skewness", SKEWNESS)
    assert skewness.column("kappa").to_pylist() == [1.0, 0.0]


@pytest.mark.parametrize("command", [[], ["grade"], ["train"], ["rollout"], ["check"]])
def test_help_is_printed_without_torch(askd_command, command):
    result = askd_command(*command, "--help", python=("-X", "importtime"))
    assert result.returncode == 0
    assert "Usage: " in result.stdout
    assert not re.search(r"\| +(torch|transformers|pyarrow)$", result.stderr, re.MULTILINE)


def test_help_lists_every_stage(askd_command):
    text = askd_command("--help").stdout
    stages = (
        "check prompts pretrain fetch prune warm-start schedule rollout score grade project train "
        "evaluate table tune claims contrast power answers figures-data figures variance-data "
        "variance curves budget theory audit times sweep-table report publish evalplus-problems "
        "evalplus schema"
    )
    for stage in stages.split():
        assert re.search(rf"\b{stage}\b", text)


def test_the_schema_is_printed(askd_command):
    assert askd_command("schema").stdout == config.schema()


EVALUATION = json.dumps(
    {
        "evaluation": {"samples": 2},
        "rollout": {"max_new_tokens": 4},
        "benchmarks": {"sums": {"task": "t", "level": "easy", "label": "x"}},
        "grader": "arithmetic",
    }
)


def evaluation(data, model, seeds: list[int]) -> list:
    words = [word for seed in seeds for word in ("--seed", seed)]
    return ["evaluate", "--settings", EVALUATION, "--data", data, "--model", model, *words]


def test_one_process_evaluates_the_models_of_all_seeds(askd_command, folders, data, tmp_path):
    """Each as if it were alone: with its own seed, into its own folder."""
    shutil.copy(data / "prompts.parquet", data / "test.parquet")
    for seed, model in ((3, folders.student), (4, folders.teacher), (5, folders.student)):
        shutil.copytree(model, tmp_path / f"models/seed{seed}")

    def run(kind: str, seeds: list[int]) -> dict[str, bytes]:
        command = evaluation(data, tmp_path / "models/seed{seed}", seeds)
        root = tmp_path / kind
        result = askd_command(*command, "--output", root / "seed{seed}")
        assert result.returncode == 0, result.stderr
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    together = run("together", [3, 4, 5])
    assert together == {
        f"seed{seed}/sums/{file}": together[f"seed{seed}/sums/{file}"]
        for seed in (3, 4, 5)
        for file in ("items.parquet", "summary.json")
    }
    assert len({together[f"seed{seed}/sums/items.parquet"] for seed in (3, 4, 5)}) == 3
    last = run("alone", [5])
    assert last == {name: data for name, data in together.items() if name.startswith("seed5/")}
    seeds = [json.loads(together[f"seed{seed}/sums/summary.json"])["seed"] for seed in (3, 4, 5)]
    assert seeds == [3, 4, 5]


def test_a_table_without_numbers_of_the_paper_is_written(askd_command, tmp_path):
    rows = [
        {
            "prompt_id": f"p{number}",
            "decoding": decoding,
            "sample_id": 0,
            "correct": True,
            "reward": 1.0,
            "reason": "",
            "finish_reason": "stop",
            "response_tokens": 1,
            "text": "",
        }
        for decoding in ("greedy", "sampled")
        for number in range(2)
    ]
    path = tmp_path / "results/p/sft/seed0/eval/sums/items.parquet"
    write_table(path, table_from_rows(rows, ITEMS), ITEMS)
    table = {"title": "x", "pairs": ["p"], "systems": ["sft"], "benchmarks": ["sums"]}
    settings = {
        "name": "mine",
        "table": {**table, "compare": "sft"},
        "measure": "pass@1",
        "pairs": {"p": {"teacher": "t", "student": "s", "task": "t", "label": "P"}},
        "benchmarks": {"sums": {"task": "t", "level": "easy", "label": "Sums"}},
        "methods": {"sft": {"label": "SFT", "reference": {"divergence": "nll"}}},
        "chosen": {},
        "misled": [],
        "seeds": 1,
        "results": str(tmp_path / "results"),
    }
    output = tmp_path / "tables"
    result = askd_command("table", "--settings", json.dumps(settings), "--output", output)
    assert result.returncode == 0, result.stderr
    assert (output / "mine.csv").read_text().startswith("pair,method,benchmark")


# --- what is refused ---------------------------------------------------------------------------


def test_runs_that_would_write_the_same_files(refused, data):
    sentence = refused(*evaluation(data, data, [0, 1]))
    assert sentence.endswith("with several seeds it needs {seed} in its name.")
    assert refused(*evaluation(data, data, [1, 1])) == "error: --seed: [1, 1] names a seed twice."


def test_an_unknown_key_in_the_settings(refused):
    command = ["prompts", "--settings", json.dumps({**TASK, "levls": {}})]
    sentence = refused(*command)
    assert sentence.startswith("error: --settings: ")
    assert "unknown key 'levls'; did you mean 'levels'?" in sentence


def test_settings_that_are_no_json(refused):
    assert "--settings: not JSON" in refused("prompts", "--settings", "{kind: arithmetic}")


def test_several_wrong_values_are_one_line(refused, data):
    sentence = refused(*schedule(data, learning_rate=-1, micro_batch_size=0))
    assert "learning_rate: " in sentence and "; micro_batch_size: " in sentence


def test_a_task_with_more_expressions_than_there_are(refused):
    levels = {"tiny": {"operations": [1], "train": 999, "validation": 1, "test": 1}}
    assert "level 'tiny' asks for 1001" in refused(
        "prompts", "--settings", json.dumps({**TASK, "levels": levels})
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ('{"prompt": "1', "line 1 is not JSON"),
        ('{"prompt": "1+1"}', "line 1 has no key 'reference'"),
        (None, "no such file"),
    ],
)
def test_bad_prompt_files(refused, tmp_path, text, reason):
    paths = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "validation", "test")}
    for path in list(paths.values())[: 2 if text is None else 3]:
        (tmp_path / path).write_text('{"prompt": "1+1", "reference": "2"}\n')
    if text is not None:
        (tmp_path / "test.jsonl").write_text(text)
    task = json.dumps({"kind": "jsonl", "grader": "arithmetic", **paths})
    assert f"test.jsonl: {reason}" in refused("prompts", "--settings", task)


def test_a_missing_table(refused, data):
    (data / "rollouts.parquet").unlink()
    assert "rollouts.parquet: no such file; run the stage that writes it" in refused(*grade(data))


@pytest.mark.parametrize("kept", [0, 100, -4])
def test_a_torn_table(refused, data, kept):
    path = data / "rollouts.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    assert "rollouts.parquet: not a whole Parquet file" in refused(*grade(data))


def test_a_table_of_another_stage(refused, data):
    shutil.copy(data / "prompts.parquet", data / "rollouts.parquet")
    assert "rollouts.parquet: no column 'sample_id'" in refused(*grade(data))


def test_a_double_key(refused, data):
    table = pq.read_table(data / "rewards.parquet")
    pq.write_table(pa.concat_tables([table, table]), data / "rewards.parquet")
    assert "rewards.parquet: rows 0 and 2 have the same key" in refused(*project(data))


def test_rollouts_of_other_prompts(refused, data):
    rows = [{**row, "prompt_id": "other"} for row in SAMPLED]
    write_table(data / "rollouts.parquet", table_from_rows(rows, ROLLOUTS), ROLLOUTS)
    assert "prompt_id 'other' is not in the prompts table" in refused(*grade(data))


def test_fewer_prompts_than_a_step_takes(refused, data):
    assert "prompts_per_step is 7" in refused(*schedule(data, prompts_per_step=7))


CODE = {
    "format": "humaneval",
    "prompt": 'def f(x):\n    """Add 1."""\n',
    "entry_point": "f",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
}


@pytest.fixture
def code_data(data):
    """The folder with one programming task and two answers to it."""
    prompt = {
        "prompt_id": "train-0",
        "level": "easy",
        "messages": [{"role": "user", "content": CODE["prompt"]}],
        "reference": json.dumps(CODE),
        "response": "",
    }
    write_table(data / "prompts.parquet", table_from_rows([prompt], PROMPTS), PROMPTS)
    rows = [
        {**row, "text": text}
        for row, text in zip(SAMPLED, ("    return x + 1", "    exit(0)"), strict=True)
    ]
    write_table(data / "rollouts.parquet", table_from_rows(rows, ROLLOUTS), ROLLOUTS)
    return data


def grade_code(data, **settings) -> list:
    command = ["code" if part == "arithmetic" else part for part in grade(data)]
    return [*command, "--sandbox", json.dumps(settings)]


def test_programs_are_graded(askd_command, code_data, tmp_path):
    output = tmp_path / "rewards.parquet"
    command = grade_code(code_data, lowest_tier="landlock")
    result = askd_command(*command, "--output", output)
    assert result.returncode == 0, result.stderr
    assert read_table(output, REWARDS).column("reward").to_pylist() == [1.0, 0.0]


def test_a_weaker_sandbox_than_allowed_is_no_reward_of_zero(refused, code_data, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    message = refused(*grade_code(code_data, lowest_tier="namespaces"))
    assert "bubblewrap is not installed" in message
    assert "set sandbox.lowest_tier: landlock" in message


def test_a_misspelt_limit_of_the_sandbox(refused, code_data):
    message = refused(*grade_code(code_data, limits={"wall_secnds": 3}))
    assert "did you mean 'wall_seconds'?" in message


def test_an_unknown_grader(refused, data):
    command = ["arithmetics" if part == "arithmetic" else part for part in grade(data)]
    assert "unknown grader 'arithmetics'; did you mean 'arithmetic'?" in refused(*command)


@pytest.mark.parametrize("beta", ["-1", "nan"])
def test_a_projection_that_is_not_positive(refused, data, beta):
    assert "beta" in refused(*project(data, beta))


def test_a_reward_that_is_no_number(refused, data):
    rows = [GRADED[0], {**GRADED[1], "reward": float("nan")}]
    write_table(data / "rewards.parquet", table_from_rows(rows, REWARDS), REWARDS)
    assert "rewards.parquet" in refused(*project(data))


def score(teacher, student, data) -> list:
    models = ["--teacher", teacher, "--student", student]
    sizes = ["--settings", '{"max_new_tokens": 4}', "--head-chunk", "64"]
    tables = ["--prompts", data / "prompts.parquet", "--rollouts", data / "rollouts.parquet"]
    return ["score", "--seed", "0", *models, *tables, *sizes]


def test_models_of_different_tokenizers(refused, folders, data, tmp_path):
    other = shutil.copytree(folders.student, tmp_path / "other")
    (other / "chat_template.jinja").write_text("{{ messages[0].content }}")
    sentence = refused(*score(folders.teacher, other, data))
    assert "teacher and " in sentence and "chat templates differ; if they are" in sentence


@pytest.mark.parametrize(
    ("damage", "reason"), [("unlink", "no weights"), ("truncate", "cannot load the model")]
)
def test_a_model_folder_without_whole_weights(refused, folders, data, tmp_path, damage, reason):
    other = shutil.copytree(folders.teacher, tmp_path / "other")
    weights = other / "model.safetensors"
    if damage == "unlink":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:500])
    assert f"{other}: {reason}" in refused(*score(other, folders.student, data))


def test_a_rollout_of_a_model_that_was_not_written_to_its_end(refused, folders, data, tmp_path):
    other = shutil.copytree(folders.student, tmp_path / "other")
    (other / "manifest.json").unlink()
    steps = [{"round": 0, "step": 0, "prompt_id": "train-0"}]
    write_table(data / "schedule.parquet", table_from_rows(steps, SCHEDULE), SCHEDULE)
    tables = ["--prompts", data / "prompts.parquet", "--schedule", data / "schedule.parquet"]
    sentence = refused(
        *["rollout", "--settings", '{"max_new_tokens": 4}', "--seed", "0", "--stream", "test"],
        *["--model", other, *tables, "--round", "0", "--steps", "1", "--state", tmp_path / "state"],
    )
    assert "no manifest.json; the folder was not written to its end" in sentence
