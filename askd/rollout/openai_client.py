"""Requests to an OpenAI-compatible server: `POST BASE_URL/completions`, with tokens for a prompt.

Limits of the rate, outages, cut connections and torn replies are met with more attempts, and waits
that double and are random. What another attempt cannot mend (a wrong key, an unknown model, a
prompt that is too long) is an error at once. The key is read from the environment when a client is
made, and appears in no message.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import tenacity
from rich.progress import track

from askd.config import OpenAi, Server
from askd.errors import AskdError

LONGEST_WAIT = 60.0
"""Seconds between two attempts."""

_PASSING = {408, 409, 425, 429}


class _Passing(Exception):
    """A failure that may be gone at the next attempt."""


class Refused(AskdError):
    """A request that the server does not take, for a reason of its own (HTTP 400)."""


class Client:
    """A connection to `server`; threads may share it.

    Raises:
        AskdError: the environment variable of the key is not set, or holds no key.
    """

    def __init__(self, server: Server, settings: OpenAi) -> None:
        self.server, self.settings = server, settings
        self.url = f"{server.base_url}/completions"
        self._key = _key(server.key_variable)
        self._http = httpx2.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=settings.timeout_seconds,
            limits=httpx2.Limits(max_connections=settings.concurrency),
        )
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            stop=tenacity.stop_after_attempt(settings.attempts),
            wait=tenacity.wait_random_exponential(settings.retry_seconds, LONGEST_WAIT),
            reraise=True,
        )

    def complete_all(self, bodies: Sequence[dict], progress: bool = False) -> list[dict[str, Any]]:
        """The completion of each of `bodies`, in their order; the first failure ends the rest.

        Raises:
            AskdError: see `complete`.
        """
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            found = track(
                pool.map(self.complete, bodies), "server", len(bodies), disable=not progress
            )
            return list(found)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def complete(self, body: dict) -> dict[str, Any]:
        """The one completion that the server's model gives for `body`.

        Raises:
            AskdError: the server is down or busy beyond all attempts, or refuses the request.
        """
        asked = {"model": self.server.model, "n": 1, **body}
        reply = self._call(lambda: self._http.post(self.url, json=asked))
        try:
            return dict(reply["choices"][0])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise AskdError(
                f"{self.url}: the reply is no completion; is it an OpenAI-compatible server?"
            ) from error

    def context(self) -> int | None:
        """Tokens that the server's model has room for; None where the server does not say.

        Raises:
            AskdError: the server does not list the model, or cannot be reached.
        """
        url = f"{self.server.base_url}/models"
        listed = self._call(lambda: self._http.get(url))
        models = {model.get("id"): model for model in listed.get("data", [])}
        if self.server.model not in models:
            raise AskdError(
                f"{url}: the server knows no model {self.server.model!r}, but "
                f"{', '.join(map(repr, models)) or 'none'}; correct rollout.openai.servers."
            )
        return models[self.server.model].get("max_model_len")

    def _call(self, send: Any) -> dict:
        try:
            return self._retrying(self._attempt, send)
        except _Passing as failure:
            raise AskdError(
                f"{self.server.base_url}: no reply in {self.settings.attempts} attempts "
                f"({failure}); is the server up, and rollout.openai.concurrency not too high?"
            ) from failure

    def _attempt(self, send: Any) -> dict:
        try:
            response = send()
        except httpx2.RequestError as error:
            raise _Passing(self._clean(f"{type(error).__name__}: {error}")) from error
        status, excerpt = response.status_code, self._clean(" ".join(response.text.split())[:300])
        if status in _PASSING or status >= 500:
            raise _Passing(f"HTTP {status}: {excerpt}")
        if status in (401, 403):
            variable = self.server.key_variable
            what = f"the key in the environment variable {variable!r}" if variable else "no key"
            raise AskdError(
                f"{self.server.base_url}: the server does not take {what} (HTTP {status}); set "
                "key_variable of the server to the name of a variable with one that it takes."
            )
        if status != 200:
            raise (Refused if status == 400 else AskdError)(
                f"{response.url}: the server refuses a request to the model {self.server.model!r} "
                f"(HTTP {status}: {excerpt}); correct rollout.openai.servers, or serve the model "
                "with vLLM."
            )
        try:
            body = response.json()
        except ValueError as error:
            raise _Passing(f"not JSON but {excerpt or 'nothing'}") from error
        if not isinstance(body, dict):
            raise _Passing(f"not an object but {excerpt}")
        return body

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise AskdError(
            f"rollout.openai.servers: the environment variable {variable!r} is not set, or holds "
            "no key; export the key of the server in it."
        )
    return key
