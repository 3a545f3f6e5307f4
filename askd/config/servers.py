"""Servers of models: OpenAI-compatible endpoints that sample and score in place of an engine."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from askd.config.base import Name, Strict


def _plain_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not a URL that begins with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "a URL with a password, a query or a fragment; a key belongs into an environment "
            "variable, whose name is `key_variable`"
        )
    return value.rstrip("/")


class Server(Strict):
    """Where a model is served."""

    base_url: Annotated[str, AfterValidator(_plain_url)] = Field(
        description="URL of the server; /completions is added to it."
    )
    model: str = Field(min_length=1, description="Name of the model, as the server knows it.")
    key_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="NAME of the environment variable that holds the key, never the key itself; "
        "null: the server needs none.",
    )


class OpenAi(Strict):
    """How servers run models, where `rollout.engine` is `openai`."""

    servers: dict[Name, Server] = Field(
        default={},
        description="Server of each model that is served, by its name under `models`: every "
        "teacher, and students as they are before the first round if they are served too. Trained "
        "students differ by method, seed and round, and are sampled with transformers.",
    )
    concurrency: PositiveInt = Field(default=64, description="Requests at the same time.")
    timeout_seconds: PositiveFloat = Field(
        default=600.0, description="Longest time of one request."
    )
    attempts: PositiveInt = Field(
        default=8,
        description="Attempts at a request that meets a limit, an outage or a torn reply.",
    )
    retry_seconds: PositiveFloat = Field(
        default=1.0,
        description="Longest wait before the second attempt; it doubles with each, up to a minute.",
    )
