"""The grade stage with an endpoint, in a process of its own, which may be killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from askd.artifacts import PROMPTS, REWARDS, ROLLOUTS, read_table, table_from_rows, write_table
from askd.judge.position_check import PAIRS

ROOT = Path(__file__).resolve().parents[2]
NUMBER = 60
CALLS = 2 * (NUMBER + len(PAIRS))
KEY = "sk-a-very-secret-key"


def verdict(messages: list[dict]) -> str:
    """Slow, and with a taste that depends on the texts alone."""
    time.sleep(0.03)
    text = messages[0]["content"]
    for mine, theirs in [("answer of mine", "theirs"), *((p.answer, p.baseline) for p in PAIRS)]:
        if mine in text and theirs in text:
            return f"[[{'AB'[text.index(mine) > text.index(theirs)]}]]"
    raise AssertionError(text)


@pytest.fixture
def tables(tmp_path) -> list:
    prompts = [
        {
            "prompt_id": f"p{n}",
            "level": "all",
            "messages": [{"role": "user", "content": f"question {n}"}],
            "reference": json.dumps({"baseline": f"theirs {n}", "generator": "somebody"}),
            "response": "",
        }
        for n in range(NUMBER)
    ]
    rollouts = [
        {
            "prompt_id": f"p{n}",
            "sample_id": 0,
            "token_ids": [1],
            "text": f"answer of mine {n}",
            "finish_reason": "stop",
            "sampler_logprobs": [-1.0],
        }
        for n in range(NUMBER)
    ]
    write_table(tmp_path / "prompts.parquet", table_from_rows(prompts, PROMPTS), PROMPTS)
    write_table(tmp_path / "rollouts.parquet", table_from_rows(rollouts, ROLLOUTS), ROLLOUTS)
    return [
        *("--prompts", str(tmp_path / "prompts.parquet")),
        *("--rollouts", str(tmp_path / "rollouts.parquet")),
    ]


GRADE = (sys.executable, "-m", "askd", "grade", "--seed", "0", "--grader", "judge")


@pytest.fixture
def command(tables, settings, tmp_path):
    def make(url: str, *options: str, **changes) -> list[str]:
        judge = settings(url, key_variable="JUDGE_KEY", **changes).model_dump_json()
        return [
            *GRADE,
            *("--judge", judge),
            *tables,
            *("--output", str(tmp_path / "out" / "rewards.parquet")),
            *options,
        ]

    return make


def environment(**changes) -> dict:
    return {**os.environ, "PYTHONPATH": str(ROOT), "JUDGE_KEY": KEY, **changes}


def run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)


def stored(tmp_path: Path) -> int:
    with closing(sqlite3.connect(tmp_path / "cache" / "replies.sqlite")) as connection:
        return connection.execute("SELECT count(*) FROM replies").fetchone()[0]


def test_a_killed_run_goes_on_with_exactly_the_missing_calls(serve, command, tmp_path):
    server = serve(verdict)
    process = subprocess.Popen(
        command(server.url), env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(server.bodies) < 40 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # the server may still read what was sent before the kill
    before, kept = len(server.bodies), stored(tmp_path)
    assert 40 <= before < CALLS
    assert before - 2 * 4 <= kept <= before  # what was under way is lost, and no more
    assert not (tmp_path / "out").exists()

    result = run(command(server.url))
    assert result.returncode == 0, result.stderr
    assert f"{CALLS - kept} calls to pay for, {kept} replies in the cache" in result.stdout
    assert len(server.bodies) - before == CALLS - kept
    about = json.loads((tmp_path / "out" / "rewards.judge.json").read_text())
    assert (about["calls_paid"], about["calls_cached"]) == (CALLS - kept, kept)
    rewards = read_table(tmp_path / "out" / "rewards.parquet", REWARDS)
    assert set(rewards.column("reason").to_pylist()) == {"win"}

    # Once more, of the cache alone: no call, and the same bytes.
    first = (tmp_path / "out" / "rewards.parquet").read_bytes()
    result = run(command(server.url))
    assert result.returncode == 0 and len(server.bodies) - before == CALLS - kept
    assert (tmp_path / "out" / "rewards.parquet").read_bytes() == first


def test_nothing_that_is_written_holds_the_key(serve, command, tmp_path):
    server = serve(verdict)
    result = run(command(server.url))
    assert result.returncode == 0 and set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in result.stdout + result.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the key in the environment variable 'JUDGE_KEY'"),
        (404, "the endpoint knows no model 'stub'"),
        (500, "no reply in 3 attempts (HTTP 500"),
    ],
)
def test_a_refusal_is_one_sentence_and_writes_nothing(
    serve, command, faults, tmp_path, status, words
):
    server = serve(verdict)
    server.faults += [faults.status(status)] * 1000
    result = run(command(server.url))
    assert result.returncode == 1 and "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and words in line
    assert not (tmp_path / "out").exists()


def test_the_estimate_calls_nothing(serve, command, tmp_path):
    server = serve(verdict)
    result = run(command(server.url, "--estimate", prompt_price=1, completion_price=4))
    assert result.returncode == 0 and f"{CALLS} calls to pay for" in result.stdout
    assert "price 0.0" in result.stdout and server.bodies == []
    assert not (tmp_path / "out").exists()


def test_an_estimate_of_a_rule_is_refused(tables, tmp_path):
    command = [*GRADE, *tables, "--estimate"]
    result = run([*command, "--output", str(tmp_path / "out")])
    assert result.returncode == 1 and "with a judge of kind 'endpoint'" in result.stderr
