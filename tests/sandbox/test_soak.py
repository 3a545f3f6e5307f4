"""Many programs in a row, and sandboxes that are killed: nothing grows, and nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from askd.sandbox import (
    FunctionTests,
    Program,
    Sandbox,
    SandboxBroken,
    SandboxSettings,
    Status,
    StdioTests,
    worker,
)
from askd.sandbox.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
ADD = FunctionTests("assert add(1, 2) == 3\nassert add(2, 2) == 4", "add")
ECHO = StdioTests(("1\n", "2\n"), ("1", "2"))
GOOD = "def add(a, b): return a + b\n"
SLEEPER = Program("import time\ntime.sleep(100)", ADD)
PROGRAMS = [
    (GOOD, ADD, Status.PASSED),
    ("def add(a, b): return a - b", ADD, Status.FAILED),
    (f"print('x' * 10**5)\n{GOOD}", ADD, Status.PASSED),
    ("import os\ndef add(a, b): os._exit(0)", ADD, Status.FAILED),
    (f"import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\n{GOOD}", ADD, Status.PASSED),
    ("import ctypes\nctypes.string_at(0)", ADD, Status.FAILED),
    (f"import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n{GOOD}",
     ADD, Status.PASSED),
    ("print(input())", ECHO, Status.PASSED),
    ("def add(a, b): return bytearray(10**10)", ADD, Status.FAILED),
    ("import os\nos.abort()", ECHO, Status.FAILED),
    ("def add(a, b) return", ADD, Status.FAILED),
    (f"kept = bytearray(b'x') * (32 << 20)\n{GOOD}", ADD, Status.PASSED),
]  # fmt: skip


def programs(count: int) -> list[tuple[Program, Status]]:
    """So many programs of all kinds, with their verdicts; one never ends."""
    made = [
        (Program(source, tests, f"program {number}"), status)
        for number in range(count)
        for source, tests, status in [PROGRAMS[number % len(PROGRAMS)]]
    ]
    made[count // 3] = (Program("while True: pass", ADD), Status.TIMEOUT)
    return made


def alive(groups: Collection[int]) -> list[psutil.Process]:
    """The processes of these groups, which no program can leave."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def descriptors(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_until(true: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(true())


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The temporary folders that were made."""
    made = []
    original = tempfile.mkdtemp

    def make(*arguments, **named) -> str:
        made.append(Path(original(*arguments, **named)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    return made


@pytest.fixture
def start(
    sandbox: Sandbox, temporary: list[Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox like the shared one, and sees to it that it leaves nothing behind."""
    started: list[Sandbox] = []
    groups: set[int] = set()
    original = Worker.__init__

    def remember(self: Worker, *arguments) -> None:
        original(self, *arguments)
        groups.add(self.pid)

    monkeypatch.setattr(Worker, "__init__", remember)

    def make(workers: int = 1) -> Sandbox:
        settings = SandboxSettings(limits=sandbox.settings.limits, workers=workers)
        started.append(Sandbox(settings, sandbox.tier))
        return started[-1]

    children, own = psutil.Process().children(), descriptors()
    yield make
    for one in started:
        one.close()
    assert groups
    # Those of a leader that was killed from outside are killed too, but not waited for.
    assert wait_until(lambda: alive(groups) == [])
    assert psutil.Process().children() == children
    assert descriptors() == own
    assert [folder for folder in temporary if folder.exists()] == []


def test_many_programs(start, temporary):
    sandbox = start()
    sandbox.run(Program(GOOD, ADD))
    (group,) = sandbox.pids()
    processes = alive([group])
    memory = sum(process.memory_info().rss for process in processes)
    own = descriptors()
    its = [descriptors(process.pid) for process in processes]
    for program, status in [*programs(300), (SLEEPER, Status.TIMEOUT)]:
        result = sandbox.run(program)
        assert result.status is status, (program, result)
        assert sandbox.pids() == [group]
        assert alive([group]) == processes
    assert descriptors() == own
    assert [descriptors(process.pid) for process in processes] == its
    assert sum(process.memory_info().rss for process in processes) - memory < 5 << 20
    files = [path for folder in temporary for path in folder.rglob("*") if path.is_file()]
    assert files == []


def test_two_workers_give_the_verdicts_of_one(start):
    several = [program for program, _ in programs(48)]
    several += [Program(f"print({n})\n{GOOD}", ADD, f"number {n}") for n in range(48)]
    one, two = (
        [(r.status, r.reason, r.detail, r.output) for r in start(workers).run_all(several)]
        for workers in (1, 2)
    )
    assert one == two
    assert [output for *_, output in two[48:]] == [f"{n}\n" for n in range(48)]


@pytest.mark.parametrize(("workers", "count"), [(1, 1), (1, 3), (2, 4)])
def test_closing_while_programs_run(start, workers, count):
    sandbox = start(workers)
    idle = len(alive(sandbox.pids()))
    ends = []

    def run() -> None:
        try:
            ends.append(sandbox.run_all([SLEEPER] * count))
        except Exception as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert wait_until(lambda: len(alive(sandbox.pids())) >= idle + 2 * workers)
    started = time.monotonic()
    sandbox.close()
    assert time.monotonic() - started < sandbox.settings.limits.wall_seconds + 5
    thread.join(20)
    assert [type(end) for end in ends] == [RuntimeError if count == 1 else CancelledError]
    assert sandbox.pids() == []
    with pytest.raises(Exception, match="after shutdown"):
        sandbox.run(Program(GOOD, ADD))


# --- killed from outside -----------------------------------------------------------------------


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
@pytest.mark.parametrize("tests", [ADD, ECHO], ids=["function", "script"])
@pytest.mark.parametrize("when", [None, 0.3])
def test_a_worker_that_is_killed_is_replaced(start, kill, tests, when, caplog):
    """Before the program, or while it runs."""
    sandbox = start()
    (group,) = sandbox.pids()
    source = f"import time\ntime.sleep(0.6)\n{GOOD}\nif __name__ == '__main__': print(input())"
    if when is None:
        kill(group, signal.SIGKILL)
    else:
        threading.Timer(when, kill, (group, signal.SIGKILL)).start()
    assert sandbox.run(Program(source, tests)).passed
    if kill is os.killpg or sandbox.tier == "landlock":
        assert sandbox.pids() != [group]
        assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
            "the sandbox broke"
        ]
    assert sandbox.run(Program("def add(a, b): return 0", ADD)).status is Status.FAILED


def test_a_worker_that_hangs_is_replaced(start, monkeypatch, caplog):
    monkeypatch.setattr(worker, "PATIENCE", 1.0)
    sandbox = start()
    threading.Timer(0.3, os.killpg, (*sandbox.pids(), signal.SIGSTOP)).start()
    assert sandbox.run(Program(f"import time\ntime.sleep(0.6)\n{GOOD}", ADD)).passed
    assert "its process does not answer" in caplog.text


@pytest.mark.parametrize("tests", [ADD, ECHO], ids=["function", "script"])
def test_a_sandbox_that_keeps_breaking_gives_no_verdict(start, tests, monkeypatch):
    sandbox = start()
    original = Worker.run

    def run(self: Worker, program: Program):
        threading.Timer(0.2, os.killpg, (self.pid, signal.SIGKILL)).start()
        return original(self, program)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "run", run)
        with pytest.raises(SandboxBroken, match="the sleeper: the sandbox broke twice: "):
            sandbox.run(Program(SLEEPER.source, tests, "the sleeper"))
    assert sandbox.run(Program(GOOD, ADD)).passed


@pytest.mark.parametrize("breaks", [1, 2])
def test_a_program_is_tried_twice(start, breaks, monkeypatch):
    sandbox = start()
    workers = []
    original = Worker.run

    def run(self: Worker, program: Program):
        workers.append(self)
        if len(workers) <= breaks:
            raise SandboxBroken("it is late")
        return original(self, program)

    monkeypatch.setattr(Worker, "run", run)
    if breaks == 1:
        assert sandbox.run(Program(GOOD, ADD)).passed
    else:
        with pytest.raises(SandboxBroken, match="the sandbox broke twice: it is late"):
            sandbox.run(Program(GOOD, ADD))
    assert len(workers) == len(set(workers)) == 2


HARNESS = """
import json, sys, tempfile, threading, time
from askd.sandbox import FunctionTests, Program, Sandbox, SandboxSettings
folders, original = [], tempfile.mkdtemp
tempfile.mkdtemp = lambda *a, **b: folders.append(original(*a, **b)) or folders[-1]
sandbox = Sandbox(SandboxSettings(workers=2), sys.argv[1])
tests = FunctionTests("assert add(1, 2) == 3", "add")
if sys.argv[2] == "running":
    program = Program("import time\\nopen('left', 'w').write('x')\\ntime.sleep(100)", tests)
    threading.Thread(target=sandbox.run_all, args=([program] * 2,)).start()
    while len(sandbox.pids()) < 2:
        time.sleep(0.02)
    time.sleep(0.5)
print(json.dumps([sandbox.pids(), folders]), flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("state", ["idle", "running"])
def test_nothing_outlives_a_harness_that_is_killed(sandbox, state):
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, sandbox.tier, state],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as harness:
        groups, folders = json.loads(harness.stdout.readline())
        before = alive(groups)
        harness.kill()
    assert len(before) >= (6 if state == "running" else 1)
    assert wait_until(lambda: alive(groups) == [])
    assert [folder for folder in folders if os.path.exists(folder)] == []


def test_no_program_outlives_its_sandbox_and_its_harness(sandbox):
    """Killed together, so that neither can end the programs."""
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, sandbox.tier, "running"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as harness:
        groups, folders = json.loads(harness.stdout.readline())
        harness.send_signal(signal.SIGSTOP)
        for group in groups:
            os.kill(group, signal.SIGKILL)
        harness.kill()
    assert wait_until(lambda: alive(groups) == [])
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
