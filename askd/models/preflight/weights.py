"""Checks of a model folder by itself: whole files, safetensors, a type that can be trained."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from safetensors import SafetensorError, safe_open

from askd.errors import AskdError
from askd.models.folder import (
    MANIFEST,
    LanguageModel,
    check_head_width,
    file_digest,
    load_without_weights,
    read_manifest,
)
from askd.models.preflight.report import Report

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PLAIN = {"F64", "F32", "F16", "BF16"}


def check_folder_of(report: Report, role: str, folder: Path, dtype: str) -> LanguageModel | None:
    """Check a folder's files; the model without its weights, if there is one.

    `dtype` is the type that the weights will be loaded as.
    """
    model = None
    with report.refusing(f"{role}: files"):
        model = load_without_weights(folder)
        kinds = stored_types(folder)
        whole = check_digests(folder)
        count = sum(kinds.values())
        report.add(
            f"{role}: files",
            "ok",
            f"{folder}: {count / 1e6:.2f} M numbers in safetensors, {whole}.",
        )
        _check_type(report, role, model, kinds, dtype)
    if model is not None:
        with report.refusing(f"{role}: head"):
            check_head_width(folder, model.model, model.tokenizer)
    return model


def stored_types(folder: Path) -> Counter[str]:
    """How many numbers of each type (F32, BF16, ...) the weights hold, from their headers alone.

    Raises:
        AskdError: a file of the weights is missing or torn.
    """
    counts: Counter[str] = Counter()
    for name in _weight_files(folder):
        path = folder / name
        if not path.is_file():
            raise AskdError(f"{path}: missing, though {INDEX} lists it; download the model again.")
        try:
            with safe_open(path, framework="pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 (it is no mapping)
                    part = tensors.get_slice(key)
                    size = 1
                    for length in part.get_shape():
                        size *= length
                    counts[part.get_dtype()] += size
        except (SafetensorError, OSError) as error:
            raise AskdError(f"{path}: torn ({error}); make or download the model again.") from error
    return counts


def _weight_files(folder: Path) -> list[str]:
    """The files that transformers will read, in order."""
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / INDEX).is_file():
        raise AskdError(
            f"{folder}: neither {WEIGHTS} nor {INDEX}; merge an adapter into its model and save "
            "that with save_pretrained."
        )
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return sorted(set(index["weight_map"].values()))
    except (ValueError, KeyError) as error:
        raise AskdError(f"{folder / INDEX}: torn ({error}); download the model again.") from error


def check_digests(folder: Path) -> str:
    """Compare the files with the manifest where there is one; say what was compared.

    Raises:
        AskdError: a file is not the one that the manifest lists.
    """
    if not (folder / MANIFEST).is_file():
        return f"without {MANIFEST} to compare them with"
    for name, digest in read_manifest(folder).items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            raise AskdError(
                f"{path}: not the file that {MANIFEST} lists; make or download the model again."
            )
    return f"as {MANIFEST} lists them"


def _check_type(
    report: Report, role: str, model: LanguageModel, kinds: Counter[str], dtype: str
) -> None:
    stored = ", ".join(sorted(kinds))
    strange = sorted(kinds.keys() - PLAIN)
    if strange or getattr(model.model.config, "quantization_config", None):
        raise AskdError(
            f"{model.folder}: the weights are quantised ({stored}); dequantise them to bfloat16 or "
            "float32, since neither gradients nor exact log-probabilities come from them."
        )
    if set(kinds) == {{"float32": "F32", "bfloat16": "BF16"}[dtype]}:
        report.add(f"{role}: dtype", "ok", f"stored and loaded as {dtype}.")
    else:
        report.add(f"{role}: dtype", "note", f"stored as {stored}, loaded as {dtype}.")
