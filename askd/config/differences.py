"""Where two nested values differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def differences(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values of `after` that `before` does not have, by dotted key."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in after.items():
            yield from differences(before.get(name), value, f"{key}.{name}".lstrip("."))
    elif isinstance(after, dict):
        for name, value in after.items():
            if value is not None:
                yield from differences(None, value, f"{key}.{name}".lstrip("."))
    elif before != after:
        yield key, after
