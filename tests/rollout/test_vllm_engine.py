"""The vLLM engine without vLLM: what it asks for, the rows it makes, and its errors."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from types import ModuleType, SimpleNamespace

import pytest

from askd.artifacts import JOINT_ROLLOUTS, ROLLOUTS, SCORES, read_table
from askd.config import MixturePolicy, Rollout, validate
from askd.errors import AskdError
from askd.rollout import engine, stage, vllm_engine
from askd.rollout.vllm_engine import VllmEngine, engine_of
from askd.rollout.vllm_worker import CroppedHead

SETTINGS = Rollout(engine="vllm", samples_per_prompt=2, max_new_tokens=6, batch_size=3)


class FakeLLM:
    """Answers as vLLM does: `END` behind the tokens of `answer`, up to the limit."""

    answer = (40, 41, 42)
    END = 1

    def __init__(self, model, **options) -> None:
        self.model, self.options, self.calls = model, options, []
        FakeLLM.last = self
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self.shut_down))
        self.events.append(f"start {model.rpartition('/')[2]}")

    def shut_down(self) -> None:
        self.events.append(f"stop {self.model.rpartition('/')[2]}")

    def collective_rpc(self, method, args) -> None:
        self.cropped = (method, args)

    def generate(self, prompts, params, use_tqdm):
        if not isinstance(params, list):
            params = [params] * len(prompts)
        self.calls.append((prompts, params))
        return [self._output(*pair) for pair in zip(prompts, params, strict=True)]

    def _output(self, prompt, params):
        tokens = [*self.answer, self.END][: params.max_tokens]
        scored = [
            {token: SimpleNamespace(logprob=-position / 8)}
            for position, token in enumerate(prompt["prompt_token_ids"])
        ]
        return SimpleNamespace(
            outputs=[
                SimpleNamespace(
                    token_ids=tuple(tokens),
                    logprobs=[{token: SimpleNamespace(logprob=-token / 64)} for token in tokens],
                )
            ],
            prompt_logprobs=[None, *scored[1:]],
        )


@pytest.fixture
def vllm(monkeypatch):
    """A module in place of vLLM."""
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = FakeLLM, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", module)
    distributed = ModuleType("vllm.distributed")
    distributed.cleanup_dist_env_and_memory = lambda: None
    monkeypatch.setitem(sys.modules, "vllm.distributed", distributed)
    monkeypatch.setattr(vllm_engine, "_running", {})
    FakeLLM.events = []
    return module


@pytest.fixture
def started(vllm, folders):
    return VllmEngine(folders.teacher, SETTINGS)


@pytest.fixture
def wanted(teacher, prompt_rows):
    return engine.requests(teacher, prompt_rows, 2)


def seeds(started, wanted, seed=0, stream="test") -> list[int]:
    started.sample(wanted, seed, stream)
    return [params.seed for params in started.llm.calls[-1][1]]


def changed(**vllm) -> Rollout:
    return validate(Rollout, {**SETTINGS.model_dump(), "vllm": vllm}, "test")


def test_the_model_is_started_as_the_settings_say(vllm, folders):
    chosen = {"tensor_parallel_size": 2, "dtype": "bfloat16", "memory_fraction": 0.5}
    VllmEngine(folders.teacher, changed(**chosen, cache_gib=3, eager=False, max_model_length=40))
    options = FakeLLM.last.options
    assert FakeLLM.last.model == str(folders.teacher)
    assert options["tensor_parallel_size"] == 2 and options["dtype"] == "bfloat16"
    assert options["gpu_memory_utilization"] == 0.5
    assert options["kv_cache_memory_bytes"] == 3 * 2**30
    assert options["enforce_eager"] is False
    assert options["max_num_seqs"] == 3 and options["max_model_len"] == 40


def test_a_job_starts_the_engine_of_a_model_once_and_has_one_at_a_time(vllm, folders):
    first = engine_of(folders.teacher, SETTINGS)
    assert engine_of(folders.teacher, SETTINGS) is first
    engine_of(folders.student, SETTINGS)
    engine_of(folders.student, SETTINGS, head_chunk=64)
    assert FakeLLM.events == [
        *("start teacher", "stop teacher"),
        *("start student", "stop student", "start student"),
    ]


def test_nothing_of_the_folder_warps_runs_or_is_unsafe(started):
    options = started.llm.options
    assert options["logprobs_mode"] == "processed_logprobs"
    assert options["generation_config"] == "vllm" and options["skip_tokenizer_init"]
    assert options["trust_remote_code"] is False and options["load_format"] == "safetensors"


def test_the_head_is_cropped_to_the_tokenizer(started, monkeypatch):
    assert started.llm.cropped == ("crop_head", (102,))

    class LogitsProcessor:
        def __init__(self, width: int) -> None:
            self.org_vocab_size = width

    module = ModuleType("vllm.model_executor.layers.logits_processor")
    module.LogitsProcessor = LogitsProcessor
    monkeypatch.setitem(sys.modules, module.__name__, module)
    heads = [LogitsProcessor(width) for width in (128, 100)]
    worker = CroppedHead()
    worker.get_model = lambda: SimpleNamespace(modules=lambda: [object(), *heads])
    worker.crop_head(102)
    assert [head.org_vocab_size for head in heads] == [102, 100]
    worker.get_model = lambda: SimpleNamespace(modules=lambda: [object()])
    with pytest.raises(RuntimeError, match="no head"):
        worker.crop_head(102)


def test_a_response_has_a_seed_of_its_own_whatever_the_batch(started, wanted):
    first = seeds(started, wanted)
    assert len(set(first)) == len(wanted)
    assert all(0 <= seed < 2**63 for seed in first)
    assert seeds(started, wanted[::-1]) == first[::-1]
    assert seeds(started, wanted[3:4]) == first[3:4]
    assert not set(first) & {*seeds(started, wanted, 1), *seeds(started, wanted, 0, "other")}


def test_a_request_is_the_prompts_tokens_and_the_settings(vllm, folders, teacher, wanted):
    warped = SETTINGS.model_copy(update={"temperature": 0.7, "top_p": 0.8})
    VllmEngine(folders.teacher, warped).sample(wanted, 0, "test")
    prompts, params = FakeLLM.last.calls[0]
    assert [prompt["prompt_token_ids"] for prompt in prompts] == [r.prompt for r in wanted]
    assert {(p.temperature, p.top_p, p.max_tokens, p.logprobs) for p in params} == {
        (0.7, 0.8, 6, 0)
    }
    assert all(p.ignore_eos and p.stop_token_ids == engine.end_tokens(teacher) for p in params)


def test_rows_are_those_of_a_rollouts_table(started, wanted, teacher):
    rows = started.sample(wanted, 0, "test")
    assert [(row["prompt_id"], row["sample_id"]) for row in rows] == [
        (request.prompt_id, request.sample_id) for request in wanted
    ]
    assert rows[0] == {
        "prompt_id": "train-0",
        "sample_id": 0,
        "token_ids": [40, 41, 42, 1],
        "text": teacher.tokenizer.decode([40, 41, 42]),
        "finish_reason": "stop",
        "sampler_logprobs": [-40 / 64, -41 / 64, -42 / 64, -1 / 64],
    }


def test_a_response_at_the_limit_has_no_end(vllm, folders, wanted):
    settings = SETTINGS.model_copy(update={"max_new_tokens": 3})
    row = VllmEngine(folders.teacher, settings).sample(wanted, 0, "test")[0]
    assert row["token_ids"] == [40, 41, 42] and row["finish_reason"] == "length"


def test_greedy_tokens_are_certain(vllm, folders, wanted):
    """As with transformers: their distribution holds one token."""
    settings = SETTINGS.model_copy(update={"temperature": 0})
    row = VllmEngine(folders.teacher, settings).sample(wanted, 0, "test")[0]
    assert row["sampler_logprobs"] == [0.0] * 4


def test_a_prompt_without_room_is_refused_in_the_words_of_transformers(
    vllm, folders, teacher, wanted
):
    long = SETTINGS.model_copy(update={"max_new_tokens": 60})
    with pytest.raises(AskdError, match="exceeds the context of") as ours:
        VllmEngine(folders.teacher, long).sample(wanted, 0, "test")
    with pytest.raises(AskdError) as theirs:
        engine.sample(teacher, wanted, long, 0, "test")
    assert str(ours.value) == str(theirs.value)
    with pytest.raises(AskdError, match=r"raise rollout\.vllm\.max_model_length"):
        VllmEngine(folders.teacher, changed(max_model_length=8)).sample(wanted, 0, "test")


def test_scores_are_those_of_response_tokens(vllm, folders):
    scoring = VllmEngine(folders.teacher, SETTINGS, head_chunk=2)
    assert scoring.score([([3, 20, 30], [40, 1]), ([3], [50])]) == [[-3 / 8, -4 / 8], [-1 / 8]]
    # As many logits at once as head_chunk says, and room for a token behind the context.
    options = FakeLLM.last.options
    assert options["max_num_batched_tokens"] == options["max_num_seqs"] == 2
    assert options["max_model_len"] == 65


def test_responses_that_cannot_be_scored_are_refused(vllm, folders):
    scoring = VllmEngine(folders.teacher, SETTINGS, head_chunk=1024)
    with pytest.raises(AskdError, match="token 102 lies outside the model's vocabulary of 102"):
        scoring.score([([3], [4]), ([3], [5, 102])])
    with pytest.raises(AskdError, match="a prompt with its response has 65 tokens"):
        scoring.score([([3] * 60, [4] * 5)])
    assert len(scoring.score([([3] * 60, [4] * 4)])[0]) == 4


def run_rollout(model, prompts_path, folder, settings=SETTINGS, **policy):
    output = folder / "rollouts.parquet"
    with ExitStack() as states:
        stage.rollout(
            model,
            prompts_path,
            None,
            settings,
            0,
            "test",
            output,
            folder / "state",
            states,
            **policy,
        )
    return output


def test_the_stages_write_the_same_tables(vllm, folders, prompts_path, tmp_path):
    rollouts = run_rollout(folders.teacher, prompts_path, tmp_path)
    assert read_table(rollouts, ROLLOUTS).num_rows == 12
    output = tmp_path / "scores.parquet"
    stage.score_rollouts(
        folders.teacher, folders.student, prompts_path, rollouts, SETTINGS, 64, output
    )
    scores = read_table(output, SCORES).to_pylist()
    assert [len(row["teacher_logprobs"]) for row in scores] == [4] * 12


def test_a_policy_of_both_models_is_sampled_by_transformers(vllm, folders, prompts_path, tmp_path):
    """Also where the engine is vLLM: it cannot take two models."""
    together = {
        "policy": MixturePolicy(kind="mixture", teacher_weight=0.5),
        "teacher_folder": folders.teacher,
    }
    del vllm.LLM
    table = read_table(
        run_rollout(folders.student, prompts_path, tmp_path, **together), JOINT_ROLLOUTS
    )
    plain = SETTINGS.model_copy(update={"engine": "transformers"})
    other = run_rollout(folders.student, prompts_path, tmp_path, plain, **together)
    assert table.equals(read_table(other, JOINT_ROLLOUTS))


def test_without_vllm_the_way_to_it_is_named(monkeypatch, folders):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(AskdError) as error:
        VllmEngine(folders.teacher, SETTINGS)
    sentence = str(error.value)
    assert "\n" not in sentence and "vLLM cannot be imported" in sentence
    assert "install it with `make vllm-env`, or set rollout.engine: transformers" in sentence


def test_a_start_that_fails_is_one_sentence(vllm, folders):
    def fail(*_, **__):
        raise ValueError("no memory is left\nand much more")

    vllm.LLM = fail
    with pytest.raises(AskdError, match=r"teacher: vLLM does not start \(no memory is left\);"):
        VllmEngine(folders.teacher, SETTINGS)


def test_a_folder_without_weights_is_refused_before_vllm_is_started(vllm, folders, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    vllm.LLM = None
    with pytest.raises(AskdError, match="no weights"):
        VllmEngine(tmp_path, SETTINGS)


def test_the_interpreter_is_no_setting_of_results():
    """Else another place of the environment would run everything anew."""
    settings = changed(python="elsewhere/python")
    assert settings.vllm.python == "elsewhere/python"
    assert "elsewhere" not in json.dumps(settings.model_dump(mode="json"))
