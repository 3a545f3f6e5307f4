"""What judges and servers of models share: attempts, waits, and many requests at once."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from askd.config import OpenAi
from askd.connection import Connection, Passing, retry_after


@pytest.fixture
def connection():
    return Connection("http://127.0.0.1:1", None, OpenAi(concurrency=2, attempts=9))


NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("", 0),
        ("1.5", 1.5),
        ("-3", 0),
        ("nan", 0),
        ("inf", 86400),
        ("soon", 0),
        ("Wed, 21 Oct 2026 12:00:30 GMT", 30),
        ("Wed, 21 Oct 2026 14:00:30 +0200", 30),
        ("Wed, 21 Oct 2026 12:00:30 -0000", 30),
        ("Wed, 21 Oct 2026 11:00:00 GMT", 0),
        ("Wed, 21 Oct 2099 12:00:00 GMT", 86400),
        ("Wed, 21 Oct 99999999999999 12:00:00 GMT", 0),
    ],
)
def test_how_long_the_endpoint_asks_to_wait(asked, seconds):
    """A date counts by the clock of the endpoint, which may be wrong."""
    response = httpx2.Response(429, headers={"Retry-After": asked, "Date": NOON})
    assert retry_after(response) == seconds


def test_a_date_without_a_clock_counts_by_our_own():
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    response = httpx2.Response(503, headers={"Retry-After": until})
    assert 50 < retry_after(response) <= 60


def test_results_are_in_the_order_of_what_was_asked(connection):
    is_second_done = threading.Event()

    def call(number: int) -> int:
        assert number or is_second_done.wait(10)
        is_second_done.set()
        return number

    assert connection.each(call, [0, 1, 2]) == [0, 1, 2]


def test_a_failure_ends_what_has_not_begun_and_what_waits_for_another_attempt(connection):
    is_waiting, begun = threading.Event(), []

    def attempt(number: int) -> None:
        begun.append(number)
        if number == 0:
            is_waiting.set()
            raise Passing("busy", retry_after=600)
        assert is_waiting.wait(10)
        if number == 1:
            raise ValueError("no request")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="no request"):
        connection.each(lambda number: connection.retried(attempt, number), range(500))
    assert begun.count(0) == 1 and len(begun) < 500


def test_without_success_the_last_failure_is_raised(connection, monkeypatch):
    monkeypatch.setattr(connection._retrying, "sleep", lambda seconds: None)
    reasons = iter("abcdefghij")

    def attempt() -> None:
        raise Passing(next(reasons))

    with pytest.raises(Passing, match=r"^i$"):  # the ninth
        connection.retried(attempt)
