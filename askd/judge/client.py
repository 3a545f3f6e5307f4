"""Calls of an OpenAI-compatible endpoint: `POST BASE_URL/chat/completions`.

Torn replies and replies of another model (a router may fall back to one) are met with more
attempts, as outages are (`askd.connection`). What another attempt cannot mend (a wrong key, an
unknown model) is an error at once. The key is read from the environment when a client is made, and
appears in no message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, TypeVar

import httpx2

from askd.config import EndpointJudge, key_of
from askd.connection import Connection, Passing
from askd.errors import AskdError
from askd.judge.cache import Reply
from askd.judge.pace import Pace

T = TypeVar("T")

# What may follow the name of a model that was asked for: a date, a version of three digits or more.
_SNAPSHOT = re.compile(r"[-@:](\d{3,8}(-\d\d){0,2}|latest)$")
_KEPT = "Replies so far are kept: run again to go on."
_REMEDY = (
    "is the endpoint up, and its limit high enough for judge.concurrency and "
    "judge.requests_per_minute?"
)


class Client:
    """A connection to the endpoint of `settings`; threads may share it.

    Raises:
        AskdError: the environment variable of the key is not set, or holds no key.
    """

    def __init__(self, settings: EndpointJudge) -> None:
        self.settings = settings
        self.url = f"{settings.base_url}/chat/completions"
        key = key_of(settings.key_variable, "judge.key_variable")
        self._connection = Connection(self.url, key, settings)
        self._pace = Pace(settings.requests_per_minute)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def stop(self) -> None:
        """Have calls that wait for another attempt give up."""
        self._connection.stop()

    def each(self, call: Callable[..., T], items: Collection[Any]) -> list[T]:
        """What `call` gives for each of `items`, as `Connection.each` says."""
        return self._connection.each(call, items)

    def complete(self, messages: list[dict]) -> Reply:
        """The reply of the endpoint's model to `messages`.

        Raises:
            AskdError: the endpoint is down, busy or of another model beyond all attempts, or
                refuses the request.
        """
        try:
            return self._connection.retried(self._attempt, messages)
        except Passing as failure:
            raise AskdError(
                f"{self.url}: no reply in {self.settings.attempts} attempts ({failure}); "
                f"{failure.remedy or _REMEDY} {_KEPT}"
            ) from failure

    def _attempt(self, messages: list[dict]) -> Reply:
        connection = self._connection
        connection.pause(self._pace.turn())
        response = connection.send("POST", self.url, request(self.settings, messages))
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            body = response.json()
            usage = body.get("usage") or {}
            choice = body["choices"][0]
            text = choice["message"]["content"] or ""
            reply = Reply(
                # JSON can hold half characters, which no file can.
                text=text.encode("utf-8", "replace").decode(),
                model=str(body.get("model") or ""),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
                is_cut=choice.get("finish_reason") == "length",
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Passing(f"not a chat completion but {connection.excerpt(response)}") from error
        if not is_of_model(reply.model, self.settings):
            raise Passing(
                f"a reply of the model {connection.clean(reply.model)!r}",
                remedy=f"the judge is {self.settings.reply_model or self.settings.model!r}; if the "
                "other one is meant, name it in judge.reply_model.",
            )
        return reply

    def _refusal(self, response: httpx2.Response) -> Exception:
        """The error of a reply that is no success.

        Raises:
            Passing: it may be one at the next attempt.
        """
        status, text = response.status_code, self._connection.excerpt(response)
        variable, model = self.settings.key_variable, self.settings.model
        if status in (401, 403):
            remedy = (
                f"the key in the environment variable {variable!r}; set it to a key that may use "
                f"the model {model!r}"
                if variable
                else "calls without a key; name its environment variable in judge.key_variable"
            )
            return AskdError(f"{self.url}: the endpoint refuses {remedy} (HTTP {status}). {_KEPT}")
        if "insufficient_quota" in response.text:
            return AskdError(
                f"{self.url}: the quota of the key is used up (HTTP {status}). {_KEPT}"
            )
        self._connection.check_passing(response)
        if status == 404:
            return AskdError(
                f"{self.url}: the endpoint knows no model {model!r}, or is not at this URL; check "
                f"judge.model and judge.base_url (HTTP 404: {text}). {_KEPT}"
            )
        return AskdError(
            f"{self.url}: the endpoint refuses a request to the model {model!r} (HTTP {status}: "
            f"{text}). {_KEPT}"
        )


def request(settings: EndpointJudge, messages: list[dict]) -> dict:
    """The JSON that is sent for `messages`."""
    return {
        "model": settings.model,
        "messages": messages,
        "temperature": 0,
        "max_tokens": settings.max_tokens,
        **settings.extra_body,
    }


def is_of_model(named: str, settings: EndpointJudge) -> bool:
    """Whether a reply that names the model `named` may be of the judge.

    That is one which names `reply_model` (if it is set, else `model`) or a dated version of it, as
    `gpt-4o-2024-08-06` is of `gpt-4o` and `gpt-4o-mini` is not; folders or organisations in front
    of either are let through, since some servers add or drop them. A reply that names none is let
    through too: there is nothing to be seen.
    """
    expected = settings.reply_model or settings.model
    return not named or any(
        name == expected or name.endswith(f"/{expected}") or expected.endswith(f"/{name}")
        for name in (named, _SNAPSHOT.sub("", named))
    )
