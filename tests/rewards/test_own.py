"""Graders of one's own: what they are given, which rewards count, and errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from askd import entry_point
from askd.artifacts import PROMPTS, REWARDS, ROLLOUTS, read_table, table_from_rows, write_table
from askd.errors import AskdError
from askd.rewards.grade import grade


@pytest.fixture
def rewards_of(tmp_path, monkeypatch):
    """Grades responses to one prompt with a function whose body is given."""
    monkeypatch.chdir(tmp_path)
    # Bytecode is told apart by second and size, and a test writes two functions in less.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "rewards").mkdir()

    def run(body: str, *texts: str, reference: str = "") -> list[dict]:
        text = f"import numpy as np\n\n\ndef score(prompt, response, reference):\n    {body}\n"
        (tmp_path / "rewards" / "mine.py").write_text(text)
        entry_point._load_module.cache_clear()
        messages = [
            {"role": "user", "content": "the first"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "the last"},
        ]
        prompts = [{"prompt_id": "a", "reference": reference, "messages": messages}]
        rollouts = [
            {"prompt_id": "a", "sample_id": number, "text": text, "finish_reason": "stop"}
            for number, text in enumerate(texts or ("",))
        ]
        return grade(rollouts, prompts, "rewards.mine:score").to_pylist()

    return run


def test_real_rewards_and_which_are_correct(rewards_of):
    rows = rewards_of("return len(response) / 4", "", "ab", "abcd")
    assert [row["reward"] for row in rows] == [0.0, 0.5, 1.0]
    assert [row["correct"] for row in rows] == [False, False, True]
    assert [row["sample_id"] for row in rows] == [0, 1, 2]


@pytest.mark.parametrize("value", [True, 1, 1.0, np.True_, np.float32(1), np.int64(1)])
def test_kinds_of_numbers(rewards_of, value):
    (row,) = rewards_of(f"return {value!r}")
    assert (row["reward"], row["correct"]) == (1.0, True)


def test_what_the_function_is_given(rewards_of):
    body = "return prompt == 'the last' and response == 'so' and reference is None"
    assert [row["correct"] for row in rewards_of(body, "so", "no")] == [True, False]
    assert rewards_of("return reference == '8'", reference="8")[0]["correct"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return float('nan')", "gave nan for a response to 'a'"),
        ("return float('inf')", "gave inf for a response to 'a'"),
        ("return -0.5", "gave -0.5 for a response to 'a'"),
        ("return 1.01", "gave 1.01 for a response to 'a'"),
        ("return None", "gave None for a response to 'a'"),
        ("return '1'", "gave '1' for a response to 'a'"),
        ("return [1.0]", "gave [1.0] for a response to 'a'"),
        ("return 1j", "gave 1j for a response to 'a'"),
        ("return 1 / 0", "failed on a response to 'a' (ZeroDivisionError"),
        ("assert prompt == ''", "failed on a response to 'a' (AssertionError, at line 5 of"),
        (
            "return int(reference)",
            "failed on a response to 'a' (TypeError: int() argument must be a string",
        ),
        ("raise ValueError('one\\ntwo')", "(ValueError: one two, at line 5 of rewards/mine.py)"),
    ],
)
def test_what_is_no_reward_names_the_prompt(rewards_of, body, reason):
    with pytest.raises(AskdError) as error:
        rewards_of(body)
    assert str(error.value).startswith("rewards.mine:score: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_refuses_in_one_sentence_and_writes_nothing(tmp_path, askd_command):
    folder = tmp_path / "empty"  # where the command runs
    folder.mkdir()
    message = {"role": "user", "content": "say"}
    prompt = {"prompt_id": "a", "level": "all", "messages": [message], "reference": ""}
    rollout = {"prompt_id": "a", "sample_id": 0, "token_ids": [1], "text": "so"}
    rollout |= {"finish_reason": "stop", "sampler_logprobs": [-1.0]}
    for name, row, schema in (
        ("prompts", {**prompt, "response": ""}, PROMPTS),
        ("rollouts", rollout, ROLLOUTS),
    ):
        write_table(folder / f"{name}.parquet", table_from_rows([row], schema), schema)
    (folder / "mine.py").write_text("def score(*_):\n    return 0.5\n")
    output = folder / "rewards.parquet"

    def run(grader: str):
        arguments = ["--prompts", "prompts.parquet", "--rollouts", "rollouts.parquet"]
        return askd_command(
            *("grade", "--seed", 0, "--grader", grader, *arguments, "--output", output)
        )

    refused = run("mine:scor")
    assert refused.returncode == 1
    sentence = "error: mine:scor: mine.py has no function 'scor'; did you mean 'score'?\n"
    assert refused.stderr == sentence
    assert not output.exists()
    assert run("mine:score").returncode == 0
    (row,) = read_table(output, REWARDS).to_pylist()
    assert row["reward"] == 0.5
