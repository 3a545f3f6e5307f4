"""The long-lived process of a worker: forks a confined child for each side of each program.

It never sees a program or a test: a child reads its job from a descriptor of its own, so nothing of
one program lies in the memory of the next. Messages with the harness go over a socket that keeps
their boundaries:

    -> {"children": [{"role", "descriptors": {name: index}}, ...]} with the descriptors
    <- {"started": true}, or {"failed": why} if a child could not be confined
    -> {"wait": seconds}: let the children end for so long, then kill them
    <- {"ended": [{"status", "seconds", "memory"}, ...]}
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import time

from askd.sandbox.inside import candidate, checker, confine, scratch

# What most programs import: once here instead of in each.
COMMON = """
    abc bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq
    itertools json math operator random re statistics string types typing
"""
# Descriptors of a child; of the rest, none stays open.
PLACES = {"stdin": 0, "stdout": 1, "stderr": 2, "job": 3, "channel": 4, "verdict": 5, "ready": 6}
# How often the limits are looked at that only namespaces set beforehand.
TICK = 0.01


def serve(control: int, setup: dict) -> None:
    """Answer the harness until it closes the socket."""
    for name in COMMON.split():
        __import__(name)
    gc.collect()
    gc.freeze()
    _Zygote(socket.socket(fileno=control), setup).run()


class _Child:
    """A confined process: its number here, and what became of it."""

    def __init__(self, number: int, scratch: str | None):
        self.number = number
        self.scratch = scratch
        self.handle = os.pidfd_open(number)
        self.end: dict | None = None

    def reap(self) -> None:
        _, status, usage = os.wait4(self.number, 0)
        os.close(self.handle)
        self.end = {
            "status": status,
            "seconds": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss * 1024,
        }


class _Zygote:
    def __init__(self, control: socket.socket, setup: dict):
        self.control = control
        self.limits = setup["limits"]
        self.filter = bytes.fromhex(setup["filter"])
        self.readable = setup["readable"]
        self.namespaces = setup["tier"] == "namespaces"
        self.scratch = setup["scratch"]
        self.rules = {}
        if not self.namespaces:
            for role in ("program", "tests"):
                folder = os.path.join(self.scratch, role)
                os.mkdir(folder)
                self.rules[role] = confine.landlock_rules(self.readable, [folder, "/dev/null"])

    def run(self) -> None:
        self._send({"serving": True})
        self._serve()
        if not self.namespaces:
            scratch.empty(self.scratch)
            os.rmdir(self.scratch)

    def _serve(self) -> None:
        while True:
            message, descriptors = self._receive()
            if message is None:
                return
            children, failure = self._start(message["children"], descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            self._send({"failed": failure} if failure else {"started": True})
            message = self._supervise(children, failure)
            self._kill(children)
            if message is None:
                return
            if not self.namespaces:
                for child in children:
                    scratch.empty(child.scratch)
            if not failure:
                self._send({"ended": [child.end for child in children]})

    def _send(self, message: dict) -> None:
        self.control.send(json.dumps(message).encode())

    def _receive(self) -> tuple[dict | None, list[int]]:
        data, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, 16)
        return (json.loads(data) if data else None), descriptors

    def _start(self, specs: list[dict], descriptors: list[int]) -> tuple[list[_Child], str]:
        """Fork and confine the children; the second value says what failed, if anything did."""
        children, pending = [], []
        for spec in specs:
            reader, writer = os.pipe()
            number = os.fork()
            if number == 0:
                self._become(spec, descriptors, writer)
            os.close(writer)
            pending.append((number, reader, spec))
        failure = ""
        for number, reader, spec in pending:
            with open(reader, encoding="utf-8") as ready:
                lines = ready.read().splitlines()
            if self.namespaces:
                # The fork made the namespaces and forked once more: that child's number and its
                # own word come in any order.
                os.waitpid(number, 0)
                numbers = [line for line in lines if line.isdigit()]
                lines = [line for line in lines if not line.isdigit()]
                number = int(numbers[0]) if numbers else 0
            if number:
                children.append(_Child(number, self._scratch_of(spec)))
            if not number or lines != ["ready"]:
                failure = failure or "".join(lines) or "a child ended while it was confined"
        return children, failure

    def _scratch_of(self, spec: dict) -> str:
        if self.namespaces:
            return self.scratch
        return os.path.join(self.scratch, _side(spec))

    def _become(self, spec: dict, descriptors: list[int], ready: int) -> None:
        """Turn this fork into a confined child, which runs its job and ends."""
        try:
            if self.namespaces:
                confine.new_namespaces()
                number = os.fork()
                if number:
                    os.write(ready, f"{number}\n".encode())
                    os._exit(0)
            else:
                confine.end_with_parent()  # as the end of its namespace would have it
            rules = _place(spec["descriptors"], descriptors, ready, self._rules(spec))
            try:
                confine.drop_capabilities()
                confine.limit(self.limits, count_threads=self.namespaces)
                confine.lock(rules, self.filter)
            except OSError as error:
                os.write(PLACES["ready"], f"{error}\n".encode())
                return
            os.write(PLACES["ready"], b"ready\n")
            os.close(PLACES["ready"])
            _run(spec["role"])
        except BaseException as error:
            # Before `_place` this tells why; afterwards nobody listens at this number.
            os.write(ready, " ".join(f"{type(error).__name__} {error}".split()).encode())
        finally:
            os._exit(1)

    def _rules(self, spec: dict) -> int:
        """Enter the scratch folder; the Landlock rules with which it is all that can be written."""
        folder = self._scratch_of(spec)
        if self.namespaces:
            limits = self.limits
            confine.mount_scratch(folder, limits["scratch_mib"] << 20, limits["scratch_files"])
            rules = confine.landlock_rules(self.readable, [folder, "/dev/null"])
        else:
            rules = self.rules[_side(spec)]
        os.chdir(folder)
        os.environ.update(HOME=folder, TMPDIR=folder)
        return rules

    def _supervise(self, children: list[_Child], failure: str) -> dict | None:
        """Wait for the harness; with its word, for the children as long as it says."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        deadline = None
        message = {"failed": failure}
        while not failure:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0 or all(child.end for child in children):
                    break
            tick = TICK if not self.namespaces else None
            waits = [
                wait for wait in (tick, None if deadline is None else left) if wait is not None
            ]
            events = poll.poll(min(waits) * 1000 if waits else None)
            for descriptor, _ in events:
                if descriptor == self.control.fileno():
                    message, _ = self._receive()
                    if message is None:
                        return None
                    deadline = time.monotonic() + message["wait"]
                    for child in children:
                        if child.end is None:
                            poll.register(child.handle, select.POLLIN)
                    continue
                child = next(c for c in children if c.end is None and c.handle == descriptor)
                poll.unregister(descriptor)
                child.reap()
            if not self.namespaces:
                self._enforce(children)
        return message

    def _enforce(self, children: list[_Child]) -> None:
        """Kill what breaks the limits that only namespaces can set beforehand."""
        for child in children:
            if child.end is None and (
                _threads(child.number) > self.limits["threads"]
                or scratch.breaks(child.scratch, child.number, self.limits)
            ):
                os.kill(child.number, signal.SIGKILL)

    def _kill(self, children: list[_Child]) -> None:
        for child in children:
            if child.end is None:
                os.kill(child.number, signal.SIGKILL)
                child.reap()


def _side(spec: dict) -> str:
    return "tests" if spec["role"] == "checker" else "program"


def _place(places: dict, descriptors: list[int], ready: int, rules: int) -> int:
    """Give the descriptors their numbers and close all others; returns the number of `rules`."""
    import fcntl

    sources = {name: descriptors[index] for name, index in places.items()}
    sources["ready"] = ready
    aside = {name: fcntl.fcntl(source, fcntl.F_DUPFD, 100) for name, source in sources.items()}
    moved_rules = fcntl.fcntl(rules, fcntl.F_DUPFD, 100)
    for place in range(max(PLACES.values()) + 2):
        try:
            os.close(place)
        except OSError:
            continue
    for name, source in aside.items():
        os.dup2(source, PLACES[name], inheritable=False)
    last = max(PLACES.values()) + 1
    os.dup2(moved_rules, last, inheritable=False)
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))
    return last


def _run(role: str) -> None:
    with open(PLACES["job"], encoding="utf-8") as file:
        job = json.load(file)
    if role == "candidate":
        candidate.serve(job, PLACES["channel"])
    elif role == "checker":
        checker.judge(job, PLACES["channel"], PLACES["verdict"])
    else:
        candidate.run_script(job)


def _threads(number: int) -> int:
    try:
        return len(os.listdir(f"/proc/{number}/task"))
    except OSError:  # it has ended
        return 0
