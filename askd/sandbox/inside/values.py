"""Plain data as JSON text: all that crosses between a program and its tests.

None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range,
views of a dict (as lists) and what is left of built-in iterators. Subclasses are reduced with the
methods of the base class, so that nothing that a program overrides takes part in a comparison.
Instances of classes of the shared source cross by value. Whatever else a program returns becomes a
handle, which the other side can call and which equals nothing.
"""

from __future__ import annotations

import json
import math
import types

DEPTH = 200
NODES = 300_000
# Hexadecimal digits make bytes twice as long.
SIZE = 16 * 1024 * 1024
# Longer integers are written in base 16, which Python reads in linear time.
SHORT_INT = 10**15
VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
ITERATORS = (types.GeneratorType, map, filter, zip, enumerate, reversed)


class NotPlain(Exception):
    """A value that cannot cross, or is too large or too deep to."""


class Encoder:
    """Writes values. `shared` has the classes whose instances cross by value, `handle` gives the
    number that stands for an object which cannot cross; without it such an object is an error."""

    def __init__(self, shared=None, handle=None):
        self.shared = shared or {}
        self.handle = handle
        self.nodes = 0

    def text(self, value) -> str:
        """`value` as JSON text.

        Raises:
            NotPlain: it is too large or deep, or of a type that cannot cross.
        """
        self.nodes = 0
        text = json.dumps(self.encode(value, 0), separators=(",", ":"))
        if len(text) > SIZE:
            raise NotPlain("more than 16 MiB of data")
        return text

    def encode(self, value, depth):
        """`value` as JSON's own types: scalars as they are, all else as [tag, content]."""
        self.nodes += 1
        if self.nodes > NODES or depth > DEPTH:
            raise NotPlain("data too large or too deeply nested")
        kind = type(value)
        if value is None or kind is bool:
            return value
        # The method of the base class sees the data itself, whatever a subclass overrides.
        if issubclass(kind, int):
            number = int.__pos__(value)
            return number if -SHORT_INT < number < SHORT_INT else ["int", hex(number)]
        if issubclass(kind, float):
            number = float.__pos__(value)
            return number if math.isfinite(number) else ["float", repr(number)]
        if issubclass(kind, str):
            self._count(str.__len__(value))
            return str.__str__(value) if kind is str else "".join(str.__iter__(value))
        if issubclass(kind, complex):
            parts = complex.__pos__(value)
            return ["complex", [repr(parts.real), repr(parts.imag)]]
        if issubclass(kind, bytes | bytearray):
            base = bytes if issubclass(kind, bytes) else bytearray
            self._count(base.__len__(value))
            return [base.__name__, base.hex(value)]
        if issubclass(kind, dict):
            items = [
                [self.encode(key, depth + 1), self.encode(item, depth + 1)]
                for key, item in dict.items(value)
            ]
            return ["dict", items]
        for base in (list, tuple, set, frozenset):
            if issubclass(kind, base):
                self._count(base.__len__(value))
                return [base.__name__, [self.encode(i, depth + 1) for i in base.__iter__(value)]]
        if kind is range:
            self._count(len(value))
            return ["range", [self.encode(n, depth) for n in (value.start, value.stop, value.step)]]
        if kind in VIEWS:
            return ["list", [self.encode(item, depth + 1) for item in value]]
        if kind in ITERATORS:
            return ["iterator", [self.encode(item, depth + 1) for item in value]]
        name = type.__getattribute__(kind, "__name__")
        if self.shared.get(name) is kind:
            return ["object", [name, self.encode(_attributes(value), depth + 1)]]
        if self.handle is not None:
            return ["handle", [self.handle(value), name]]
        raise NotPlain(f"a {name} is not plain data")

    def _count(self, size):
        """Refuse early what would only fill the memory."""
        if size > SIZE:
            raise NotPlain("more than 16 MiB of data")


def _attributes(value) -> dict:
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:  # a class with slots
        return {
            name: object.__getattribute__(value, name)
            for kind in type(value).__mro__
            for name in getattr(kind, "__slots__", ())
            if hasattr(value, name)
        }


class Decoder:
    """Reads values that an Encoder wrote. `remote` makes what stands for a handle."""

    def __init__(self, shared=None, remote=None):
        self.shared = shared or {}
        self.remote = remote

    def value(self, text: str):
        """The value of JSON `text`.

        Raises:
            ValueError: the text is not what an Encoder writes.
        """
        if len(text) > SIZE:
            raise ValueError("more than 16 MiB of data")
        try:
            return self.decode(json.loads(text))
        except (TypeError, LookupError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not plain data: {type(error).__name__}") from error

    def decode(self, data):
        """The value of JSON's own types as an Encoder gives them."""
        if not isinstance(data, list):
            if isinstance(data, dict):
                raise ValueError("not plain data: an object without a tag")
            return data
        tag, content = data
        if tag == "int":
            return int(content, 16)
        if tag == "float":
            return float(content)
        if tag == "complex":
            return complex(float(content[0]), float(content[1]))
        if tag in ("bytes", "bytearray"):
            raw = bytes.fromhex(content)
            return raw if tag == "bytes" else bytearray(raw)
        if tag == "dict":
            return {self.decode(key): self.decode(item) for key, item in content}
        if tag in ("list", "tuple", "set", "frozenset"):
            base = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[tag]
            return base([self.decode(item) for item in content])
        if tag == "iterator":
            return iter([self.decode(item) for item in content])
        if tag == "range":
            return range(*(self.decode(number) for number in content))
        if tag == "object":
            name, attributes = content
            # Without handles: what an object of the tests does is not the program's to say.
            return self._object(self.shared[name], Decoder(self.shared).decode(attributes))
        if tag == "handle" and self.remote is not None:
            number, name = content
            return self.remote(int(number), str(name))
        raise ValueError(f"not plain data: {tag!r}")

    def _object(self, kind, attributes):
        instance = object.__new__(kind)
        for name, value in attributes.items():
            if name.startswith("__") or callable(getattr(kind, name, None)):
                raise ValueError(f"not plain data: an attribute {name!r} hides the class's own")
            object.__setattr__(instance, name, value)
        return instance
