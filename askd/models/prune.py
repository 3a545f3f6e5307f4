"""The prune stage: a model with layers dropped."""

from __future__ import annotations

from pathlib import Path

from torch.nn import ModuleList

from askd.errors import AskdError
from askd.models.folder import load, save


def prune(name: str, keep_layers: list[int], model_folder: Path, output: Path) -> None:
    """Write the model in `model_folder` with just the layers `keep_layers` to `output`.

    What is left is no good language model before it is trained again.

    Raises:
        AskdError: the model lacks a layer, or its decoder has no list `layers`.
    """
    language_model = load(model_folder)
    model, decoder = language_model.model, language_model.model.get_decoder()
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, ModuleList):
        raise AskdError(
            f"models.{name}: {model_folder} is a {type(model).__name__}, whose decoder has no list "
            "`layers`; only such models can be pruned."
        )
    if keep_layers[-1] >= len(layers):
        raise AskdError(
            f"models.{name}: keep_layers names layer {keep_layers[-1]}, but {model_folder} has "
            f"{len(layers)}; they are numbered from 0."
        )
    decoder.layers = ModuleList(layers[number] for number in keep_layers)
    # Where layers are of several kinds (as with sliding windows), the config lists them.
    kinds = getattr(model.config, "layer_types", None)
    if kinds is not None:
        model.config.layer_types = [kinds[number] for number in keep_layers]
    model.config.num_hidden_layers = len(keep_layers)
    save(model, language_model.tokenizer, output)
