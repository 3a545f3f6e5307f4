"""Endpoints on loopback: one whose replies are a function, and ways in which a reply goes wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from askd.config import EndpointJudge


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: two would wait for each other

    def do_POST(self) -> None:
        body = self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.paths.append(self.path)
            self.server.keys.append(self.headers.get("Authorization"))
            self.server.busy += 1
            self.server.busiest = max(self.server.busiest, self.server.busy)
            fault = self.server.faults.pop(0) if self.server.faults else None
        try:
            if fault is not None:
                fault(self)
            else:
                reply = self.server.reply(body["messages"])
                text, ending = reply if isinstance(reply, tuple) else (reply, "stop")
                self.send(200, completion(body, text, ending=ending))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client was killed, or tired of waiting
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


def completion(
    body: dict, text: str | None, model: str | None = None, ending: str = "stop"
) -> bytes:
    """The reply `text` of `model`, or of a dated version of what was asked for."""
    value = {
        "model": f"{body['model']}-2026" if model is None else model,
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": ending}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 7},
    }
    return json.dumps(value).encode()


def _cut(handler: _Handler) -> None:
    handler.send(200, b'{"choices": [{"mess', length=1000)
    handler.close_connection = True


def _dropped(handler: _Handler) -> None:
    handler.close_connection = True


def _of_model(model: str) -> Callable:
    return lambda handler: handler.send(200, completion(handler.body, "[[A]]", model))


def _status(status: int, text: str = "{}", **headers: str) -> Callable:
    return lambda handler: handler.send(status, text.encode(), **headers)


@pytest.fixture
def faults() -> SimpleNamespace:
    """What can happen instead of a reply."""
    return SimpleNamespace(
        status=_status,
        of_model=_of_model,
        wrong_model=_of_model("stub-mini"),
        garbage=_status(200, "<html>busy</html>"),
        truncated=_status(200, '{"choices": [{"message": {"content": "[[A'),
        no_choices=_status(200, '{"error": {"message": "overloaded"}}'),
        other_shape=_status(200, '{"choices": [{"message": {"content": [1]}}]}'),
        cut=_cut,
        dropped=_dropped,
        slow=lambda handler: time.sleep(1.0),
    )


@pytest.fixture
def serve() -> Iterator[Callable]:
    """Starts an endpoint whose replies are `reply(messages)`: a text, or a text and how it ended.

    It keeps `bodies`, `paths` and `keys` of all requests; `faults` come before replies.
    """
    servers = []

    def start(
        reply: Callable[[list[dict]], str | tuple[str, str] | None],
    ) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # a client that was killed
        server.lock = threading.Lock()
        server.reply = reply
        server.bodies, server.paths, server.keys, server.faults = [], [], [], []
        server.busy = server.busiest = 0
        server.url = f"http://127.0.0.1:{server.server_port}/v1"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def settings(tmp_path) -> Callable[..., EndpointJudge]:
    """Settings for the endpoint at `url`, with short waits."""

    def make(url: str, **changes) -> EndpointJudge:
        value = {
            "kind": "endpoint",
            "base_url": url,
            "model": "stub",
            "attempts": 3,
            "retry_seconds": 0.01,
            "timeout_seconds": 5,
            "concurrency": 4,
            "cache": str(tmp_path / "cache"),
        }
        return EndpointJudge(**{**value, **changes})

    return make
