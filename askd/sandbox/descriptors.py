"""File descriptors that a worker passes to its processes, and what comes back through them."""

from __future__ import annotations

import os
import select
import socket
import time


class Descriptors:
    """Descriptors that are closed at the latest when the block ends."""

    def __init__(self):
        self._open: set[int] = set()

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(*self._open)

    def add(self, descriptor: int) -> int:
        """Take over one descriptor."""
        self._open.add(descriptor)
        return descriptor

    def pipe(self) -> tuple[int, int]:
        """The reading and the writing end of a pipe."""
        reader, writer = os.pipe()
        return self.add(reader), self.add(writer)

    def socket_pair(self) -> tuple[int, int]:
        """Two connected sockets."""
        one, other = socket.socketpair()
        return self.add(one.detach()), self.add(other.detach())

    def close(self, *descriptors: int) -> None:
        """Close some before the end."""
        for descriptor in descriptors:
            self._open.discard(descriptor)
            os.close(descriptor)


def memory_file(data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    descriptor = os.memfd_create("askd")
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def drain(
    limits: dict[int, int], deadline: float, until: int | None = None, stop_at: int | None = None
) -> dict[int, bytearray]:
    """Read descriptors up to `deadline`; of each, keep so many bytes and throw the rest away.

    Ends when all are at their end, when `until` is, or when `stop_at` has filled its limit.
    """
    kept = {descriptor: bytearray() for descriptor in limits}
    poll = select.poll()
    for descriptor in limits:
        poll.register(descriptor, select.POLLIN)
    waiting = set(limits)
    while waiting and until not in set(limits) - waiting:
        left = deadline - time.monotonic()
        if left < 0:
            break
        for descriptor, _ in poll.poll(left * 1000):
            data = os.read(descriptor, 65536)
            if not data:
                poll.unregister(descriptor)
                waiting.discard(descriptor)
            kept[descriptor] += data[: limits[descriptor] - len(kept[descriptor])]
            if descriptor == stop_at and len(kept[descriptor]) >= limits[descriptor]:
                return kept
    return kept
