"""What settings of OpenAI-compatible endpoints share: a plain URL, and where the key is.

The key is in the environment and nowhere else. Light: the workflow imports it.
"""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from askd.errors import AskdError


def _plain(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not a URL that begins with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "a URL with a password, a query or a fragment; a key belongs into an environment "
            "variable, whose name is `key_variable`"
        )
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_plain)]
"""A URL that paths can be added to, and that holds no key."""

KeyVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable, which a key is hardly ever."""


def key_of(variable: str | None, setting: str) -> str | None:
    """The key in the environment variable `variable`, which `setting` names; None without one.

    Raises:
        AskdError: the variable is not set, or holds no key; does not show what it holds.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise AskdError(
            f"{setting}: the environment variable {variable!r} is not set; export the key of the "
            "endpoint in it."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AskdError(
            f"{setting}: the environment variable {variable!r} holds no key, for it has spaces or "
            "characters that a header cannot carry."
        )
    return key
