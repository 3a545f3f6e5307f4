"""The grader of programs."""

from __future__ import annotations

import json

import pytest

from askd.artifacts import REWARDS, read_table, write_table
from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.rewards import code
from askd.rewards.grade import grade, sandbox_of
from askd.sandbox import BadTests, Sandbox

ROW = {
    "format": "humaneval",
    "prompt": 'def f(x):\n    """add 2, double"""\n',
    "entry_point": "f",
    "test": "def check(candidate):\n    assert candidate(1) == 6\n    assert candidate(0) == 4\n",
}


def prompts(reference: str) -> list[dict]:
    return [{"prompt_id": "a", "reference": reference, "messages": []}]


PROMPTS = prompts(json.dumps(ROW))
SETTINGS = SandboxSettings(lowest_tier="landlock")


def rollouts(*texts: str) -> list[dict]:
    return [
        {"prompt_id": "a", "sample_id": number, "text": text, "finish_reason": "stop"}
        for number, text in enumerate(texts)
    ]


def test_programs_are_graded_in_the_sandbox_and_the_table_says_in_which(tmp_path):
    answers = ("    x+=2;x*=2;return x", "    x*=2;return x", "    return x +", "    exit(0)")
    table = grade(rollouts(*answers), PROMPTS, "code", SETTINGS)
    path = tmp_path / "rewards.parquet"
    write_table(path, table, REWARDS)
    import pyarrow.parquet as pq

    kept = pq.read_table(path)
    assert [(row["reward"], row["correct"], row["reason"]) for row in kept.to_pylist()] == [
        (1.0, True, "correct"),
        (0.0, False, "wrong answer"),
        (0.0, False, "syntax error"),
        (0.0, False, "exception"),
    ]
    about = sandbox_of(kept)
    assert about["tier"] in ("namespaces", "landlock")
    assert about["limits"] == SETTINGS.limits.model_dump()
    assert {"kernel", "landlock", "libseccomp", "python"} <= about.keys()
    assert read_table(path, REWARDS).num_rows == 4


def test_equal_programs_run_once(monkeypatch):
    ran = []
    original = Sandbox.run_all
    monkeypatch.setattr(
        Sandbox, "run_all", lambda self, programs: ran.append(programs) or original(self, programs)
    )
    answers = ["    return 2*x+4"] * 3 + ["    return x-4"]
    table = grade(rollouts(*answers), PROMPTS, "code", SETTINGS)
    assert table.column("correct").to_pylist() == [True, True, True, False]
    again = grade(rollouts(*answers, "    return x-3"), PROMPTS, "code", SETTINGS)
    assert again.column("correct").to_pylist() == [True, True, True, False, False]
    assert [len(programs) for programs in ran] == [2, 1]


def test_an_answer_that_is_known_is_not_known_for_other_tests():
    right = prompts(json.dumps({**ROW, "test": "def check(c):\n    assert c(1) == 1\n"}))
    answer = rollouts("    return x")
    assert grade(answer, PROMPTS, "code", SETTINGS).column("correct").to_pylist() == [False]
    assert grade(answer, right, "code", SETTINGS).column("correct").to_pylist() == [True]


def test_other_graders_run_in_no_sandbox(monkeypatch):
    monkeypatch.setattr(code, "_sandbox", None)
    table = grade(rollouts("=8"), prompts("8"), "arithmetic")
    assert sandbox_of(table) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test": "def check(c):"}, "the reference of 'a': test does not compile"),
        ({"entry_point": None}, "the reference of 'a': no text 'entry_point'"),
        ({"test": "def verify(c): pass"}, "the reference of 'a': the tests are at fault: they do"),
    ],
)
def test_bad_tests_are_no_reward_of_zero(changes, words):
    broken = prompts(json.dumps({**ROW, **changes}))
    with pytest.raises(BadTests) as caught:
        grade(rollouts("    return x"), broken, "code", SETTINGS)
    assert words in str(caught.value)
    assert isinstance(caught.value, AskdError)


def test_a_sandbox_that_breaks_is_no_reward_of_zero(monkeypatch):
    from askd.sandbox import SandboxBroken
    from askd.sandbox.worker import Worker

    def broken(self, program):
        raise SandboxBroken("its process ended")

    monkeypatch.setattr(Worker, "run", broken)
    with pytest.raises(SandboxBroken, match="the reference of 'a': the sandbox broke twice"):
        grade(rollouts("    return x+99"), PROMPTS, "code", SETTINGS)
