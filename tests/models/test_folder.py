"""Model folders: saved whole, loaded again, and refused with a sentence when something is off."""

from __future__ import annotations

import hashlib
import json
import shutil
import string

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from askd.errors import AskdError
from askd.models import folder as module
from askd.models.chat import prompt_tokens
from askd.models.folder import (
    check_same_tokenizer,
    file_digest,
    load,
    read_manifest,
    save,
)
from askd.models.tokenizer import character_tokenizer


@pytest.fixture
def copied(folders, tmp_path):
    """A copy of the student's folder that may be damaged."""
    return shutil.copytree(folders.student, tmp_path / "copy")


def refusal(folder) -> str:
    with pytest.raises(AskdError) as error:
        load(folder)
    message = str(error.value)
    assert message.startswith(f"{folder}: ") and "\n" not in message
    return message


def test_weights_and_tokenizer_come_back(make_model, tmp_path):
    model, tokenizer = make_model(seed=5), character_tokenizer(64)
    save(model, tokenizer, tmp_path / "new" / "model")
    loaded = load(tmp_path / "new" / "model")
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, loaded.model.state_dict()[name])
    assert loaded.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert not loaded.model.training
    assert loaded.folder == tmp_path / "new" / "model"
    assert loaded.device == next(loaded.model.parameters()).device


def test_it_is_an_ordinary_hugging_face_folder(folders):
    model = AutoModelForCausalLM.from_pretrained(folders.student)
    tokenizer = AutoTokenizer.from_pretrained(folders.student)
    messages = [{"role": "user", "content": "1+1"}]
    assert prompt_tokens(tokenizer, messages) == prompt_tokens(character_tokenizer(64), messages)
    assert model.config.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize("text", ["a b", "\n", "1 + 1 = ä"])
def test_a_loaded_tokenizer_reads_text_like_the_saved_one(folders, text):
    saved = character_tokenizer(64)
    assert load(folders.student).tokenizer.encode(text) == saved.encode(text)


def test_a_loaded_tokenizer_reads_and_writes_arithmetic_like_the_saved_one(folders):
    saved, loaded = character_tokenizer(64), load(folders.student).tokenizer
    text = "<|user|>6-1+23=" + string.digits + string.ascii_letters + "<|end|><|assistant|>"
    assert loaded.encode(text) == saved.encode(text)
    for skip in (False, True):
        tokens = list(range(len(saved)))
        assert loaded.decode(tokens, skip) == saved.decode(tokens, skip)


def test_the_manifest_lists_the_digest_of_every_other_file(folders):
    manifest = read_manifest(folders.student)
    files = {path.name for path in folders.student.iterdir()}
    assert set(manifest) == files - {"manifest.json"}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= files
    for name, digest in manifest.items():
        content = (folders.student / name).read_bytes()
        assert digest == hashlib.sha256(content).hexdigest() == file_digest(folders.student / name)


def test_saving_twice_gives_equal_bytes(make_model, tmp_path):
    for name in ("one", "two"):
        save(make_model(seed=5), character_tokenizer(64), tmp_path / name)
    assert read_manifest(tmp_path / "one") == read_manifest(tmp_path / "two")


def test_saving_over_a_model_replaces_it(make_model, copied):
    before = read_manifest(copied)
    save(make_model(seed=6), character_tokenizer(64), copied)
    after = read_manifest(copied)
    assert after["model.safetensors"] != before["model.safetensors"]
    assert file_digest(copied / "model.safetensors") == after["model.safetensors"]
    assert not [path for path in copied.iterdir() if path.is_dir()]


def test_a_save_that_fails_leaves_no_manifest_and_no_pieces(make_model, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module, "file_digest", fail)
    with pytest.raises(OSError, match="disk full"):
        save(make_model(), character_tokenizer(64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_dies_halfway_leaves_no_manifest_that_is_wrong(make_model, copied, monkeypatch):
    replace = module.os.replace

    def die(source, target):
        if str(target).endswith("tokenizer.json"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(module.os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        save(make_model(seed=6), character_tokenizer(64), copied)
    manifest = read_manifest(copied) if (copied / "manifest.json").exists() else {}
    for name, digest in manifest.items():
        assert file_digest(copied / name) == digest


def test_a_folder_without_manifest_was_not_written_to_its_end(copied):
    (copied / "manifest.json").unlink()
    with pytest.raises(AskdError, match=r"no manifest\.json"):
        read_manifest(copied)


def test_a_missing_folder_is_refused(tmp_path):
    assert "no such model folder" in refusal(tmp_path / "gone")


def test_a_folder_without_config_is_refused(copied):
    (copied / "config.json").unlink()
    assert "no config.json" in refusal(copied)


def test_a_folder_without_weights_is_refused(copied):
    (copied / "model.safetensors").unlink()
    assert "no weights" in refusal(copied)
    (copied / "pytorch_model.bin").write_bytes(b"0" * 100)
    assert "only pickle weights (pytorch_model.bin)" in refusal(copied)


@pytest.mark.parametrize("kept", [0, 4, 100, -1000, -1])
def test_truncated_weights_are_refused(copied, kept):
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "cannot load the model" in refusal(copied)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_torn_json_is_refused(copied, name):
    path = copied / name
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot load the model" in refusal(copied)


def test_an_unknown_architecture_is_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    config["model_type"] = "qwen17"
    (copied / "config.json").write_text(json.dumps(config))
    assert "cannot load the model" in refusal(copied)


def test_a_tokenizer_without_padding_is_refused(tmp_path):
    tokenizer = character_tokenizer(64)
    tokenizer.pad_token = None
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
    config = LlamaConfig(vocab_size=len(tokenizer), num_hidden_layers=1, **sizes)
    save(LlamaForCausalLM(config), tokenizer, tmp_path / "model")
    assert "no padding token" in refusal(tmp_path / "model")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(make_model, tmp_path):
    tokenizer = character_tokenizer(64)
    tokenizer.add_tokens(["<|new|>"])
    save(make_model(), tokenizer, tmp_path / "model")
    assert "103 tokens" in refusal(tmp_path / "model")


def test_a_qwen2_tokenizer_without_padding_is_refused(copied):
    path = copied / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.pop("pad_token")
    path.write_text(json.dumps(settings))
    assert "no padding token" in refusal(copied)


def test_a_tokenizer_without_chat_template_is_refused(copied):
    (copied / "chat_template.jinja").unlink()
    assert "no chat template" in refusal(copied)


def test_the_vocabulary_is_the_tokenizers_whatever_the_head(make_model, tmp_path):
    save(make_model(vocabulary=150), character_tokenizer(64), tmp_path / "model")
    assert load(tmp_path / "model").vocabulary == len(character_tokenizer(64)) == 102


def test_equal_tokenizers_are_accepted(teacher, loaded_student):
    check_same_tokenizer(teacher.tokenizer, loaded_student.tokenizer)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.add_tokens(["<|new|>"]), r"token '<\|new\|>' has number None .* and 10\d"),
        (lambda t: setattr(t, "eos_token", "<|user|>"), "special tokens differ"),
        (lambda t: setattr(t, "chat_template", t.chat_template + " "), "chat templates differ"),
    ],
)
def test_a_pair_of_different_tokenizers_is_refused(teacher, student, change, reason):
    change(student.tokenizer)
    with pytest.raises(AskdError, match=reason) as error:
        check_same_tokenizer(teacher.tokenizer, student.tokenizer)
    assert str(teacher.folder) in str(error.value) and str(student.folder) in str(error.value)


def test_a_permuted_vocabulary_is_refused(teacher, student, tmp_path):
    path = shutil.copytree(student.folder, tmp_path / "copy") / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["1"], vocabulary["2"] = vocabulary["2"], vocabulary["1"]
    path.write_text(json.dumps(content))
    with pytest.raises(AskdError, match="token '1' has number"):
        check_same_tokenizer(teacher.tokenizer, load(path.parent).tokenizer)


@pytest.mark.parametrize("read", [read_manifest, load])
def test_a_torn_manifest_or_config_is_refused(copied, read):
    for name in ("manifest.json", "config.json"):
        (copied / name).write_text("{")
    with pytest.raises(AskdError):
        read(copied)
