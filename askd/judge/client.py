"""Calls of an OpenAI-compatible endpoint: `POST BASE_URL/chat/completions`.

Limits of the rate, outages, cut connections and torn replies are met with more attempts, and waits
that double and are random; a `Retry-After` of the endpoint is kept to. What another attempt
cannot mend (a wrong key, an unknown model) is an error at once. The key is read from the
environment when a client is made, and appears in no message.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType

import httpx2
import tenacity

from askd.config import EndpointJudge
from askd.errors import AskdError
from askd.judge.cache import Reply

LONGEST_WAIT = 60.0
"""Seconds between two attempts, unless the endpoint asks for more."""

_PASSING = {408, 409, 425, 429}
_KEPT = "Replies so far are kept: run again to go on."


class _Passing(Exception):
    """A failure that may be gone at the next attempt."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Client:
    """A connection to the endpoint of `settings`; threads may share it.

    Raises:
        AskdError: the environment variable of the key is not set, or holds no key.
    """

    def __init__(self, settings: EndpointJudge) -> None:
        self.settings = settings
        self.url = f"{settings.base_url}/chat/completions"
        self._key = _key(settings.key_variable)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx2.Client(
            headers=headers,
            timeout=settings.timeout_seconds,
            limits=httpx2.Limits(max_connections=settings.concurrency),
        )
        self._stopped = threading.Event()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(settings.attempts),
                tenacity.stop_when_event_set(self._stopped),
            ),
            wait=self._wait,
            sleep=tenacity.sleep_using_event(self._stopped),
            before_sleep=self._say_long_waits,
            reraise=True,
        )
        self._backoff = tenacity.wait_random_exponential(settings.retry_seconds, LONGEST_WAIT)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def stop(self) -> None:
        """Have calls that wait for another attempt give up."""
        self._stopped.set()

    def complete(self, messages: list[dict]) -> Reply:
        """The reply of the endpoint's model to `messages`.

        Raises:
            AskdError: the endpoint is down or busy beyond all attempts, or refuses the request.
        """
        try:
            return self._retrying(self._attempt, messages)
        except _Passing as failure:
            raise AskdError(
                f"{self.url}: no reply in {self.settings.attempts} attempts ({failure}); is the "
                f"endpoint up, and its limit high enough for judge.concurrency? {_KEPT}"
            ) from failure

    def _attempt(self, messages: list[dict]) -> Reply:
        try:
            response = self._http.post(self.url, json=request(self.settings, messages))
        except httpx2.RequestError as error:
            raise _Passing(self._clean(f"{type(error).__name__}: {error}")) from error
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            body = response.json()
            usage = body.get("usage") or {}
            text = body["choices"][0]["message"]["content"] or ""
            return Reply(
                # JSON can hold half characters, which no file can.
                text=text.encode("utf-8", "replace").decode(),
                model=str(body.get("model") or self.settings.model),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise _Passing(f"not a chat completion but {self._excerpt(response)}") from error

    def _refusal(self, response: httpx2.Response) -> Exception:
        """The error of a reply that is no success."""
        status, text = response.status_code, self._excerpt(response)
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
        if status in _PASSING or status >= 500:
            return _Passing(f"HTTP {status}: {text}", _retry_after(response))
        if status == 404:
            return AskdError(
                f"{self.url}: the endpoint knows no model {model!r}, or is not at this URL; check "
                f"judge.model and judge.base_url (HTTP 404: {text}). {_KEPT}"
            )
        return AskdError(
            f"{self.url}: the endpoint refuses a request to the model {model!r} (HTTP {status}: "
            f"{text}). {_KEPT}"
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return max(self._backoff(state), state.outcome.exception().retry_after)

    def _say_long_waits(self, state: tenacity.RetryCallState) -> None:
        if state.next_action.sleep > LONGEST_WAIT:
            print(
                f"{self.url}: waits {state.next_action.sleep:.0f} s, as the endpoint asks "
                f"({state.outcome.exception()})",
                file=sys.stderr,
            )

    def _excerpt(self, response: httpx2.Response) -> str:
        """The beginning of a reply in one line."""
        return self._clean(" ".join(response.text.split())[:200] or "nothing")

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def request(settings: EndpointJudge, messages: list[dict]) -> dict:
    """The JSON that is sent for `messages`."""
    return {
        "model": settings.model,
        "messages": messages,
        "temperature": 0,
        "max_tokens": settings.max_tokens,
        **settings.extra_body,
    }


def _key(variable: str | None) -> str | None:
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


def _retry_after(response: httpx2.Response) -> float:
    """Seconds that the endpoint asks to wait; 0 if it says nothing that is a number."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return 0.0
