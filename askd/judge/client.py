"""Calls of an OpenAI-compatible endpoint: `POST BASE_URL/chat/completions`.

Limits of the rate, outages, cut connections, torn replies and replies of another model (a router
may fall back to one) are met with more attempts, and waits that double and are random; a
`Retry-After` of the endpoint is kept to, up to a day. What another attempt cannot mend (a wrong
key, an unknown model) is an error at once. The key is read from the
environment when a client is made, and appears in no message.
"""

from __future__ import annotations

import math
import re
import sys
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType

import httpx2
import tenacity

from askd.config import EndpointJudge
from askd.errors import AskdError
from askd.judge.cache import Reply
from askd.judge.key import key_of
from askd.judge.pace import Pace

LONGEST_WAIT = 60.0
"""Seconds between two attempts, unless the endpoint asks for more."""

LONGEST_RETRY_AFTER = 86400.0
"""Seconds that an endpoint may ask to wait: its limits may be of a day."""

# What may follow the name of a model that was asked for: a date, a version of three digits or more.
_SNAPSHOT = re.compile(r"[-@:](\d{3,8}(-\d\d){0,2}|latest)$")
_PASSING = {408, 409, 425, 429}
_KEPT = "Replies so far are kept: run again to go on."


class _Passing(Exception):
    """A failure that may be gone at the next attempt; `remedy` is for when it is not."""

    def __init__(
        self,
        reason: str,
        retry_after: float = 0.0,
        remedy: str = "is the endpoint up, and its limit high enough for judge.concurrency and "
        "judge.requests_per_minute?",
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.remedy = remedy


class Client:
    """A connection to the endpoint of `settings`; threads may share it.

    Raises:
        AskdError: the environment variable of the key is not set, or holds no key.
    """

    def __init__(self, settings: EndpointJudge) -> None:
        self.settings = settings
        self.url = f"{settings.base_url}/chat/completions"
        self._key = key_of(settings.key_variable)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx2.Client(
            headers=headers,
            timeout=settings.timeout_seconds,
            limits=httpx2.Limits(max_connections=settings.concurrency),
        )
        self._pace = Pace(settings.requests_per_minute)
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
            AskdError: the endpoint is down, busy or of another model beyond all attempts, or
                refuses the request.
        """
        try:
            return self._retrying(self._attempt, messages)
        except _Passing as failure:
            raise AskdError(
                f"{self.url}: no reply in {self.settings.attempts} attempts ({failure}); "
                f"{failure.remedy} {_KEPT}"
            ) from failure

    def _attempt(self, messages: list[dict]) -> Reply:
        if self._stopped.wait(self._pace.turn()):
            raise _Passing("stopped")
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
            reply = Reply(
                # JSON can hold half characters, which no file can.
                text=text.encode("utf-8", "replace").decode(),
                model=str(body.get("model") or ""),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise _Passing(f"not a chat completion but {self._excerpt(response)}") from error
        if not is_of_model(reply.model, self.settings):
            raise _Passing(
                f"a reply of the model {self._clean(reply.model)!r}",
                remedy=f"the judge is {self.settings.reply_model or self.settings.model!r}; if the "
                "other one is meant, name it in judge.reply_model.",
            )
        return reply

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
            return _Passing(f"HTTP {status}: {text}", retry_after(response))
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


def retry_after(response: httpx2.Response) -> float:
    """Seconds that the endpoint asks to wait, or to wait until by its own clock; 0 if it says
    neither."""
    asked = response.headers.get("Retry-After", "")
    try:
        seconds = float(asked)
    except ValueError:
        until, now = _date(asked), _date(response.headers.get("Date", "")) or datetime.now(UTC)
        seconds = 0.0 if until is None else (until - now).total_seconds()
    return 0.0 if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_RETRY_AFTER)


def _date(header: str) -> datetime | None:
    """The date of a header, in UTC where it names no zone; None if it is no date."""
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
