"""Messages over a stream socket: a length of four bytes, then JSON text."""

from __future__ import annotations

import json
import os

LARGEST = 64 * 1024 * 1024


class Closed(Exception):
    """The other side is gone, or sends what is no message."""


class Channel:
    """One end of a connection, by its file descriptor."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def send(self, message) -> None:
        """Send one message; raises Closed."""
        body = json.dumps(message, separators=(",", ":")).encode()
        data = memoryview(len(body).to_bytes(4, "big") + body)
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError as error:
            raise Closed(str(error)) from error

    def receive(self):
        """The next message; raises Closed."""
        size = int.from_bytes(self._read(4), "big")
        if size > LARGEST:
            raise Closed("a message that is too large")
        try:
            return json.loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise Closed("a message that is not JSON") from error

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = os.read(self.descriptor, min(size - len(data), 1 << 20))
            except OSError as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed("closed")
            data += part
        return bytes(data)
