"""Pruned models: the layers that stay are those of the whole model, and in order."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Qwen2Config, Qwen2ForCausalLM

from askd.errors import AskdError
from askd.layout import MODEL_FILES
from askd.models.folder import load, save
from askd.models.prune import prune
from askd.models.tokenizer import character_tokenizer


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a model of five layers, the last two with sliding windows."""
    tokenizer = character_tokenizer(64)
    torch.manual_seed(3)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=5,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            use_sliding_window=True,
            sliding_window=4,
            max_window_layers=3,
            initializer_range=0.25,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    folder = tmp_path_factory.mktemp("whole")
    save(model, tokenizer, folder)
    return folder


def test_the_layers_that_stay_do_what_they_did(whole, tmp_path):
    keep = [0, 2, 4]
    prune("student", keep, whole, tmp_path / "pruned")
    pruned, model = load(tmp_path / "pruned").model, load(whole).model
    assert {path.name for path in (tmp_path / "pruned").iterdir()} == set(MODEL_FILES)
    assert pruned.config.num_hidden_layers == len(pruned.model.layers) == 3
    kinds = model.config.layer_types
    assert pruned.config.layer_types == [kinds[number] for number in keep]
    assert len(set(pruned.config.layer_types)) == 2
    for number, layer in zip(keep, pruned.model.layers, strict=True):
        for name, weights in model.model.layers[number].state_dict().items():
            assert torch.equal(weights, layer.state_dict()[name])
    # The whole model with the other layers passed over.
    tokens = torch.randint(6, 100, (2, 9), generator=torch.Generator().manual_seed(0))
    for number in (1, 3):
        layer = model.model.layers[number]
        layer.forward = lambda hidden_states, *_, **__: hidden_states
    assert torch.equal(pruned(tokens).logits, model(tokens, use_cache=False).logits)


def test_a_pruned_model_generates_with_a_cache(whole, tmp_path):
    """The cache has a place for each layer by its number, so these must be new."""
    prune("student", [1, 4], whole, tmp_path / "pruned")
    model = load(tmp_path / "pruned").model
    tokens = torch.randint(6, 100, (1, 5), generator=torch.Generator().manual_seed(0))
    settings = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    cached = model.generate(tokens, use_cache=True, **settings)
    assert torch.equal(cached, model.generate(tokens, use_cache=False, **settings))


def test_all_layers_may_stay(whole, tmp_path):
    prune("student", [0, 1, 2, 3, 4], whole, tmp_path / "pruned")
    expected = load(whole).model.state_dict()
    for name, weights in load(tmp_path / "pruned").model.state_dict().items():
        assert torch.equal(weights, expected[name])


def test_a_layer_that_the_model_lacks_is_refused(whole, tmp_path):
    with pytest.raises(AskdError) as error:
        prune("student", [0, 5], whole, tmp_path / "pruned")
    assert f"models.student: keep_layers names layer 5, but {whole} has 5" in str(error.value)
    assert not (tmp_path / "pruned").exists()


def test_a_model_without_a_list_of_layers_is_refused(tmp_path):
    tokenizer = character_tokenizer(64)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=2, n_head=2, n_positions=64)
    save(GPT2LMHeadModel(config), tokenizer, tmp_path / "gpt2")
    with pytest.raises(AskdError, match="is a GPT2LMHeadModel, whose decoder has no list `layers`"):
        prune("student", [0], tmp_path / "gpt2", tmp_path / "pruned")
    assert not (tmp_path / "pruned").exists()
