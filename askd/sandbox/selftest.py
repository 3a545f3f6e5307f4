"""The test that a tier must pass on this machine, each time before it is used."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from askd.sandbox import tiers
from askd.sandbox.program import FunctionTests, Program
from askd.sandbox.result import SandboxBroken, SandboxRefused
from askd.sandbox.worker import Worker

# What bubblewrap, Python and the zygote add to the environment.
VARIABLES = [*tiers.ENVIRONMENT, "HOME", "LC_CTYPE", "PWD", "TMPDIR"]
# Tries what no program may do, and returns what it could.
PROBE = """
import os, socket, tempfile

def works(attempt):
    try:
        return attempt() is not False
    except OSError:
        return False

def fork():
    if os.fork() == 0:
        os._exit(0)

def scratch():
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("x")

def could(folder, port, process, variables):
    attempts = {
        "read a file": lambda: open(folder + "/secret").read(),
        "write a file": lambda: open(folder + "/written", "w").write("x"),
        # Seems to work; it is seen from outside that it does not.
        "change a file": lambda: os.chmod(folder + "/secret", 0o777) is not None,
        "connect to a port": lambda: socket.create_connection(("127.0.0.1", port), 1),
        "start a process": fork,
        "start a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "signal a process": lambda: os.kill(process, 0),
        "see processes": lambda: len(os.listdir("/proc")) > 0,
        "see the environment": lambda: not set(os.environ) <= set(variables),
    }
    found = [name for name, attempt in attempts.items() if works(attempt)]
    return found if works(scratch) else [*found, "not use its scratch folder"]
"""


def check(worker: Worker) -> None:
    """Run a program that must be refused what it tries, and one whose answer is wrong.

    Raises:
        SandboxRefused: the sandbox let something through, or does not work at all.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        os.chmod(folder, 0o777)
        Path(folder, "secret").write_text("x", encoding="utf-8")
        try:
            arguments = (folder, server.getsockname()[1], os.getpid(), VARIABLES)
            tests = FunctionTests(f"found = could{arguments}\nassert found == [], found", "could")
            result = worker.run(Program(PROBE, tests))
            wrong = worker.run(
                Program("def could(): return 1", FunctionTests("assert could() == 2", "could"))
            )
        except SandboxBroken as error:
            raise SandboxRefused(str(error)) from error
        touched = os.listdir(folder) != ["secret"] or Path(folder, "secret").stat().st_mode & 0o111
    if touched:
        raise SandboxRefused("a test program could change a file")
    if not result.passed:
        raise SandboxRefused(f"a test program was not confined ({result.reason} {result.detail})")
    if wrong.reason != "wrong answer":
        raise SandboxRefused(f"a wrong test program got the verdict {wrong.reason!r}")
