"""The side that holds the program: serves calls of its functions, and knows no test.

Nothing that this process says is trusted beyond being the answer to a call.
"""

from __future__ import annotations

import builtins
import os
import sys
import types

from askd.sandbox.inside.channel import Channel, Closed
from askd.sandbox.inside.values import Decoder, Encoder, NotPlain

MESSAGE = 500
MUTABLE = (list, dict, set, bytearray)


def serve(job: dict, descriptor: int) -> None:
    """Load the program of `job`, then answer calls on `descriptor` until it closes."""
    channel = Channel(descriptor)
    shared = _module("shared")
    module = _module("solution")
    try:
        exec(compile(job["shared"], "<shared>", "exec"), shared.__dict__)
        module.__dict__.update(
            {key: value for key, value in vars(shared).items() if not key.startswith("__")}
        )
        exec(_compiled(job), module.__dict__)
    except BaseException as error:
        channel.send({"failed": "load", **_describe(error)})
        return
    if job["name"] not in module.__dict__:
        channel.send({"failed": "name"})
        return
    channel.send({"loaded": True})
    _Server(channel, module.__dict__, classes(shared.__dict__)).run()


def classes(namespace: dict) -> dict:
    """The classes that the shared source defines, by name."""
    return {
        name: value
        for name, value in namespace.items()
        if isinstance(value, type) and value.__module__ == "shared"
    }


def _compiled(job: dict) -> types.CodeType:
    source = Decoder().decode(job["source"])
    if isinstance(source, str):
        source = source.removeprefix("\ufeff")  # as Python does with a file's
    return compile(source, "<program>", "exec", dont_inherit=True)


def _module(name: str) -> types.ModuleType:
    # `dataclasses` and `typing` look a class's module up.
    sys.modules[name] = types.ModuleType(name)
    return sys.modules[name]


class _Server:
    """Answers calls, one at a time."""

    def __init__(self, channel: Channel, namespace: dict, shared: dict):
        self.channel = channel
        self.namespace = namespace
        self.objects: list = []
        self.encoder = Encoder(shared, self._handle)
        self.decoder = Decoder(shared, lambda number, name: self.objects[number])

    def run(self) -> None:
        try:
            while True:
                self.channel.send(self._answer(self.channel.receive()))
        except Closed:
            return

    def _answer(self, request: dict) -> dict:
        try:
            positional = self.decoder.value(request["args"])
            named = self.decoder.value(request["named"])
            before = [self._written(value) for value in positional]
            function = self._target(request["target"], request["path"])
            result = function(*positional, **named)
            answer = {"result": self.encoder.text(result)}
            for number, old in enumerate(before):
                if old is not None and (new := self._written(positional[number])) != old:
                    answer.setdefault("changed", []).append([number, new])
        except NotPlain as error:
            answer = {"raised": {"type": "NotPlain", "message": str(error)}}
        except BaseException as error:
            answer = {"raised": _describe(error)}
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:  # closed or replaced by the program
                continue
        return answer

    def _target(self, number: int | None, path: list[str]):
        if number is None:
            name, *path = path
            target = self.namespace[name]
        else:
            target = self.objects[number]
        for name in path:
            target = getattr(target, name)
        return target

    def _written(self, value) -> str | None:
        """The text of an argument that the program may change in place."""
        if isinstance(value, MUTABLE) or type(value).__name__ in self.encoder.shared:
            return self.encoder.text(value)
        return None

    def _handle(self, value) -> int:
        self.objects.append(value)
        return len(self.objects) - 1


def _describe(error: BaseException) -> dict:
    """The type and the message of an exception, whose own methods may fail."""
    try:
        message = str(error)[:MESSAGE]
    except BaseException:
        message = ""
    kind = type(error).__name__
    known = getattr(builtins, kind, None) is type(error)
    return {"type": kind[:MESSAGE], "builtin": known, "message": message}


def run_script(job: dict) -> None:
    """Run the program of `job` as a script and end this process as Python would."""
    import atexit
    import threading
    import traceback

    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    status = 0
    try:
        exec(_compiled(job), module.__dict__)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    except BaseException:
        status = status or 1
    os._exit(status & 0xFF)
