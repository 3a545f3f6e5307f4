"""What can go wrong between a judge and its endpoint."""

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from askd.config import EndpointJudge, Judge, validate
from askd.errors import AskdError
from askd.judge.client import Client, is_of_model
from askd.judge.pace import Pace

MESSAGES = [{"role": "user", "content": "which?"}]
KEY = "sk-a-very-secret-key"


@pytest.fixture
def server(serve):
    return serve(lambda messages: "[[A]]")


def test_a_call(server, settings, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY + "\n")
    with Client(settings(server.url, key_variable="JUDGE_KEY", max_tokens=9)) as client:
        reply = client.complete(MESSAGES)
    assert (reply.text, reply.model) == ("[[A]]", "stub-2026")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.is_cut) == (100, 7, False)
    assert server.paths == ["/v1/chat/completions"] and server.keys == [f"Bearer {KEY}"]
    assert server.bodies == [
        {"model": "stub", "messages": MESSAGES, "temperature": 0, "max_tokens": 9}
    ]


def test_a_reply_that_was_cut_says_so(serve, settings):
    with Client(settings(serve(lambda messages: ("[[A]", "length")).url)) as client:
        assert client.complete(MESSAGES).is_cut


def test_an_endpoint_may_want_more_keys(server, settings):
    with Client(settings(server.url, extra_body={"seed": 3})) as client:
        client.complete(MESSAGES)
    assert server.bodies[0]["seed"] == 3 and server.bodies[0]["messages"] == MESSAGES


def test_what_askd_sets_itself_is_refused(settings):
    with pytest.raises(ValueError, match="askd itself sets model, temperature"):
        settings("http://127.0.0.1:1", extra_body={"temperature": 1, "model": "x", "seed": 1})


def test_no_key_is_sent_where_none_is_named(server, settings, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Client(settings(server.url)) as client:
        client.complete(MESSAGES)
    assert server.keys == [None]


@pytest.mark.parametrize(
    "names",
    [
        *("garbage", "truncated", "no_choices", "other_shape", "cut", "dropped", "slow"),
        *("wrong_model", "cut garbage"),
    ],
)
def test_what_passes_is_tried_again(server, settings, faults, names):
    server.faults += [getattr(faults, name) for name in names.split()]
    with Client(settings(server.url, timeout_seconds=0.3)) as client:
        assert client.complete(MESSAGES).text == "[[A]]"
    assert len(server.bodies) == len(names.split()) + 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_a_busy_endpoint_is_tried_again(server, settings, faults, status):
    server.faults += [faults.status(status)] * 2
    with Client(settings(server.url)) as client:
        assert client.complete(MESSAGES).text == "[[A]]"
    assert len(server.bodies) == 3


def test_the_endpoint_says_how_long_to_wait(server, settings, faults):
    server.faults += [faults.status(429, Retry_After="0.6")]
    begin = time.monotonic()
    with Client(settings(server.url)) as client:
        client.complete(MESSAGES)
    assert 0.6 <= time.monotonic() - begin < 3


def test_an_endpoint_may_name_a_date(server, settings, faults, monkeypatch):
    waits = []
    monkeypatch.setattr(
        "tenacity.sleep_using_event", lambda event: lambda seconds: waits.append(seconds)
    )
    server.faults += [faults.status(503, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")]
    with Client(settings(server.url)) as client:
        assert client.complete(MESSAGES).text == "[[A]]"
    assert waits == [86400]


def test_requests_keep_their_pace():
    now = [100.0]
    pace = Pace(120, clock=lambda: now[0])
    assert [pace.turn() for _ in range(4)] == [0, 0.5, 1, 1.5]
    now[0] += 1.25
    assert pace.turn() == 0.75
    now[0] += 60
    assert [pace.turn() for _ in range(2)] == [0, 0.5]  # what was not used is gone
    assert [Pace(None).turn() for _ in range(3)] == [0, 0, 0]


def test_attempts_and_threads_share_a_pace(server, settings, faults):
    """No more requests than the pace allows, whoever makes them."""
    server.faults += [faults.status(500)] * 3
    begin = time.monotonic()
    with (
        Client(settings(server.url, requests_per_minute=1200, attempts=9)) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        assert len([*pool.map(client.complete, [MESSAGES] * 5)]) == 5
    assert len(server.bodies) == 8
    assert 7 * 0.05 <= time.monotonic() - begin < 5


def test_a_client_that_stops_does_not_wait_for_its_turn(server, settings):
    with Client(settings(server.url, requests_per_minute=1)) as client:
        client.complete(MESSAGES)
        threading.Timer(0.1, client.stop).start()
        with pytest.raises(AskdError, match="stopped"):
            client.complete(MESSAGES)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("named", "asked", "reply_model", "accepted"),
    [
        ("gpt-4o", "gpt-4o", None, True),
        ("gpt-4o-2024-08-06", "gpt-4o", None, True),
        ("gpt-4-0613", "gpt-4", None, True),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet", None, True),
        ("gemini-1.5-pro-002", "gemini-1.5-pro", None, True),
        ("llama3:latest", "llama3", None, True),
        ("Qwen/Qwen2-7B-Instruct", "Qwen2-7B-Instruct", None, True),
        ("/models/Qwen2-7B-Instruct", "Qwen2-7B-Instruct", None, True),
        ("/models/Qwen/Qwen2-7B-Instruct", "Qwen/Qwen2-7B-Instruct", None, True),
        ("gpt-4o-2024-08-06", "openai/gpt-4o", None, True),
        ("", "gpt-4o", None, True),
        ("gpt-4o-mini", "gpt-4o", None, False),
        ("gpt-4o-mini-2024-07-18", "gpt-4o", None, False),
        ("gpt-4.1", "gpt-4", None, False),
        ("gpt-4-32k", "gpt-4", None, False),
        ("claude-opus-4-1-20250805", "claude-opus-4", None, False),
        ("gpt-4o", "gpt-4o-2024-08-06", None, False),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", None, False),
        ("my-gpt-4o", "gpt-4o", None, False),
        ("other/Qwen2-7B", "Qwen/Qwen2-7B", None, False),
        ("gpt-4o-2024-08-06", "my-deployment", None, False),
        ("gpt-4o-2024-08-06", "my-deployment", "gpt-4o", True),
        ("gpt-4o-2024-08-06", "gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o-2024-11-20", "gpt-4o", "gpt-4o-2024-08-06", False),
        ("gpt-4o", "gpt-4o", "gpt-4o-2024-08-06", False),
    ],
)
def test_the_model_that_a_reply_may_name(settings, named, asked, reply_model, accepted):
    chosen = settings("http://127.0.0.1:1", model=asked, reply_model=reply_model)
    assert is_of_model(named, chosen) == accepted


def test_a_reply_of_another_model_is_refused(server, settings, faults):
    server.faults += [faults.wrong_model] * 3
    with Client(settings(server.url)) as client, pytest.raises(AskdError) as caught:
        client.complete(MESSAGES)
    assert len(server.bodies) == 3
    assert str(caught.value).endswith(
        "no reply in 3 attempts (a reply of the model 'stub-mini'); the judge is 'stub'; if the "
        "other one is meant, name it in judge.reply_model. Replies so far are kept: run again to "
        "go on."
    )


def test_a_reply_that_names_no_model_is_taken(server, settings, faults):
    server.faults += [faults.of_model("")]
    with Client(settings(server.url)) as client:
        assert client.complete(MESSAGES).model == ""


def test_an_outage_is_one_sentence(server, settings, faults):
    server.faults += [faults.status(500, '{"error": "boom"}')] * 9
    with Client(settings(server.url)) as client, pytest.raises(AskdError) as caught:
        client.complete(MESSAGES)
    assert 'no reply in 3 attempts (HTTP 500: {"error": "boom"})' in str(caught.value)
    assert "\n" not in str(caught.value) and len(server.bodies) == 3


def test_an_endpoint_that_is_down_is_one_sentence(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with Client(settings(url)) as client, pytest.raises(AskdError) as caught:
        client.complete(MESSAGES)
    assert f"{url}/chat/completions: no reply in 3 attempts (ConnectError" in str(caught.value)
    assert "is the endpoint up" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (401, f"Incorrect API key: {KEY}", "refuses the key in the environment variable 'JUDGE_K"),
        (403, "no", "refuses the key in the environment variable 'JUDGE_KEY'"),
        (404, "model `stub` not found", "the endpoint knows no model 'stub'"),
        (400, f"bad {KEY}", "refuses a request to the model 'stub' (HTTP 400: bad [key])"),
        (302, "", "refuses a request to the model 'stub' (HTTP 302: nothing)"),
        (429, '{"error": {"code": "insufficient_quota"}}', "the quota of the key is used up"),
    ],
)
def test_what_does_not_pass_is_an_error_at_once(
    server, settings, faults, monkeypatch, status, text, words
):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    server.faults += [faults.status(status, text)] * 2
    client = Client(settings(server.url, key_variable="JUDGE_KEY"))
    with client, pytest.raises(AskdError) as caught:
        client.complete(MESSAGES)
    assert words in str(caught.value) and KEY not in str(caught.value)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "'JUDGE_KEY' is not set"),
        (" ", "'JUDGE_KEY' is not set"),
        (f"{KEY} x", "'JUDGE_KEY' holds no key"),
        (f"{KEY}\nx", "'JUDGE_KEY' holds no key"),
        (f"{KEY}é", "'JUDGE_KEY' holds no key"),
    ],
)
def test_a_key_that_cannot_be_is_refused_without_showing_it(settings, monkeypatch, value, words):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("JUDGE_KEY", value)
    with pytest.raises(AskdError) as caught:
        Client(settings("http://127.0.0.1:1/v1", key_variable="JUDGE_KEY"))
    assert words in str(caught.value) and KEY not in str(caught.value)


def test_the_key_is_in_no_log(server, settings, faults, monkeypatch, caplog, capfd):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    server.faults += [faults.cut, faults.status(500), faults.status(401)]
    caplog.set_level(logging.DEBUG)
    client = Client(settings(server.url, key_variable="JUDGE_KEY"))
    with client, pytest.raises(AskdError):
        client.complete(MESSAGES)
    assert server.keys == [f"Bearer {KEY}"] * 3
    output = capfd.readouterr()
    assert KEY not in caplog.text + output.out + output.err + repr(vars(client.settings))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("api.example.org/v1", "begins with http"),
        ("ftp://example.org", "begins with http"),
        ("https://", "begins with http"),
        ("https://me:secret@example.org/v1", "a key belongs into an environment variable"),
        ("https://example.org/v1?key=secret", "a key belongs into an environment variable"),
        ("https://example.org:99999/v1", "ort out of range"),
    ],
)
def test_a_url_that_cannot_be_is_refused(settings, url, words):
    with pytest.raises(ValidationError, match=words):
        settings(url)


@pytest.mark.parametrize(
    "changes", [{"key_variable": KEY}, {"base_url": f"https://me:{KEY}@example.org/v1"}]
)
def test_a_key_in_the_configuration_is_refused_without_showing_it(settings, changes):
    value = {**settings("http://127.0.0.1/v1").model_dump(), **changes}
    with pytest.raises(AskdError) as caught:
        validate(Judge, value, "judge")
    assert next(iter(changes)) in str(caught.value) and KEY not in str(caught.value)


def test_a_slash_at_the_end_changes_nothing():
    url = "https://example.org/v1/"
    assert EndpointJudge(kind="endpoint", base_url=url, model="m").base_url == url[:-1]
