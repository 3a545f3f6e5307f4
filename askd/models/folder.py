"""Model folders: ordinary Hugging Face folders with a manifest, loaded and saved in one place.

A folder holds config.json, generation_config.json, model.safetensors, the tokenizer's files and
manifest.json, which lists the SHA-256 of every other file and is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from askd.artifacts import write_json
from askd.errors import AskdError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in evaluation mode with its tokenizer, and where it came from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder: Path

    @cached_property
    def device(self) -> torch.device:
        """Where the model's weights lie."""
        return next(self.model.parameters()).device

    @cached_property
    def vocabulary(self) -> int:
        """Number of tokens that the tokenizer tells apart; a head may be padded beyond it."""
        return vocabulary_of(self.tokenizer)

    @cached_property
    def context(self) -> int | None:
        """Number of tokens that the model has positions for; None where there is no bound."""
        return getattr(self.model.config, "max_position_embeddings", None)


def default_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(
    folder: str | Path,
    dtype: torch.dtype | str = "auto",
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> LanguageModel:
    """Load the model folder onto the default device, in evaluation mode.

    Weights are of the type that the folder says ("auto") or of `dtype`; a `tokenizer` takes the
    place of the folder's own.

    Raises:
        AskdError: the folder does not exist or holds no config, no safetensors weights, or no
            tokenizer, or a file of it cannot be read.
    """
    folder = Path(folder)
    check_folder(folder)
    tokenizer = tokenizer or load_tokenizer(folder)
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    except Exception as error:  # transformers and safetensors raise many kinds for broken files
        raise _cannot_load(folder, error) from error
    check_head_width(folder, model, tokenizer)
    return LanguageModel(model.to(default_device()).eval(), tokenizer, folder)


def load_without_weights(folder: str | Path) -> LanguageModel:
    """The model folder with weights on the device `meta`: shapes and settings, in no memory.

    Raises:
        AskdError: the same as `load`, as far as it shows without reading weights.
    """
    folder = Path(folder)
    check_folder(folder)
    tokenizer = load_tokenizer(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        if (folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
    except Exception as error:  # as many kinds as for weights
        raise _cannot_load(folder, error) from error
    check_head_width(folder, model, tokenizer)
    return LanguageModel(model.eval(), tokenizer, folder)


def check_folder(folder: Path) -> None:
    """Refuse a folder that is none of a model, or whose weights are not safetensors.

    Raises:
        AskdError: there is no folder, no config, or no safetensors file.
    """
    if not folder.is_dir():
        raise AskdError(f"{folder}: no such model folder.")
    if not (folder / "config.json").is_file():
        raise AskdError(f"{folder}: no config.json; this is not a Hugging Face model folder.")
    if not any(folder.glob("*.safetensors")):
        raise AskdError(
            f"{folder}: no weights (*.safetensors); make or download the model again, and convert "
            "other formats to safetensors."
        )


def check_head_width(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Refuse a model whose head has fewer rows than its tokenizer has tokens.

    Raises:
        AskdError: says both numbers.
    """
    width = model.get_output_embeddings().weight.shape[0]
    if vocabulary_of(tokenizer) > width:
        raise AskdError(
            f"{folder}: the tokenizer has {vocabulary_of(tokenizer)} tokens but the model only "
            f"{width}; use the tokenizer that the model was made with."
        )


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder.

    Raises:
        AskdError: it cannot be read, or lacks a padding token or a chat template.
    """
    tokenizer = read_tokenizer(Path(folder))
    check_tokenizer(tokenizer, folder)
    return tokenizer


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, as its tokenizer.json says where it has one.

    AutoTokenizer would rebuild the tokenizer of the model's architecture from the vocabulary, and
    so read the same text differently where a folder comes with a tokenizer of its own.

    Raises:
        AskdError: it cannot be read.
    """
    whole = (folder / "tokenizer.json").is_file()
    kind = PreTrainedTokenizerFast if whole else AutoTokenizer
    try:
        return kind.from_pretrained(folder)
    except Exception as error:  # as many kinds as for models
        raise _cannot_load(folder, error) from error


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path | str) -> None:
    """Refuse a tokenizer that lacks what every stage needs.

    Raises:
        AskdError: it lacks a padding token or a chat template; the sentence names `folder`.
    """
    if tokenizer.pad_token_id is None:
        raise AskdError(f"{folder}: the tokenizer has no padding token; set pad_token.")
    if tokenizer.chat_template is None:
        raise AskdError(f"{folder}: the tokenizer has no chat template; add chat_template.jinja.")


def read_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a GGUF file in float32, whatever it was quantized to, and its tokenizer.

    Raises:
        AskdError: the file cannot be read.
    """
    names = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**names)
        model = AutoModelForCausalLM.from_pretrained(
            **names,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
    except Exception as error:  # as many kinds as for folders
        raise _cannot_load(path, error) from error
    return model.eval(), tokenizer


def vocabulary_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """One more than the largest token number."""
    return max(tokenizer.get_vocab().values()) + 1


def _cannot_load(folder: Path, error: Exception) -> AskdError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return AskdError(f"{folder}: cannot load the model ({reason}).")


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Write the model folder: all files into a temporary folder first, then renamed one by one.

    manifest.json is moved last, so a folder that has one is whole.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=".saving-", dir=folder))
    try:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        names = sorted(path.name for path in temporary.iterdir())
        write_json(temporary / MANIFEST, {name: file_digest(temporary / name) for name in names})
        # From here to the last rename the folder is not whole, and must not look so.
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in [*names, MANIFEST]:
            os.replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same_tokenizer(
    teacher: PreTrainedTokenizerBase, student: PreTrainedTokenizerBase
) -> None:
    """Refuse a pair whose tokenizers differ: the teacher would score nonsense without a sign.

    Raises:
        AskdError: the vocabularies, the special tokens or the chat templates differ; says which.
    """
    where = f"{teacher.name_or_path} and {student.name_or_path}"
    ours, theirs = teacher.get_vocab(), student.get_vocab()
    if ours != theirs:
        token = min(
            token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token)
        )
        raise AskdError(
            f"{where}: the tokenizers differ (token {token!r} has number {ours.get(token)} in the "
            f"teacher's and {theirs.get(token)} in the student's); give both the same tokenizer."
        )
    if teacher.special_tokens_map != student.special_tokens_map:
        raise AskdError(f"{where}: the tokenizers' special tokens differ; make them equal.")
    if teacher.chat_template != student.chat_template:
        raise AskdError(f"{where}: the tokenizers' chat templates differ; make them equal.")


def read_manifest(folder: str | Path) -> dict[str, str]:
    """The SHA-256 of each file of a model folder, by name.

    Raises:
        AskdError: there is none, or it is torn.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise AskdError(f"{folder}: no {MANIFEST}; the folder was not written to its end.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AskdError(f"{path}: not JSON ({error}); make the model again.") from error
