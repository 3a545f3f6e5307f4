"""The table of the audit, from made-up outcomes."""

from __future__ import annotations

import csv

import pytest

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.reporting.sandbox_audit import audit
from askd.sandbox.audit import humaneval, suite
from askd.sandbox.audit.suite import Outcome

SETTINGS = SandboxSettings(lowest_tier="landlock")


def outcome(name: str, category: str, expected: str, status: str, *violations: str) -> Outcome:
    return Outcome(name, category, expected, status, "a reason", 0.1, 7 << 20, 3, violations)


FINE = [
    outcome("plain", "good", "pass", "passed"),
    outcome("reads", "secrets", "fail", "failed"),
    outcome("sleeps", "resources", "fail", "timeout"),
]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Writes the table of such outcomes, with two problems of HumanEval."""

    def write(outcomes: list[Outcome], empty_passes: bool = False) -> str:
        monkeypatch.setattr(suite, "run", lambda settings: outcomes)
        canonical = humaneval.canonical()[:2]
        empty = canonical if empty_passes else humaneval.empty()[:2]
        monkeypatch.setattr(humaneval, "canonical", lambda: canonical)
        monkeypatch.setattr(humaneval, "empty", lambda: empty)
        audit(SETTINGS, tmp_path / "sandbox_audit")
        return (tmp_path / "sandbox_audit.md").read_text()

    return write


def numbers(text: str) -> dict[str, str]:
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0].strip(): row[1].strip() for row in cells if len(row) == 2}


def test_the_summary(run, tmp_path):
    text = run(FINE)
    found = numbers(text)
    assert found["programs of the suite"] == "3"
    assert found["wrong verdicts"] == "0"
    assert found["programs that did what they must not"] == "0"
    assert found["timeouts"] == "1"
    assert found["right programs that failed (false negatives)"] == "0/1"
    assert found["HumanEval, canonical solutions passed"] == "2/2"
    assert found["HumanEval, `return None` passed"] == "0/2"
    assert float(found["HumanEval, ms per program, one worker"]) > 0
    assert found["largest resident memory, MiB"] == "7"
    assert found["most processes at a time"] == "3"
    assert "Ran in: tier " in text and "Limits: wall_seconds 10.0" in text
    assert "Faults" not in text
    with (tmp_path / "sandbox_audit.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["plain", "reads", "sleeps"]


@pytest.mark.parametrize(
    ("bad", "words", "line"),
    [
        (outcome("fails", "good", "pass", "failed"), "1 wrong verdicts", "expected pass"),
        (outcome("forges", "wrong", "fail", "passed"), "1 wrong verdicts", "expected fail"),
        (outcome("leaks", "secrets", "fail", "failed", "it leaks"), "1 violations", "it leaks"),
    ],
)
def test_a_fault_fails_the_audit_and_is_written(run, tmp_path, bad, words, line, capsys):
    with pytest.raises(AskdError, match=words):
        run([*FINE, bad])
    text = (tmp_path / "sandbox_audit.md").read_text()
    assert f"- {bad.name}: " in text and line in text
    assert text in capsys.readouterr().out


def test_an_empty_solution_that_passes_fails_the_audit(run):
    with pytest.raises(AskdError, match="2 empty ones passed"):
        run(FINE, empty_passes=True)
