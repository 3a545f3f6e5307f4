"""Servers of models: OpenAI-compatible endpoints that sample and score in place of an engine."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from askd.config.base import Name, Strict
from askd.config.endpoint import BaseUrl, KeyVariable


class Server(Strict):
    """Where a model is served."""

    base_url: BaseUrl = Field(description="URL of the server; /completions is added to it.")
    model: str = Field(min_length=1, description="Name of the model, as the server knows it.")
    key_variable: KeyVariable | None = Field(
        default=None,
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
