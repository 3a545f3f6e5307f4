"""Requests to an OpenAI-compatible server: `POST BASE_URL/completions`, with tokens for a prompt.

Outages and torn replies are met with more attempts (`askd.connection`). What another attempt cannot
mend (a wrong key, an unknown model, a prompt that is too long) is an error at once. The key is read
from the environment when a client is made, and appears in no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from askd.config import OpenAi, Server, key_of
from askd.connection import Connection, Passing
from askd.errors import AskdError


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
        key = key_of(server.key_variable, "rollout.openai.servers")
        self._connection = Connection(server.base_url, key, settings)

    def complete_all(self, bodies: Sequence[dict], progress: bool = False) -> list[dict[str, Any]]:
        """The completion of each of `bodies`, in their order; the first failure ends the rest.

        Raises:
            AskdError: see `complete`.
        """
        return self._connection.each(self.complete, bodies, "server" if progress else "")

    def complete(self, body: dict) -> dict[str, Any]:
        """The one completion that the server's model gives for `body`.

        Raises:
            AskdError: the server is down or busy beyond all attempts, or refuses the request.
        """
        reply = self._call("POST", self.url, {"model": self.server.model, "n": 1, **body})
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
        listed = self._call("GET", url)
        models = {model.get("id"): model for model in listed.get("data", [])}
        if self.server.model not in models:
            raise AskdError(
                f"{url}: the server knows no model {self.server.model!r}, but "
                f"{', '.join(map(repr, models)) or 'none'}; correct rollout.openai.servers."
            )
        return models[self.server.model].get("max_model_len")

    def _call(self, method: str, url: str, body: dict | None = None) -> dict:
        try:
            return self._connection.retried(self._attempt, method, url, body)
        except Passing as failure:
            raise AskdError(
                f"{self.server.base_url}: no reply in {self.settings.attempts} attempts "
                f"({failure}); is the server up, and rollout.openai.concurrency not too high?"
            ) from failure

    def _attempt(self, method: str, url: str, body: dict | None) -> dict:
        response = self._connection.send(method, url, body)
        self._connection.check_passing(response)
        status, excerpt = response.status_code, self._connection.excerpt(response)
        if status in (401, 403):
            variable = self.server.key_variable
            what = f"the key in the environment variable {variable!r}" if variable else "no key"
            raise AskdError(
                f"{self.server.base_url}: the server does not take {what} (HTTP {status}); set "
                "key_variable of the server to the name of a variable with one that it takes."
            )
        if status != 200:
            raise (Refused if status == 400 else AskdError)(
                f"{url}: the server refuses a request to the model {self.server.model!r} "
                f"(HTTP {status}: {excerpt}); correct rollout.openai.servers, or serve the model "
                "with vLLM."
            )
        try:
            reply = response.json()
        except ValueError as error:
            raise Passing(f"not JSON but {excerpt}") from error
        if not isinstance(reply, dict):
            raise Passing(f"not an object but {excerpt}")
        return reply
