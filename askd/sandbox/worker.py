"""A worker: one confined long-lived process, and the programs that it runs one after the other."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time

from askd.config import SandboxLimits
from askd.sandbox import seccomp, tiers
from askd.sandbox.descriptors import Descriptors, drain, memory_file
from askd.sandbox.inside import scratch
from askd.sandbox.inside.values import Encoder
from askd.sandbox.program import FunctionTests, Program, StdioTests
from askd.sandbox.result import BadTests, Result, SandboxBroken, SandboxRefused, Status

# Seconds in which a sound sandbox starts, confines two processes, or reports their end.
PATIENCE = 10.0
# A verdict is a line of JSON; whatever is longer is none.
LONGEST_VERDICT = 65536
LONGEST_SOURCE = 4 << 20
START_HINTS = {
    "namespaces": "; are user namespaces switched off? (Ubuntu 24.04: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0; Docker: --security-opt seccomp=unconfined)",
    "landlock": "",
}


class Worker:
    """Runs programs in `tier`; of one thread at a time. `pid` is the leader of the process group of
    all that runs here.

    Raises:
        SandboxRefused: the tier's process cannot be started; the sentence says why.
    """

    def __init__(self, tier: str, limits: SandboxLimits):
        tiers.check_kernel()
        self.tier = tier
        self.limits = limits
        self._null = os.open(os.devnull, os.O_RDWR)
        self._scratch = "/tmp" if tier == "namespaces" else _scratch_folder()
        self._process: subprocess.Popen | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        python = tiers.interpreter()
        words = tiers.command(self.tier, python)
        readable = tiers.landlock_paths(python, self.tier)
        if self.tier == "landlock" and (user := tiers.user()):
            os.chown(self._scratch, user["user"], user["group"])
        setup = {
            "tier": self.tier,
            "limits": self.limits.model_dump(),
            "filter": seccomp.program().hex(),
            "readable": readable,
            "scratch": self._scratch,
        }
        payload = json.dumps({"modules": tiers.modules(), "setup": setup}).encode()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with Descriptors() as held, tempfile.TemporaryFile() as errors:
            handed = (held.add(theirs.detach()), held.add(memory_file(payload)))
            try:
                self._process = subprocess.Popen(
                    [*words, *map(str, handed)],
                    stdin=self._null,
                    stdout=self._null,
                    stderr=errors,
                    pass_fds=handed,
                    env=tiers.ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                    **tiers.user(),
                )
            except OSError as error:
                raise SandboxRefused(f"{words[0]} cannot be started ({error})") from error
            self.pid = self._process.pid
            held.close(handed[0])
            try:
                self._receive()
            except SandboxBroken as error:
                errors.seek(0)
                lines = errors.read().decode(errors="replace").strip().splitlines()
                message = lines[-1] if lines else str(error)
                raise SandboxRefused(message + START_HINTS[self.tier]) from None

    def close(self) -> None:
        """End the process and all that it started."""
        if self._process is not None:
            self._control.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            # No program can leave its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._null >= 0:
            os.close(self._null)
            self._null = -1
        # The process removes its folder when it ends in peace.
        if self.tier == "landlock" and os.path.isdir(self._scratch):
            scratch.empty(self._scratch)
            os.rmdir(self._scratch)

    def run(self, program: Program) -> Result:
        """The verdict on `program`.

        Raises:
            BadTests: its tests cannot judge any program.
            SandboxBroken: the sandbox failed; the worker must be closed.
        """
        if self._process is None:
            raise RuntimeError("the sandbox is closed")
        if len(program.source) > LONGEST_SOURCE:
            detail = f"{len(program.source)} characters"
            return Result(Status.FAILED, "source too long", detail, "", 0.0, 0.0, 0, self.tier)
        if isinstance(program.tests, FunctionTests):
            return self._judge(program, program.tests)
        return self._compare(program, program.tests)

    def _judge(self, program: Program, tests: FunctionTests) -> Result:
        """Run a program and its tests in two processes; the tests' process has the verdict."""
        nonce = secrets.token_hex(16)
        common = {"shared": tests.shared, "name": tests.name}
        with Descriptors() as held:
            its_channel, other_channel = held.socket_pair()
            verdict, its_verdict = held.pipe()
            output, its_output = held.pipe()
            job = held.add(memory_file(json.dumps({**common, "source": _source(program)}).encode()))
            questions = {
                **common,
                "nonce": nonce,
                "entry": tests.entry_point,
                "call": tests.call,
                "setup": tests.setup,
                "tests": tests.tests,
            }
            its_questions = held.add(memory_file(json.dumps(questions).encode()))
            # Opened anew: flags and locks of a description would last into the next program.
            nothing, its_nothing = (held.add(os.open(os.devnull, os.O_RDWR)) for _ in range(2))
            descriptors = [
                nothing, its_output, job, its_channel,
                its_nothing, its_questions, other_channel, its_verdict,
            ]  # fmt: skip
            candidate = {"stdin": 0, "stdout": 1, "stderr": 1, "job": 2, "channel": 3}
            checker = {
                "stdin": 4, "stdout": 4, "stderr": 4, "job": 5, "channel": 6, "verdict": 7
            }  # fmt: skip
            started = time.monotonic()
            self._begin(
                [
                    {"role": "candidate", "descriptors": candidate},
                    {"role": "checker", "descriptors": checker},
                ],
                descriptors,
            )
            held.close(*descriptors)
            deadline = started + self.limits.wall_seconds
            kept = drain(
                {verdict: LONGEST_VERDICT, output: self.limits.output_kib << 10},
                deadline,
                until=verdict,
            )
            seconds = time.monotonic() - started
            program_end, tests_end = self._end(0)
            drain({output: 0}, time.monotonic())
        common = {
            "output": kept[output].decode(errors="replace"),
            "seconds": seconds,
            "cpu_seconds": program_end["seconds"],
            "peak_memory": program_end["memory"],
            "tier": self.tier,
        }
        said = _verdict(kept[verdict], nonce)
        if said is None:
            marks = kept[verdict].splitlines()
            alone = b"loaded" in marks and b"called" not in marks
            if alone and seconds < self.limits.wall_seconds:
                raise BadTests(
                    f"{program.name}: the tests are at fault: they end, or use up their CPU time "
                    "or memory, before they call the program."
                )
            if seconds >= self.limits.wall_seconds or self._used_up(program_end, tests_end):
                return Result(Status.TIMEOUT, "timeout", "", **common)
            return Result(
                Status.FAILED, "tests died", "the tests ended without a verdict", **common
            )
        if said["status"] == "bad tests":
            raise BadTests(f"{program.name}: the tests are at fault: {said['detail']}.")
        if said["reason"] == "died" and self._used_up(program_end):
            return Result(Status.TIMEOUT, "timeout", "", **common)
        status = Status.PASSED if said["status"] == "passed" else Status.FAILED
        return Result(status, str(said["reason"]), _clean(said["detail"]), **common)

    def _compare(self, program: Program, tests: StdioTests) -> Result:
        """Run a script once for each input, and compare what it prints out here."""
        total = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_memory": 0}
        deadline = time.monotonic() + self.limits.wall_seconds
        for number, (given, expected) in enumerate(zip(tests.inputs, tests.outputs, strict=True)):
            printed, errors, end, seconds = self._script(program, given, expected, deadline)
            total["seconds"] += seconds
            total["cpu_seconds"] += end["seconds"]
            total["peak_memory"] = max(total["peak_memory"], end["memory"])
            output = (printed + errors)[: self.limits.output_kib << 10].decode(errors="replace")
            common = {**total, "output": output, "tier": self.tier}
            test = f"test {number}"
            if len(printed) > self._longest(expected):
                return Result(Status.FAILED, "too much output", test, **common)
            if time.monotonic() >= deadline or self._used_up(end):
                return Result(Status.TIMEOUT, "timeout", test, **common)
            if end["status"] != 0:
                last = (errors.decode(errors="replace").strip().splitlines() or [""])[-1][:500]
                reason = "syntax error" if last.startswith("SyntaxError") else "exception"
                reason = reason if os.WIFEXITED(end["status"]) else "died"
                return Result(Status.FAILED, reason, f"{test}: {last}", **common)
            if _lines(printed.decode(errors="replace")) != _lines(expected):
                return Result(Status.FAILED, "wrong answer", test, **common)
        return Result(Status.PASSED, "correct", "", **common)

    def _longest(self, expected: str) -> int:
        return max(self.limits.output_kib << 10, 2 * len(expected.encode(errors="replace")))

    def _script(
        self, program: Program, given: str, expected: str, deadline: float
    ) -> tuple[bytes, bytes, dict, float]:
        """Standard output and error, the end, and the seconds of one run of a script."""
        with Descriptors() as held:
            output, its_output = held.pipe()
            errors, its_errors = held.pipe()
            job = held.add(memory_file(json.dumps({"source": _source(program)}).encode()))
            stdin = held.add(memory_file(given.encode(errors="surrogatepass")))
            places = {"stdin": 0, "stdout": 1, "stderr": 2, "job": 3}
            descriptors = [stdin, its_output, its_errors, job]
            started = time.monotonic()
            self._begin([{"role": "script", "descriptors": places}], descriptors)
            held.close(*descriptors)
            longest = self._longest(expected)
            kept = drain(
                {output: longest + 1, errors: self.limits.output_kib << 10},
                deadline,
                stop_at=output,
            )
            wait = 0 if len(kept[output]) > longest else max(0.0, deadline - time.monotonic())
            (end,) = self._end(wait)
            return kept[output], kept[errors], end, time.monotonic() - started

    def _used_up(self, *ends: dict) -> bool:
        """Whether the kernel killed a process for its CPU time."""
        return any(
            # The kernel counts by its clock's ticks, and what it reports lags behind.
            os.WIFSIGNALED(end["status"]) and end["seconds"] >= 0.5 * self.limits.cpu_seconds
            for end in ends
        )

    def _begin(self, children: list[dict], descriptors: list[int]) -> None:
        message = json.dumps({"children": children}).encode()
        try:
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            raise SandboxBroken(f"its process is gone ({error})") from error
        reply = self._receive()
        if "failed" in reply:
            raise SandboxBroken(f"a process could not be confined: {reply['failed']}")

    def _end(self, wait: float) -> list[dict]:
        try:
            self._control.send(json.dumps({"wait": wait}).encode())
        except OSError as error:
            raise SandboxBroken(f"its process is gone ({error})") from error
        return self._receive(wait + PATIENCE)["ended"]

    def _receive(self, patience: float = PATIENCE) -> dict:
        try:
            self._control.settimeout(patience)
            data = self._control.recv(65536)
        except OSError as error:
            raise SandboxBroken(f"its process does not answer ({error})") from error
        if not data:
            raise SandboxBroken("its process ended")
        return json.loads(data)


def _scratch_folder() -> str:
    """A new folder in memory where there is one: many small files are slow to remove on a disk."""
    memory = "/dev/shm"
    folder = memory if os.access(memory, os.W_OK | os.X_OK) else None
    return tempfile.mkdtemp(prefix="askd-sandbox-", dir=folder)


def _source(program: Program) -> object:
    """The source as plain data: text stays text, and bytes keep a coding line's meaning."""
    return Encoder().encode(program.source, 0)


def _verdict(data: bytes, nonce: str) -> dict | None:
    """What the tests' process said at last, if it said anything and knows the nonce."""
    try:
        said = json.loads(data.splitlines()[-1])
        known = hmac.compare_digest(str(said.pop("nonce")), nonce)
    except (ValueError, AttributeError, LookupError):
        return None
    return said if known and {"status", "reason", "detail"} <= said.keys() else None


def _clean(text: object) -> str:
    """Text that can be written as UTF-8."""
    return str(text).encode("utf-8", "replace").decode()


def _lines(text: str) -> list[str]:
    # Of white space what ends lines in files, and no other character that Python counts as such.
    blank = " \t\r\n"
    return [line.rstrip(blank) for line in text.strip(blank).split("\n")]
