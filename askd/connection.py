"""Requests to an OpenAI-compatible endpoint, repeated where that may help, and many at once.

Limits of the rate, outages and cut connections are met with more attempts, as is what a caller
raises `Passing` for; waits double and are random, and a `Retry-After` of the endpoint is kept to,
up to a day. The key appears in no message.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2
import tenacity
from rich.progress import track

from askd.config import EndpointJudge, OpenAi

T = TypeVar("T")

LONGEST_WAIT = 60.0
"""Seconds between two attempts, unless the endpoint asks for more."""

LONGEST_RETRY_AFTER = 86400.0
"""Seconds that an endpoint may ask to wait: its limits may be of a day."""

_PASSING = {408, 409, 425, 429}


class Passing(Exception):
    """A failure that may be gone at the next attempt, `retry_after` seconds later at the earliest;
    `remedy` is for when it is not."""

    def __init__(self, reason: str, retry_after: float = 0.0, remedy: str = "") -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.remedy = remedy


class Connection:
    """A connection to the endpoint at `url`, with `key` if it wants one; threads may share it."""

    def __init__(self, url: str, key: str | None, settings: EndpointJudge | OpenAi) -> None:
        self.url, self.settings = url, settings
        self._key = key
        self._http = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=settings.timeout_seconds,
            limits=httpx2.Limits(max_connections=settings.concurrency),
        )
        self._stopped = threading.Event()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
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

    def close(self) -> None:
        """Close what is open to the endpoint."""
        self._http.close()

    def stop(self) -> None:
        """Have calls that wait for another attempt give up."""
        self._stopped.set()

    def pause(self, seconds: float) -> None:
        """Wait before a request.

        Raises:
            Passing: the connection was stopped meanwhile.
        """
        if self._stopped.wait(seconds):
            raise Passing("stopped")

    def retried(self, attempt: Callable[..., T], *arguments: Any) -> T:
        """What `attempt` gives, tried again where it raises `Passing`; the last one is raised."""

        def once() -> T:
            self.pause(0)
            return attempt(*arguments)

        return self._retrying(once)

    def each(self, call: Callable[..., T], items: Collection, progress: str = "") -> list[T]:
        """What `call` gives for each of `items`, in their order, `concurrency` at a time.

        The first failure ends all that have not begun, and what waits for another attempt; those
        under way go on. With a text, `progress` is shown.
        """
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            futures = [pool.submit(call, item) for item in items]
            done = as_completed(futures)
            for future in track(done, progress, len(futures), disable=not progress):
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            self.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def send(self, method: str, url: str, body: dict | None = None) -> httpx2.Response:
        """The reply to a request.

        Raises:
            Passing: there is none.
        """
        try:
            return self._http.request(method, url, json=body)
        except httpx2.RequestError as error:
            raise Passing(self.clean(f"{type(error).__name__}: {error}")) from error

    def check_passing(self, response: httpx2.Response) -> None:
        """Look at the status of a reply.

        Raises:
            Passing: the endpoint is busy or down.
        """
        status = response.status_code
        if status in _PASSING or status >= 500:
            raise Passing(f"HTTP {status}: {self.excerpt(response)}", retry_after(response))

    def excerpt(self, response: httpx2.Response) -> str:
        """The beginning of a reply in one line."""
        return self.clean(" ".join(response.text.split())[:200] or "nothing")

    def clean(self, text: str) -> str:
        """`text` without the key."""
        return text.replace(self._key, "[key]") if self._key else text

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return max(self._backoff(state), state.outcome.exception().retry_after)

    def _say_long_waits(self, state: tenacity.RetryCallState) -> None:
        if state.next_action.sleep > LONGEST_WAIT:
            print(
                f"{self.url}: waits {state.next_action.sleep:.0f} s, as the endpoint asks "
                f"({state.outcome.exception()})",
                file=sys.stderr,
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
