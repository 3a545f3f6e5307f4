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
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
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


def default_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(folder: str | Path, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Load the model folder onto the default device, in evaluation mode.

    Raises:
        AskdError: the folder does not exist or holds no config, no safetensors weights, or no
            tokenizer, or a file of it cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AskdError(f"{folder}: no such model folder.")
    if not (folder / "config.json").is_file():
        raise AskdError(f"{folder}: no config.json; this is not a Hugging Face model folder.")
    if not any(folder.glob("*.safetensors")):
        raise AskdError(
            f"{folder}: no weights (*.safetensors); make or download the model again, and convert "
            "other formats to safetensors."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    except Exception as error:  # transformers and safetensors raise many kinds for broken files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AskdError(f"{folder}: cannot load the model ({reason}).") from error
    if tokenizer.pad_token_id is None:
        raise AskdError(f"{folder}: the tokenizer has no padding token; set pad_token.")
    if tokenizer.chat_template is None:
        raise AskdError(f"{folder}: the tokenizer has no chat template; add chat_template.jinja.")
    return LanguageModel(model.to(default_device()).eval(), tokenizer, folder)


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
        for name in [*names, MANIFEST]:
            os.replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same_tokenizer(teacher: LanguageModel, student: LanguageModel) -> None:
    """Refuse a pair whose tokenizers differ: the teacher would score nonsense without a sign.

    Raises:
        AskdError: the vocabularies, the special tokens or the chat templates differ; says which.
    """
    where = f"{teacher.folder} and {student.folder}"
    ours, theirs = teacher.tokenizer.get_vocab(), student.tokenizer.get_vocab()
    if ours != theirs:
        token = min(
            token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token)
        )
        raise AskdError(
            f"{where}: the tokenizers differ (token {token!r} has number {ours.get(token)} in the "
            f"teacher's and {theirs.get(token)} in the student's); give both the same tokenizer."
        )
    if teacher.tokenizer.special_tokens_map != student.tokenizer.special_tokens_map:
        raise AskdError(f"{where}: the tokenizers' special tokens differ; make them equal.")
    if teacher.tokenizer.chat_template != student.tokenizer.chat_template:
        raise AskdError(f"{where}: the tokenizers' chat templates differ; make them equal.")


def vocabulary_size(folder: str | Path) -> int:
    """Width of the language-model head, from config.json alone."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise AskdError(f"{folder}: no config.json; this is not a Hugging Face model folder.")
    return json.loads(path.read_text(encoding="utf-8"))["vocab_size"]


def read_manifest(folder: str | Path) -> dict[str, str]:
    """The SHA-256 of each file of a model folder, by name."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise AskdError(f"{folder}: no {MANIFEST}; the folder was not written to its end.")
    return json.loads(path.read_text(encoding="utf-8"))
