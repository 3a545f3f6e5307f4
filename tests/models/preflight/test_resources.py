"""Estimates of memory against what real steps keep, and what is said of devices and disks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

from askd.config import Lora, Rollout, validate
from askd.errors import AskdError
from askd.models.logprobs import collate, response_hidden_states
from askd.models.preflight.memory import Shape, disk_space, rollout_memory, training_memory
from askd.models.preflight.report import Report
from askd.models.preflight.resources import (
    GIB,
    adapter_weights,
    check_disk,
    check_mixing_memory,
    check_sampling_memory,
    check_training_memory,
    device_memory,
)
from askd.training.lora import adapt

BATCH, TOKENS = 3, 40


@pytest.fixture(scope="module", params=[(64, 160, 4, 2), (48, 240, 6, 6)])
def model(request):
    hidden, intermediate, heads, key_values = request.param
    torch.manual_seed(0)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=50,
            hidden_size=hidden,
            intermediate_size=intermediate,
            num_hidden_layers=3,
            num_attention_heads=heads,
            num_key_value_heads=key_values,
            tie_word_embeddings=True,
        )
    )


def estimate(model, **changed) -> dict[str, int]:
    arguments = {"tokens": TOKENS, "micro_batch": BATCH, "head_chunk": 16, "dtype": "float32"}
    return training_memory(Shape.of(model), Shape.of(model), **{**arguments, **changed})


def test_activations_are_those_that_a_real_forward_pass_keeps(model):
    parameters = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            # Held, or its address would be used again for another.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    rows = [([1] * 10, [2] * (TOKENS - 10))] * BATCH
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        response_hidden_states(model.train(), collate(rows, 0, torch.device("cpu")))
    measured = sum(size for size, _ in kept.values())
    assert 0.8 < estimate(model)["activations"] / measured < 1.25


def test_gradients_and_moments_are_those_of_a_real_step(model):
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3, dtype=torch.long)).logits.sum().backward()
    optimizer.step()
    moments = [
        value.nbytes
        for state in optimizer.state.values()
        for name, value in state.items()
        if name != "step"
    ]
    parts = estimate(model)
    assert parts["gradients"] == sum(weight.grad.nbytes for weight in model.parameters())
    assert parts["AdamW"] == sum(moments)
    assert parts["weights"] == parts["teacher"] == sum(w.nbytes for w in model.parameters())
    checkpoint = parts["weights"] + parts["AdamW"]
    assert disk_space(Shape.of(model)) == parts["weights"] + 3 * checkpoint


def test_the_cache_is_that_of_a_real_forward_pass(model):
    cache = DynamicCache(config=model.config)
    model(torch.ones(BATCH, TOKENS, dtype=torch.long), past_key_values=cache, use_cache=True)
    measured = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert rollout_memory(Shape.of(model), TOKENS, BATCH, "float32")["KV cache"] == measured


def test_what_is_computed_with_halves_with_the_type_and_what_is_trained_stays(model):
    full, half = estimate(model), estimate(model, dtype="bfloat16")
    for name in ("activations", "teacher"):
        assert half[name] * 2 == full[name]
    # Log-probabilities are float32 whatever the weights; a copy in bfloat16 is computed with.
    for name in ("gradients", "AdamW", "head"):
        assert half[name] == full[name]
    assert half["weights"] * 2 == full["weights"] * 3


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "down_proj"]])
def test_adapters_are_those_that_are_trained(model, targets):
    lora = Lora(rank=3, target_modules=targets)
    adapted = adapt(copy.deepcopy(model), lora, "the run")
    adapters = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert adapter_weights(model, lora) == adapters
    parts = estimate(model, adapters=adapters, dtype="bfloat16")
    frozen = sum(weight.numel() for weight in model.parameters())
    assert parts["weights"] == 4 * adapters + 2 * frozen
    assert (parts["gradients"], parts["AdamW"]) == (4 * adapters, 8 * adapters)
    assert disk_space(Shape.of(model), adapters) == 4 * frozen + 36 * adapters


def test_checkpointing_keeps_the_inputs_of_layers_and_one_layer(model):
    full, less = estimate(model)["activations"], estimate(model, checkpointing=True)["activations"]
    layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
    assert less == full // layers + 4 * BATCH * TOKENS * layers * hidden


def test_a_known_model_needs_what_is_known_of_it():
    """Qwen2-7B: 28 layers of 4 key-value heads of 128 keep 56 KiB of a token in bfloat16."""
    shape = Shape(7_615_616_512, 28, 3584, 18944, 3584, 512, 152064)
    parts = rollout_memory(shape, tokens=1, batch=1, dtype="bfloat16")
    assert parts["KV cache"] == 56 * 1024
    assert parts["weights"] / GIB == pytest.approx(14.2, abs=0.1)


@pytest.mark.parametrize(
    ("share", "verdict", "words"),
    [
        (2.0, "ok", "GiB"),
        (1.05, "note", "which is tight"),
        (0.95, "note", "choose sampled objectives only"),
        (
            0.05,
            "refused",
            "lower micro_batch_size or head_chunk, or train in bfloat16 or with LoRA",
        ),
    ],
)
def test_training_is_compared_with_the_device(share, verdict, words):
    shape = Shape(10**9, 16, 2048, 8192, 2048, 512, 50000)
    arguments = {"tokens": 512, "micro_batch": 4, "head_chunk": 1024, "dtype": "bfloat16"}
    needed = sum(training_memory(shape, shape, **arguments).values())
    report = Report()
    check_training_memory(report, shape, shape, available=int(share * needed), **arguments)
    (finding,) = report.findings
    assert finding.verdict == verdict and words in finding.says
    assert sum(report.numbers["memory of training"].values()) == needed


# deepseek-coder-6.7b: its cache keeps 512 KiB of a token in bfloat16.
LARGE = Shape(6_740_512_768, 32, 4096, 11008, 4096, 4096, 32256)


def sampled(memory: float, tokens: int = 4096, **rollout):
    settings = validate(Rollout, {"max_new_tokens": 1024, "batch_size": 64, **rollout}, "test")
    report = Report()
    check_sampling_memory(report, "teacher", LARGE, tokens, settings, "bfloat16", int(memory * GIB))
    (finding,) = report.findings
    return finding, report.numbers[finding.check]


def vllm(**settings) -> dict:
    return {"engine": "vllm", "vllm": {"dtype": "bfloat16", **settings}}


def test_vllm_needs_room_for_one_sequence_where_transformers_needs_it_for_a_batch():
    finding, _ = sampled(80)
    assert finding.verdict == "refused" and "lower rollout.batch_size" in finding.says
    finding, parts = sampled(80, **vllm())
    assert finding.verdict == "ok" and "of 72.0 GiB that vLLM may take" in finding.says
    assert parts["weights"] == 2 * LARGE.parameters and parts["KV cache"] == 2 * GIB
    finding, _ = sampled(80, **vllm(memory_fraction=0.15))
    assert finding.verdict == "refused" and "memory_fraction" in finding.says


def test_gpus_that_share_a_model_share_its_weights_and_cache():
    assert sampled(16, **vllm())[0].verdict == "refused"
    finding, parts = sampled(16, **vllm(tensor_parallel_size=2))
    assert finding.verdict == "ok"
    assert parts["weights"] == LARGE.parameters and parts["KV cache"] == GIB


def test_a_cache_that_is_set_is_taken_and_types_are_those_of_the_engine():
    assert sampled(80, **vllm(cache_gib=70))[1]["KV cache"] == 70 * GIB
    assert sampled(80, **vllm(cache_gib=70))[0].verdict == "refused"
    assert sampled(80, **vllm(dtype="float32"))[1]["weights"] == 4 * LARGE.parameters


@pytest.mark.parametrize(("batch", "verdict"), [(1, "ok"), (32, "refused")])
def test_models_that_sample_together_are_both_in_memory(batch, verdict):
    small = Shape(1_346_471_936, 24, 2048, 5504, 2048, 2048, 32256)
    settings = Rollout(max_new_tokens=1024, batch_size=batch, engine="vllm")
    report = Report()
    types = "bfloat16", "float32"
    check_mixing_memory(report, (LARGE, small), 4096, settings, types, 80 * GIB)
    (finding,) = report.findings
    assert finding.verdict == verdict and finding.check == "memory of sampling together"
    parts = report.numbers[finding.check]
    assert parts["teacher's weights"] == 2 * LARGE.parameters
    assert parts["student's weights"] == 4 * small.parameters


def test_a_device_that_is_not_here_is_refused():
    assert device_memory("cpu") > GIB // 4
    for device in ("cuda:99", "toaster"):
        with pytest.raises(AskdError, match=rf"--device {device}: .* give --memory GIB"):
            device_memory(device)


@pytest.mark.parametrize(("parameters", "verdict"), [(1, "ok"), (10**18, "refused")])
def test_space_on_disk_is_compared_with_a_student_and_its_checkpoints(
    tmp_path, parameters, verdict
):
    report = Report()
    check_disk(
        report, Shape(parameters, 1, 1, 1, 1, 1, 1), None, tmp_path / "not" / "there" / "yet"
    )
    assert report.findings[0].verdict == verdict
    assert f"free in {tmp_path}" in report.findings[0].says
