"""The openai engine with a server on loopback that runs the tiny teacher, rightly or wrongly."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from askd.artifacts import JOINT_ROLLOUTS, ROLLOUTS, SCORES, read_table
from askd.config import MixturePolicy, Rollout, validate
from askd.errors import AskdError
from askd.models.folder import save
from askd.models.tokenizer import character_tokenizer
from askd.rollout import engine, openai_engine, stage
from askd.rollout.openai_engine import OpenAiEngine, engine_of
from askd.rollout.sampler import Warp
from askd.rollout.score import score

KEY = "sk-a-very-secret-key"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self.send({"data": [{"id": "served", "max_model_len": self.server.context}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
            if self.server.statuses:
                status, text = self.server.statuses.pop(0)
                self.send({"error": text}, status)
                return
            head = self.server.vocabulary + self.server.padding
            if any(int(token) >= head for token in body.get("logit_bias", {})):
                self.send({"error": "token_id in logit_bias is out of the vocabulary"}, 400)
                return
            self.send({"choices": [self.server.edit(self.server.complete(body))]})

    def send(self, value: dict, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Completes as vLLM's server does, with `model`; attributes say what it does wrongly."""

    daemon_threads = True

    def __init__(self, model, vocabulary: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.vocabulary = model, vocabulary
        self.context, self.padding, self.processed = 64, 0, False
        self.fixed_seed = self.temperature = None
        self.seeds = lambda seed: seed
        self.edit = lambda choice: choice
        self.lock, self.bodies, self.keys, self.statuses = threading.Lock(), [], [], []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def logits(self, tokens: list[int]) -> torch.Tensor:
        with torch.no_grad():
            logits = self.model(torch.tensor([tokens])).logits[0]
        return torch.nn.functional.pad(logits[:, : self.vocabulary], (0, self.padding))

    def complete(self, body: dict) -> dict:
        prompt, tokens, logprobs = body["prompt"], [], []
        random = np.random.default_rng(self.seeds(body.get("seed")))
        temperature = self.temperature or body["temperature"]
        warp = Warp(temperature, body.get("top_p", 1.0), self.vocabulary + self.padding)
        while len(tokens) < body["max_tokens"]:
            scores = self.logits([*prompt, *tokens])[-1:]
            for token, bias in body.get("logit_bias", {}).items():
                scores[0, int(token)] += bias
            drawn_from = warp(scores)[0]
            chances = drawn_from.double().exp().numpy()
            token = int(random.choice(len(chances), p=chances / chances.sum()))
            given = drawn_from if self.processed else scores[0].log_softmax(-1)
            tokens.append(token)
            logprobs.append(float(given[token]))
            if token in body.get("stop_token_ids", ()):
                break
        choice = {"text": "never read", "logprobs": {"token_logprobs": logprobs}}
        if body.get("return_token_ids"):
            choice |= {"token_ids": tokens, "prompt_token_ids": prompt}
        if "prompt_logprobs" in body:
            rows = self.logits(prompt).log_softmax(-1)[:-1]
            scored = rows[range(len(prompt) - 1), prompt[1:]].tolist()
            choice["prompt_logprobs"] = [
                None,
                *(
                    {str(token): {"logprob": value}}
                    for token, value in zip(prompt[1:], scored, strict=True)
                ),
            ]
        return choice


@pytest.fixture
def server(teacher, monkeypatch):
    monkeypatch.setattr(openai_engine, "_connected", {})
    started = Server(teacher.model, teacher.vocabulary)
    threading.Thread(target=started.serve_forever, args=(0.02,), daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


@pytest.fixture
def settings(server):
    """Rollout settings in which `server` has the teacher, with changes."""

    def make(key_variable: str | None = None, **changes) -> Rollout:
        place = {"base_url": server.url, "model": "served", "key_variable": key_variable}
        openai = {"servers": {"teacher": place}, "attempts": 3, "retry_seconds": 0.01}
        value = {"engine": "openai", "openai": openai, "samples_per_prompt": 2, "max_new_tokens": 6}
        return validate(Rollout, {**value, **changes}, "test")

    return make


@pytest.fixture
def wanted(teacher, prompt_rows):
    return engine.requests(teacher, prompt_rows, 2)


def rescored(teacher, wanted, rows) -> list[list[float]]:
    pairs = [(request.prompt, row["token_ids"]) for request, row in zip(wanted, rows, strict=True)]
    return score(teacher, pairs, 16, 1024)


def test_rows_are_those_of_a_rollouts_table(folders, teacher, settings, wanted):
    rows = OpenAiEngine(folders.teacher, settings()).sample(wanted, 0, "test")
    keys = [(request.prompt_id, request.sample_id) for request in wanted]
    assert [(row["prompt_id"], row["sample_id"]) for row in rows] == keys
    ends = engine.end_tokens(teacher)
    assert {row["finish_reason"] for row in rows} == {"stop", "length"}
    for row in rows:
        assert (row["token_ids"][-1] in ends) == (row["finish_reason"] == "stop")
        assert row["text"] == teacher.tokenizer.decode(row["token_ids"], skip_special_tokens=True)
    expected = rescored(teacher, wanted, rows)
    ours = np.concatenate([row["sampler_logprobs"] for row in rows])
    np.testing.assert_allclose(ours, np.concatenate(expected), atol=1e-5)


def test_seeds_are_those_that_vllm_is_given(folders, server, settings, wanted):
    started = OpenAiEngine(folders.teacher, settings())
    server.bodies.clear()
    rows = started.sample(wanted, 0, "test")
    seeds = {(tuple(body["prompt"]), body["seed"]) for body in server.bodies}
    assert seeds == {
        (
            tuple(request.prompt),
            engine_seed(0, "test", request),
        )
        for request in wanted
    }
    assert started.sample(wanted[::-1], 0, "test") == rows[::-1]
    assert started.sample(wanted, 1, "test") != rows


def engine_seed(seed: int, stream: str, request) -> int:
    from askd.rollout.sampler import entropy

    return entropy(seed, stream, request.prompt_id, request.sample_id) >> 65


def test_nothing_of_the_server_warps(folders, server, settings, wanted):
    OpenAiEngine(folders.teacher, settings()).sample(wanted, 0, "test")
    neutral = {
        **{"top_k": 0, "min_p": 0, "repetition_penalty": 1, "presence_penalty": 0},
        **{"frequency_penalty": 0, "watermarking": False, "model": "served"},
    }
    assert all(body | neutral == body for body in server.bodies)


def test_logprobs_behind_temperature_and_nucleus_are_those_drawn_from(
    folders, teacher, server, settings, wanted
):
    server.processed = True
    warped = settings(temperature=0.7, top_p=0.8)
    rows = OpenAiEngine(folders.teacher, warped).sample(wanted, 0, "test")
    warp = Warp(0.7, 0.8, teacher.vocabulary)
    for request, row in zip(wanted, rows, strict=True):
        tokens = row["token_ids"]
        logits = server.logits([*request.prompt, *tokens])[len(request.prompt) - 1 : -1]
        expected = warp(logits)[range(len(tokens)), tokens]
        np.testing.assert_allclose(row["sampler_logprobs"], expected, atol=1e-5)


def test_greedy_tokens_are_certain(folders, settings, wanted):
    rows = OpenAiEngine(folders.teacher, settings(temperature=0)).sample(wanted, 0, "test")
    assert {number for row in rows for number in row["sampler_logprobs"]} == {0.0}
    assert rows[0]["token_ids"] == rows[1]["token_ids"]


def test_the_stages_write_the_same_tables(
    folders, teacher, settings, prompts_path, prompt_rows, tmp_path
):
    chosen = settings()
    rollouts, scores = tmp_path / "rollouts.parquet", tmp_path / "scores.parquet"
    run_rollout(folders.teacher, prompts_path, rollouts, chosen)
    rows = read_table(rollouts, ROLLOUTS).to_pylist()
    stage.score_rollouts(
        folders.teacher, folders.student, prompts_path, rollouts, chosen, 64, scores
    )
    scored = [row["teacher_logprobs"] for row in read_table(scores, SCORES).to_pylist()]
    expected = rescored(teacher, engine.requests(teacher, prompt_rows, 2), rows)
    np.testing.assert_allclose(np.concatenate(scored), np.concatenate(expected), atol=1e-5)


def run_rollout(model, prompts_path, output, settings, **policy) -> None:
    with ExitStack() as states:
        state = output.parent / "state"
        stage.rollout(
            model, prompts_path, None, settings, 0, "test", output, state, states, **policy
        )


def test_a_model_without_a_server_is_sampled_by_transformers_and_scored_by_none(
    folders, server, settings, prompts_path, tmp_path, capsys
):
    rollouts = tmp_path / "rollouts.parquet"
    run_rollout(folders.student, prompts_path, rollouts, settings())
    assert read_table(rollouts, ROLLOUTS).num_rows == 12 and not server.bodies
    assert "names no server of it; transformers samples" in capsys.readouterr().out
    with pytest.raises(AskdError, match="no server of the model 'student'"):
        stage.score_rollouts(
            folders.student, folders.student, prompts_path, rollouts, settings(), 64, rollouts
        )


def test_a_policy_of_both_models_is_sampled_by_transformers(
    folders, server, settings, prompts_path, tmp_path
):
    rollouts = tmp_path / "rollouts.parquet"
    policy = MixturePolicy(kind="mixture", teacher_weight=0.5)
    together = {"policy": policy, "teacher_folder": folders.teacher}
    run_rollout(folders.student, prompts_path, rollouts, settings(), **together)
    assert read_table(rollouts, JOINT_ROLLOUTS).num_rows == 12 and not server.bodies


def test_a_job_probes_a_server_once(folders, server, settings):
    first = engine_of(folders.teacher, settings())
    asked = len(server.bodies)
    assert engine_of(folders.teacher, settings()) is first and len(server.bodies) == asked


def without(key: str):
    return lambda choice: {name: value for name, value in choice.items() if name != key}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"edit": without("prompt_token_ids")}, "does not give token numbers"),
        ({"edit": without("token_ids")}, "with a log-probability of each"),
        ({"edit": without("logprobs")}, "with a log-probability of each"),
        ({"edit": without("prompt_logprobs")}, "log-probabilities of a prompt's tokens"),
        (
            {"edit": lambda choice: {**choice, "prompt_token_ids": [1, 2]}},
            "reads other tokens than it was sent",
        ),
        ({"seeds": lambda seed: None}, "ignores seeds"),
        ({"seeds": lambda seed: 5}, "the same tokens for different seeds"),
        ({"temperature": 3.0, "processed": True}, "nats away from those that the model gives"),
    ],
)
def test_a_server_that_cannot_be_right_is_refused(folders, server, settings, wrong, words):
    for name, value in wrong.items():
        setattr(server, name, value)
    with pytest.raises(AskdError, match=words) as caught:
        OpenAiEngine(folders.teacher, settings())
    assert server.url in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"temperature": 0.7}, {"top_p": 0.8}])
def test_warped_samples_with_the_models_own_logprobs_are_refused(folders, settings, changes):
    with pytest.raises(AskdError, match="start it with --logprobs-mode processed_logprobs"):
        OpenAiEngine(folders.teacher, settings(**changes))


@pytest.fixture
def padded(tmp_path, make_model):
    """A teacher whose head is 26 rows wider than its tokenizer."""
    save(make_model(24, seed=1, vocabulary=128), character_tokenizer(64), tmp_path / "teacher")
    return tmp_path / "teacher"


def test_a_server_that_counts_padding_is_refused(padded, server, settings, wanted):
    server.padding = 26
    with pytest.raises(AskdError, match=r"128 rows for the tokenizer.s 102 tokens, and the server"):
        OpenAiEngine(padded, settings())
    server.padding = 0  # a copy with a head that was cut
    assert len(OpenAiEngine(padded, settings()).sample(wanted, 0, "test")) == len(wanted)


def test_padding_that_cannot_be_seen_is_refused(padded, server, settings):
    complete = server.complete
    server.complete = lambda body: complete({**body, "logit_bias": {}})
    with pytest.raises(AskdError, match="ignores `logit_bias`"):
        OpenAiEngine(padded, settings())


def test_a_response_that_stops_elsewhere_is_refused(folders, server, settings, wanted):
    started = OpenAiEngine(folders.teacher, settings())
    complete = server.complete
    server.complete = lambda body: complete({**body, "max_tokens": 2, "stop_token_ids": []})
    with pytest.raises(AskdError, match="which is none of the model's end tokens"):
        started.sample(wanted, 0, "test")


def test_what_is_too_long_is_refused(folders, server, settings, wanted):
    with pytest.raises(AskdError, match="exceeds the context of"):
        OpenAiEngine(folders.teacher, settings(max_new_tokens=60)).sample(wanted, 0, "test")
    server.context = 10
    short = OpenAiEngine(folders.teacher, settings(max_new_tokens=4))
    with pytest.raises(AskdError, match="more than the 10 of the server"):
        short.sample(wanted, 0, "test")
    assert len(short.score([([3] * 5, [4] * 4)])[0]) == 4
    with pytest.raises(AskdError, match="a token more has 11 tokens"):
        short.score([([3] * 6, [4] * 4)])
    with pytest.raises(AskdError, match="token 102 lies outside"):
        short.score([([3], [102])])


def test_an_unknown_model_is_refused_with_those_that_are_known(folders, settings):
    chosen = settings()
    place = chosen.openai.servers["teacher"].model_copy(update={"model": "other"})
    other = chosen.openai.model_copy(update={"servers": {"teacher": place}})
    with pytest.raises(AskdError, match="knows no model 'other', but 'served'"):
        OpenAiEngine(folders.teacher, chosen.model_copy(update={"openai": other}))


def test_outages_pass_and_the_key_is_nowhere(folders, server, settings, monkeypatch, caplog, capfd):
    monkeypatch.setenv("SERVER_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    server.statuses += [(429, "slower"), (503, "busy")]
    OpenAiEngine(folders.teacher, settings("SERVER_KEY"))
    assert set(server.keys) == {f"Bearer {KEY}"}
    for status, words in (
        (401, "does not take the key in the environment variable 'SERVER_KEY'"),
        (400, r"refuses a request to the model 'served' \(HTTP 400"),
        (500, "no reply in 3 attempts"),
    ):
        server.statuses = [(status, f"bad {KEY}")] * 3
        with pytest.raises(AskdError, match=words) as caught:
            OpenAiEngine(folders.teacher, settings("SERVER_KEY"))
        assert KEY not in str(caught.value)
        server.statuses.clear()
    assert KEY not in caplog.text + "".join(capfd.readouterr())
    monkeypatch.delenv("SERVER_KEY")
    with pytest.raises(AskdError, match="'SERVER_KEY' is not set"):
        OpenAiEngine(folders.teacher, settings("SERVER_KEY"))


def test_a_server_that_is_down_is_one_sentence(folders, server, settings):
    chosen = settings()
    server.shutdown()
    server.server_close()
    with pytest.raises(AskdError, match="no reply in 3 attempts") as caught:
        OpenAiEngine(folders.teacher, chosen)
    assert "\n" not in str(caught.value)
