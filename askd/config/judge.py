"""Who compares answers with a baseline answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from askd.config.base import Fraction, Strict
from askd.config.endpoint import BaseUrl, KeyVariable


class RuleJudge(Strict):
    """Counts the rules that each answer breaks, as the reference of its prompt lists them."""

    kind: Literal["rule"] = Field(default="rule", description="Rules; needs no model.")


class EndpointJudge(Strict):
    """A language model behind an OpenAI-compatible endpoint, asked at temperature 0."""

    kind: Literal["endpoint"] = Field(description="A model behind an endpoint.")
    base_url: BaseUrl = Field(description="URL of the endpoint; /chat/completions is added to it.")
    model: str = Field(min_length=1, description="Name of the model, as the endpoint knows it.")
    reply_model: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the model that replies have to give, where it is not `model` or a "
        "dated version of it: behind a name of one's own, or to hold an alias to one version.",
    )
    key_variable: KeyVariable | None = Field(
        default=None,
        description="NAME of the environment variable that holds the key, never the key itself; "
        "null: the endpoint needs none.",
    )
    extra_body: dict[str, Any] = Field(
        default={},
        description="More keys of each request, for what an endpoint offers beyond the common "
        "ones, such as the `structured_outputs` of vLLM.",
    )
    max_tokens: PositiveInt = Field(
        default=1024,
        description="Longest reply, in tokens; one that is cut there is asked for once more.",
    )
    timeout_seconds: PositiveFloat = Field(
        default=120.0, description="Longest silence of the endpoint within one call."
    )
    attempts: PositiveInt = Field(
        default=8, description="Attempts at a call that meets a limit, an outage or a torn reply."
    )
    retry_seconds: PositiveFloat = Field(
        default=1.0,
        description="Longest wait before the second attempt; it doubles with each, up to a minute.",
    )
    concurrency: PositiveInt = Field(default=8, description="Calls at the same time.")
    requests_per_minute: PositiveFloat | None = Field(
        default=None,
        description="Most requests in a minute, more attempts included; null: no limit of ours.",
    )
    lowest_consistency: Fraction = Field(
        default=0.6,
        description="Refuse a judge that, of ten fixed pairs with a clearly better answer, prefers "
        "the same answer in both orders in a smaller share. They are asked first; 0 lets any judge "
        "pass.",
    )
    highest_invalid_rate: Fraction = Field(
        default=0.1,
        description="Fail if a larger share of the verdicts of pairs cannot be read, although the "
        "judge was asked again; with `training.refresh_every`, of the pairs of one refresh.",
    )
    prompt_price: NonNegativeFloat | None = Field(
        default=None, description="Price of a million prompt tokens, for the estimate of the cost."
    )
    completion_price: NonNegativeFloat | None = Field(
        default=None, description="Price of a million tokens of replies."
    )
    cache: str = Field(
        default="judge-cache",
        description="Folder of the replies, which outlives `results`: no call is paid twice.",
    )

    @field_validator("extra_body")
    @classmethod
    def _adds_keys_only(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(value.keys() & {"model", "messages", "temperature", "max_tokens"}):
            raise ValueError(f"askd itself sets {', '.join(taken)}")
        return value


Judge = Annotated[RuleJudge | EndpointJudge, Field(discriminator="kind")]
