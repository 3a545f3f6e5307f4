"""The side that holds the tests: calls the program through proxies and gives the verdict.

The verdict carries a nonce and goes to a pipe that only this process holds. Before it go two lines,
`loaded` when the program is there and `called` before its first call: tests that end between them
cannot blame the program.
"""

from __future__ import annotations

import builtins
import json
import os
import traceback
from collections.abc import Callable

from askd.sandbox.inside.candidate import _module, classes
from askd.sandbox.inside.channel import Channel, Closed
from askd.sandbox.inside.values import Decoder, Encoder, NotPlain

DETAIL = 500


class ProgramError(Exception):
    """An exception of the program that is not one of Python's own."""


class Lost(BaseException):
    """The program's process is gone; no `except Exception` of a test may hide it."""


class NoPlainArgument(BaseException):
    """A test passes what cannot cross."""


def judge(job: dict, channel: int, verdict: int) -> None:
    """Run the tests of `job` against the program behind `channel`; write to `verdict`."""

    def mark(text: str) -> None:
        os.write(verdict, text.encode() + b"\n")

    outcome = _outcome(job, Channel(channel), mark)
    outcome["detail"] = outcome["detail"][:DETAIL]
    mark(json.dumps({"nonce": job["nonce"], **outcome}))


def _outcome(job: dict, channel: Channel, mark: Callable[[str], None]) -> dict:
    shared = _module("shared")
    namespace = _module("tests").__dict__
    try:
        exec(compile(job["shared"], "<shared>", "exec"), shared.__dict__)
        setup = compile(job["setup"], "<setup>", "exec", dont_inherit=True)
        tests = compile(job["tests"], "<tests>", "exec", dont_inherit=True)
    except BaseException as error:
        return _bad_tests(f"they do not compile: {_words(error)}")
    try:
        loaded = channel.receive()
    except (Closed, MemoryError):
        return _failed("died", "while the program was loaded")
    if not isinstance(loaded, dict) or not loaded.keys() & {"loaded", "failed"}:
        return _failed("died", "while the program was loaded")
    if loaded.get("failed") == "load":
        kind = str(loaded.get("type"))
        syntax = kind in ("SyntaxError", "IndentationError", "TabError", "UnicodeEncodeError")
        reason = "syntax error" if syntax else _REASONS.get(kind, "exception")
        return _failed(reason, f"{kind}: {loaded.get('message')}")
    if loaded.get("failed") == "name":
        return _failed("no entry point", f"the program does not define {job['name']!r}")
    mark("loaded")
    program = _Program(channel, classes(shared.__dict__), mark)
    entry = _Remote(program, None, (job["name"],))
    namespace.update(
        {key: value for key, value in vars(shared).items() if not key.startswith("__")}
    )
    try:
        exec(setup, namespace)
        namespace[job["name"]] = entry
        namespace.setdefault("candidate", entry)
        exec(tests, namespace)
        if job["call"]:
            if job["call"] not in namespace:
                return _bad_tests(f"they do not define {job['call']!r}")
            namespace[job["call"]](eval(job["entry"], namespace))
    except Lost as error:
        return _failed("died", str(error))
    except NoPlainArgument as error:
        # Later calls may pass on what the program returned.
        if program.answers:
            return _failed("no plain data", str(error))
        return _bad_tests(str(error))
    except BaseException as error:
        if program.lost:
            return _failed("died", program.lost)
        if program.answers == 0:
            return _bad_tests(f"they fail by themselves: {_words(error)}")
        return _explain(error, job["tests"], program)
    if program.lost:
        return _failed("died", program.lost)
    if program.calls == 0:
        return _bad_tests("they never call the program")
    return {"status": "passed", "reason": "correct", "detail": ""}


_REASONS = {"MemoryError": "out of memory", "NotPlain": "no plain data"}


def _explain(error: BaseException, tests: str, program: _Program) -> dict:
    """Why the tests failed, with the line of the tests at which they did."""
    lines = tests.splitlines()
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == "<tests>"]
    line = lines[numbers[-1] - 1].strip() if numbers else ""
    if isinstance(error, AssertionError) and program.raised is not error:
        return _failed("wrong answer", f"{line} ({error})" if error.args else line)
    reason = _REASONS.get(getattr(error, "kind", type(error).__name__), "exception")
    return _failed(reason, f"{_words(error)} at: {line}")


def _failed(reason: str, detail: str) -> dict:
    return {"status": "failed", "reason": reason, "detail": detail}


def _bad_tests(detail: str) -> dict:
    return {"status": "bad tests", "reason": "bad tests", "detail": detail}


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return type(error).__name__


class _Program:
    """The program's process, and what is known of it."""

    def __init__(self, channel: Channel, shared: dict, mark: Callable[[str], None]):
        self.channel = channel
        self.mark = mark
        self.encoder = Encoder(shared, _number)
        self.decoder = Decoder(shared, lambda number, name: _Remote(self, number, (), name))
        self.calls = 0
        self.answers = 0
        self.lost = ""
        self.raised: BaseException | None = None

    def call(self, number: int | None, path: tuple[str, ...], positional: tuple, named: dict):
        """The result of a call, or the exception that it raised."""
        if self.calls == 0:
            self.mark("called")
        self.calls += 1
        try:
            request = {
                "target": number,
                "path": path,
                "args": self.encoder.text(positional),
                "named": self.encoder.text(named),
            }
        except NotPlain as error:
            raise NoPlainArgument(f"they pass an argument that cannot cross: {error}") from None
        try:
            self.channel.send(request)
            answer = self.channel.receive()
            self.answers += 1
            return self._result(answer, positional)
        except (Closed, ValueError, TypeError, LookupError, AttributeError, MemoryError) as error:
            self.lost = f"in call {self.calls}: {_words(error)}"
            raise Lost(self.lost) from None

    def _result(self, answer: dict, positional: tuple):
        if "raised" in answer:
            self.raised = _exception(answer["raised"])
        else:
            for number, text in answer.get("changed", ()):
                _replace(positional[number], self.decoder.value(text))
            return self.decoder.value(answer["result"])
        raise _Raised from None


def _number(value) -> int:
    """The number of an object of the program that the tests pass back to it."""
    if isinstance(value, _Remote) and value._number is not None and not value._path:
        return value._number
    raise NotPlain(f"a {type(value).__name__} is not plain data")


class _Raised(Exception):
    """Marks that the answer is an exception, which `_Remote` raises outside the guard."""


def _exception(raised: dict) -> BaseException:
    kind, message = str(raised["type"]), str(raised["message"])
    known = getattr(builtins, kind, None) if raised.get("builtin") else None
    # An iteration of the tests must not end because the program says so.
    stops = kind in ("StopIteration", "StopAsyncIteration")
    if isinstance(known, type) and issubclass(known, Exception) and not stops:
        try:
            return known(message)
        except TypeError:  # UnicodeDecodeError takes five arguments
            pass
    error = ProgramError(f"{kind}: {message}")
    error.kind = kind
    return error


def _replace(old, new) -> None:
    """Carry a change that the program made in place over to the tests' own object."""
    if type(new) is not type(old):
        raise ValueError("an argument changed its type")
    if isinstance(old, list | bytearray):
        old[:] = new
    elif isinstance(old, dict | set):
        old.clear()
        old.update(new)
    else:
        vars(old).update(vars(new))


class _Remote:
    """Stands for an object of the program: it can be called, and equals nothing."""

    def __init__(self, program: _Program, number: int | None, path: tuple, kind: str = "function"):
        self.__dict__.update(_program=program, _number=number, _path=path, _kind=kind)

    def __call__(self, *positional, **named):
        try:
            return self._program.call(self._number, self._path, positional, named)
        except _Raised:
            error = self._program.raised
        raise error

    def __getattr__(self, name: str):
        if name == "__name__" and self._path:
            return self._path[-1]
        if name.startswith("__"):
            raise AttributeError(name)
        return _Remote(self._program, self._number, (*self._path, name))

    def __setattr__(self, name: str, value) -> None:
        raise AttributeError("an object of the program cannot be changed by the tests")

    def __eq__(self, other) -> bool:
        return False

    def __ne__(self, other) -> bool:
        return True

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        # Neither value will do: tests assert things, and assert that they are not.
        raise TypeError(f"{self!r} is neither true nor false")

    def __repr__(self) -> str:
        return f"<{self._kind} of the program>"
