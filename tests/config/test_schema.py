"""The descriptions of the keys, and the schema file."""

from __future__ import annotations

import importlib
import json
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from askd import config
from askd.config import Config

ROOT = Path(__file__).resolve().parents[2]


def test_the_schema_file_is_the_schema_of_the_code():
    text = (ROOT / "config" / "schema.json").read_text(encoding="utf-8")
    assert text == config.schema(), "run `askd schema > config/schema.json`"


def models_below(kind, seen: set) -> set:
    """All pydantic models that the annotation `kind` mentions, and those below them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in seen:
            seen.add(kind)
            for field in kind.model_fields.values():
                models_below(field.annotation, seen)
    else:
        for argument in typing.get_args(kind):
            models_below(argument, seen)
    return seen


def test_every_key_has_a_description():
    models = models_below(Config, set())
    assert config.SampledSkewTerm in models and config.Level in models
    missing = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert missing == []
    assert [model.__name__ for model in models if not model.__doc__] == []


@pytest.mark.parametrize(
    "path",
    [
        "askd.evaluation.evaluate.EvaluateSettings",
        "askd.training.stage.TrainSettings",
        "askd.models.pretrain.PretrainSettings",
    ],
)
def test_stage_settings_have_descriptions_too(path):
    module, name = path.rsplit(".", 1)
    fields = getattr(importlib.import_module(module), name).model_fields
    assert [key for key, field in fields.items() if not field.description] == []


def test_the_schema_accepts_the_default_configuration(configuration, changed):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(config.schema())
    jsonschema.validate(configuration, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(configuration, "training/lerning_rate", 1), schema)
