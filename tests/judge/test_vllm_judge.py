"""SmolLM2 as the judge, behind vLLM's own server, which holds it to the three verdicts."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from askd.judge.endpoint import judge_pairs
from askd.judge.position_check import PAIRS
from askd.judge.prompts import Pair

CHOICES = ["[[A]]", "[[B]]", "[[C]]"]
STARTS_WITHIN = 300


@pytest.fixture(scope="module")
def url(vllm_python: Path, padded_smollm2: Path, tmp_path_factory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w", encoding="utf-8") as file:
        server = subprocess.Popen(
            [
                *(vllm_python, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"),
                *("--port", str(port), "--model", padded_smollm2, "--served-model-name", "stub"),
                *("--dtype", "float32", "--enforce-eager", "--max-model-len", "2048"),
            ],
            env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + STARTS_WITHIN
        while server.poll() is None and time.monotonic() < until:
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    break
            except httpx2.RequestError:
                time.sleep(1)
        else:
            pytest.fail(f"vLLM's server did not start:\n{log.read_text()[-3000:]}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


def test_a_real_model_judges_through_a_real_server(url, settings):
    pairs = [Pair(f"What is {n} + 1?", f"{n + 1}", "I do not know.") for n in range(4)]
    held = settings(
        url,
        timeout_seconds=120,
        extra_body={"structured_outputs": {"choice": CHOICES}},
        lowest_consistency=0,  # it is too small to judge
    )
    verdicts, about = judge_pairs(pairs, held)
    assert about["calls_paid"] == 2 * (len(pairs) + len(PAIRS)) and about["invalid"] == 0
    assert about["models_replying"] == ["stub"]
    assert about["prompt_tokens_paid"] > 100 * about["calls_paid"]
    again, about = judge_pairs(pairs, held)
    assert again == verdicts and about["calls_paid"] == 0
