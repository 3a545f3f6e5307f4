"""The audit in every tier, as this user and, for root, as an ordinary one."""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable

import pytest

from askd.sandbox import Program, Sandbox, SandboxRefused, SandboxSettings, seccomp, selftest, tiers
from askd.sandbox.audit import humaneval, monitor, suite
from askd.sandbox.audit.canary import Canary
from askd.sandbox.audit.case import Case

TIERS = pytest.mark.parametrize("tier", tiers.TIERS)
AS_ROOT = os.geteuid() == 0
USERS = pytest.mark.parametrize("user", ["this user", "ordinary user"])
SETTINGS = SandboxSettings(lowest_tier="landlock", limits=suite.LIMITS)


def as_ordinary_user(function: Callable[[], object]) -> object:
    """What `function` returns, as JSON, in a fork that is nobody's.

    Everything that it needs is imported by now: an ordinary user may not be able to read it.
    """
    seccomp.program()
    tiers.modules()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(tiers.NOBODY, tiers.NOBODY, tiers.NOBODY)
            os.setresuid(tiers.NOBODY, tiers.NOBODY, tiers.NOBODY)
            answer = {"value": function()}
        except BaseException as error:
            answer = {"error": traceback.format_exc(), "refused": isinstance(error, SandboxRefused)}
        with open(writer, "w", encoding="utf-8") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(child, 0)
    answer = json.loads(text or '{"error": "the fork died", "refused": false}')
    if answer.get("refused"):
        pytest.skip(answer["error"].strip().splitlines()[-1])
    assert "value" in answer, answer["error"]
    return answer["value"]


def run(user: str, function: Callable[[], object]) -> object:
    """What `function` returns as `user`; skips where there is no such user or no such tier."""
    if user == "ordinary user":
        if not AS_ROOT:
            pytest.skip("the tests do not run as root, so this user is an ordinary one")
        return as_ordinary_user(function)
    try:
        return function()
    except SandboxRefused as error:
        pytest.skip(str(error))


def test_there_are_enough_programs_and_no_two_are_the_same():
    everything = suite.cases()
    assert len(everything) == 12
    assert all(len(cases) >= 8 for cases in everything.values())
    cases = [case for members in everything.values() for case in members]
    assert len(cases) >= 150
    assert len({case.name for case in cases}) == len(cases)
    assert len({(case.source, case.tests) for case in cases}) == len(cases)
    assert all(case.must_not and case.expected in ("pass", "fail") for case in cases)
    assert sum(case.expected == "pass" for case in cases) >= 16


@TIERS
@USERS
def test_no_program_fools_or_leaves_the_sandbox(tier, user, capfd):
    def audit() -> list:
        return [
            [outcome.name, outcome.is_wrong, outcome.status, outcome.reason, outcome.violations]
            for outcome in suite.run(SETTINGS, tier)
        ]

    outcomes = run(user, audit)
    with capfd.disabled():
        print(f"\n{len(outcomes)} programs in tier {tier}, as {user}", file=sys.stderr)
    assert [outcome for outcome in outcomes if outcome[1] or outcome[4]] == []
    assert len(outcomes) == sum(map(len, suite.cases().values()))


@TIERS
@USERS
def test_humaneval(tier, user):
    canonical, empty = humaneval.canonical(), humaneval.empty()

    def passed() -> list:
        with Sandbox(SandboxSettings(lowest_tier="landlock"), tier) as sandbox:
            return [
                [program.name for program, result in zip(programs, results, strict=True) if result]
                for programs in (canonical, empty)
                for results in [[r.passed for r in sandbox.run_all(programs)]]
            ]

    right, nothing = run(user, passed)
    assert (len(right), nothing) == (164, [])


# --- the audit itself finds what is wrong ------------------------------------------------------


ZERO = "def add(a, b):\n    return 0\n"


def test_the_audit_sees_a_wrong_verdict():
    case = Case("x", "def add(a, b):\n    return a + b\n", "fail", "")
    assert suite.run(SETTINGS, "landlock", {"x": [case]})[0].is_wrong


def test_the_audit_sees_what_a_program_says():
    case = Case("x", f"print('ESCAPED there')\n{ZERO}", "fail", "")
    (violation,) = suite.run(SETTINGS, "landlock", {"x": [case]})[0].violations
    assert violation == "the program says 'ESCAPED there'"


def connect(sandbox: Sandbox, canary: Canary) -> None:
    socket.create_connection(("127.0.0.1", int(canary.fill("@PORT@")))).close()


def write(sandbox: Sandbox, canary: Canary) -> None:
    (canary.folder / "new").write_text("x")


def change_mode(sandbox: Sandbox, canary: Canary) -> None:
    canary.file.chmod(0o777)


def start_anew(sandbox: Sandbox, canary: Canary) -> None:
    sandbox.close()
    sandbox.__init__(SETTINGS, "landlock")


@pytest.mark.parametrize(
    ("misbehave", "words"),
    [
        (connect, "something reached the socket"),
        (write, "files changed"),
        (change_mode, "files changed"),
        (start_anew, "the sandbox was started anew"),
    ],
)
def test_the_audit_sees_what_happens_outside(misbehave, words, monkeypatch):
    """Staged outside the sandbox, while a harmless program runs."""
    canaries: list[Canary] = []
    enter, original = Canary.__enter__, Sandbox.run

    def run(self: Sandbox, program: Program):
        result = original(self, program)
        misbehave(self, canaries[0])
        return result

    monkeypatch.setattr(Canary, "__enter__", lambda self: canaries.append(self) or enter(self))
    monkeypatch.setattr(Sandbox, "run", run)
    outcomes = suite.run(SETTINGS, "landlock", {"x": [Case("x", ZERO, "fail", "")]})
    assert any(words in violation for violation in outcomes[0].violations)


@pytest.mark.parametrize(
    ("busy", "words"),
    [
        ([(1, "S", 1 << 20)] * 9, "8 processes are left"),
        ([(1, "S", 1 << 20), (2, "Z", 0)], "1 processes are left"),
    ],
)
def test_the_audit_sees_processes_that_stay(busy, words, monkeypatch):
    seen = iter([[(1, "S", 1 << 20)]])
    monkeypatch.setattr(suite, "processes", lambda groups: next(seen, busy))
    outcomes = suite.run(SETTINGS, "landlock", {"x": [Case("x", ZERO, "fail", "")]})
    assert words in outcomes[0].violations


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([(n, "S", 0) for n in range(9)], "there were 9 processes"),
        ([(1, "S", 3 << 30)], "3072 MiB were resident"),
    ],
)
def test_the_audit_sees_peaks(found, words, monkeypatch):
    monkeypatch.setattr(monitor, "processes", lambda groups: found)
    slow = f"import time\ntime.sleep(0.2)\n{ZERO}"
    outcomes = suite.run(SETTINGS, "landlock", {"x": [Case("x", slow, "fail", "")]})
    assert words in outcomes[0].violations


def test_the_programs_would_succeed_without_confinement(monkeypatch):
    """Those that read secrets, with the one call that hides files exchanged for another."""
    broken = [
        (name, f"{source}\nconfine.LANDLOCK_RESTRICT_SELF = 39\n" if "zygote" in name else source)
        for name, source in tiers.modules()
    ]
    monkeypatch.setattr(tiers, "modules", lambda: broken)
    monkeypatch.setattr(selftest, "check", lambda worker: None)
    outcomes = suite.run(SETTINGS, "landlock", {"secrets": suite.cases()["secrets"]})
    assert sum(bool(outcome.violations) for outcome in outcomes) >= 15
