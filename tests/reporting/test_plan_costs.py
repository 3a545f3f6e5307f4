"""The formulas of a plan: operations, memory and seconds."""

import copy

import pytest

from askd.config import Architecture, Device, Lora
from askd.reporting.plan import costs
from askd.reporting.plan.costs import Size
from askd.reporting.plan.estimate import seconds
from askd.reporting.plan.job import Job

TINY = Architecture(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    vocab_size=50,
)


def test_parameters_are_those_of_the_library(paper):
    """All but norms and biases, which are left out, for each family of the paper's models."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    families = {"qwen": "qwen2", "danube": "mistral", "gemma": "gemma2", "deepseek": "llama"}
    seen = set()
    for name, value in paper["plan"]["models"].items():
        if repr(value) in seen:
            continue
        seen.add(repr(value))
        kind = next(kind for start, kind in families.items() if name.startswith(start))
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **value))
        counted = sum(weight.numel() for weight in model.parameters())
        ours = Size(Architecture(**value)).parameters
        assert 0 <= counted - ours < 1e-3 * counted, name
    assert len(seen) == 8


def test_operations_are_those_that_torch_counts():
    """Exactly, but for the half of the attention above the diagonal, which eager attention does."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import Qwen2Config, Qwen2ForCausalLM

    size, texts, tokens = Size(TINY), 2, 10
    config = Qwen2Config(**TINY.model_dump(), attn_implementation="eager", use_cache=False)
    model = Qwen2ForCausalLM(config)
    above = 2 * TINY.num_hidden_layers * size.query * tokens**2 * texts
    with FlopCounterMode(display=False) as counter:
        loss = model(torch.zeros(texts, tokens, dtype=torch.long)).logits.sum()
    # Rotary embeddings multiply positions with frequencies.
    rotary = counter.get_total_flops() - costs.forward(size, texts, tokens) - above
    assert 0 <= rotary < 2 * tokens * TINY.head_dim * texts
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    forward_and_backward = costs.training(size, texts, tokens) - costs.forward(size, texts, tokens)
    assert counter.get_total_flops() == forward_and_backward + 2 * above


def test_training_costs_six_operations_a_parameter_and_token():
    """Where attention is small beside the matrices, as the rule of thumb has it."""
    size = Size(TINY.model_copy(update={"hidden_size": 4096, "intermediate_size": 11008}))
    tokens = 1000.0
    assert costs.training(size, tokens, 1) == pytest.approx(6 * size.active * tokens, rel=1e-4)
    assert costs.training(size, tokens, 1, lora=True) == pytest.approx(
        4 * size.active * tokens, rel=1e-4
    )
    full = costs.training(size, tokens, 1)
    assert costs.training(size, tokens, 1, checkpointing=True) == pytest.approx(full * 4 / 3)
    assert costs.sampling(size, 3, 5, 7) == costs.forward(size, 3, 12)


def test_adapters_are_those_of_the_library():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen2Config, Qwen2ForCausalLM

    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config(**TINY.model_dump()))
    for targets in ("all-linear", ["q_proj", "down_proj"]):
        adapted = get_peft_model(
            copy.deepcopy(model), LoraConfig(r=3, target_modules=targets, task_type="CAUSAL_LM")
        )
        counted = sum(w.numel() for w in adapted.parameters() if w.requires_grad)
        assert Size(TINY).adapters(Lora(rank=3, target_modules=targets)) == counted


def test_memory_by_hand():
    size = Size(TINY)
    assert size.layer == 16 * (2 * 32 + 2 * 16 + 3 * 24)
    assert size.parameters == 3 * size.layer + 2 * 50 * 16
    cache = 2 * 4 * 10 * 3 * 16
    logits = 6 * 4 * 50
    assert costs.sampling_memory(size, 4, 10, "float32") == 4 * (size.parameters + cache + logits)
    full = costs.training_memory(size, None, 2, 10, 8, "float32")
    layer = 6 * 16 + 5 * 32 + 4 * 24
    head = 6 * 8 * 50 * 4
    assert full == 16 * size.parameters + 20 * 3 * layer * 4 + head
    lora = Lora(rank=2)
    adapted = costs.training_memory(size, size, 2, 10, 8, "bfloat16", lora, checkpointing=True)
    kept = 20 * (3 * 16 + layer) * 2
    assert adapted == 2 * 2 * size.parameters + 16 * size.adapters(lora) + kept + head


def test_seconds_add_up_by_kind_of_work():
    device = Device(
        peak_tflops=1,
        memory_gib=1,
        training=0.5,
        scoring=0.25,
        sampling=0.1,
        sampling_transformers=0.05,
        start_seconds=3,
    )
    work = {"training": 1e12, "scoring": 1e12, "sampling": 1e12, "sampling_transformers": 1e12}
    assert seconds(Job("a", "b", memory=1, **work), device, 7) == pytest.approx(3 + 2 + 4 + 10 + 20)
    assert seconds(Job("a", "b"), device, 7) == 7


def test_several_devices_shorten_a_job_but_for_its_start():
    device = Device(peak_tflops=2, memory_gib=1, training=0.5, start_seconds=10)
    job = Job(stage="train", name="a", training=6e12, memory=1)
    assert seconds(job, device, light=0.7) == 10 + 6
    assert seconds(job, device, light=0.7, devices=2) == 10 + 3
    assert seconds(Job(stage="grade", name="a"), device, light=0.7, devices=2) == 0.7
    assert seconds(Job(stage="fetch", name="a"), device, light=0.7, devices=2) == 10
