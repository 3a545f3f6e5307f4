"""The key of an endpoint, which is in the environment and nowhere else. Light: the workflow imports
it."""

from __future__ import annotations

import os

from askd.errors import AskdError


def key_of(variable: str | None) -> str | None:
    """The key in the environment variable `variable`; None where none is named.

    Raises:
        AskdError: the variable is not set, or holds no key; does not show what it holds.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise AskdError(
            f"judge.key_variable: the environment variable {variable!r} is not set; export the key "
            "of the endpoint in it."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AskdError(
            f"judge.key_variable: the environment variable {variable!r} holds no key, for it has "
            "spaces or characters that a header cannot carry."
        )
    return key
