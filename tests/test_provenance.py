"""Digests: an edit of code that a stage runs changes its digest; any other edit does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from askd import provenance
from askd.provenance import digest


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package whose files may be edited."""
    copy = tmp_path / "askd"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    provenance._tree.cache_clear()
    provenance._code.cache_clear()
    provenance._imports.cache_clear()


def write(package: Path, **modules: str) -> None:
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    forget()


def append(package: Path, module: str, text: str = "\nEDITED = 1\n") -> None:
    path = package / module
    path.write_text(path.read_text() + text)
    forget()


def test_a_digest_is_stable_and_does_not_depend_on_where_the_package_lies(package):
    copied = digest("askd.training.stage")
    assert copied == digest("askd.training.stage")
    assert len(copied) == 16


def test_an_edit_of_the_module_changes_it(package):
    write(package, one="x = 1\n")
    before = digest("askd.one")
    write(package, one="x = 2\n")
    assert digest("askd.one") != before


@pytest.mark.parametrize(
    "statement",
    [
        "import askd.two",
        "from askd.two import x",
        "from askd import two",
        "def f():\n    from askd.two import x\n    return x",
        "class A:\n    def f(self):\n        import askd.two",
        "import importlib\nif True:\n    from askd import two as other",
        "from askd import three",
    ],
)
def test_an_edit_of_an_imported_module_changes_it(package, statement):
    write(package, one=statement + "\n", two="x = 1\n", three="from askd.two import x\n")
    before = digest("askd.one")
    write(package, two="x = 2\n")
    assert digest("askd.one") != before


def test_an_edit_of_another_module_does_not_change_it(package):
    write(package, one="import os\n", two="x = 1\n")
    before = digest("askd.one")
    write(package, two="x = 2\n")
    assert digest("askd.one") == before


def test_comments_docstrings_and_layout_do_not_count(package):
    plain = "import os\n\n\ndef f(a, b):\n    return a + b\n\n\nclass C:\n    x = 1\n"
    write(package, one=plain)
    before = digest("askd.one")
    write(
        package,
        one='"""New."""\nimport os  # for f\ndef f(\n    a,\n    b,\n):\n    """Sum."""\n'
        '    # Adds.\n    return (a + b)\nclass C:\n    """One."""\n\n    x = 1\n',
    )
    assert digest("askd.one") == before
    write(package, one=plain.replace("x = 1", "'not a docstring'; x = 2"))
    assert digest("askd.one") != before


def test_a_string_that_is_no_docstring_counts(package):
    write(package, one='x = 1\n"first"\n')
    before = digest("askd.one")
    write(package, one='x = "first"\n')
    assert digest("askd.one") != before


def test_modules_may_import_each_other(package):
    write(package, one="from askd import two\n", two="from askd import one\n")
    digest("askd.one")


def test_which_modules_are_given_counts_and_their_order_does_not(package):
    write(package, one="x = 1\n", two="x = 1\n")
    assert digest("askd.one") != digest("askd.two")
    assert digest("askd.one", "askd.two") == digest("askd.two", "askd.one")
    assert digest("askd.one", "askd.two") != digest("askd.one")


def test_an_unknown_module_is_a_bug_of_the_caller(package):
    with pytest.raises(ModuleNotFoundError, match=r"askd\.nowhere"):
        digest("askd.nowhere")


def test_the_configuration_is_tracked_key_by_key_and_not_as_code(package):
    before = digest("askd.training.stage")
    append(package, "config/stages.py")
    append(package, "errors.py")
    assert digest("askd.training.stage") == before


EVERY = {"sft", "gkd", "distillm2", "askd", "askd-wo-1", "askd-plus"}


def trainings(methods) -> dict[str, str]:
    """What the rule train carries, by method."""
    return {
        name: digest("askd.training.stage", *method.objective_modules)
        for name, method in methods.items()
    }


@pytest.mark.parametrize(
    ("module", "touched"),
    [
        ("objectives/skew.py", {"gkd", "distillm2", "askd-wo-1", "askd-plus"}),
        ("objectives/jensen_shannon.py", {"gkd"}),
        ("objectives/sampled.py", {"askd"}),
        ("objectives/likelihood.py", {"sft"}),
        # Which rows count, and with what, is decided where they are put together.
        ("objectives/outcome.py", EVERY),
        ("objectives/reduction.py", EVERY),
        ("training/trainer.py", EVERY),
        ("rollout/sampler.py", EVERY),
        ("theory/tabular.py", set()),
        ("models/pretrain.py", set()),
        ("__main__.py", set()),
    ],
)
def test_an_edit_reruns_only_the_trainings_that_it_touches(package, methods, module, touched):
    chosen = {name: methods[name] for name in EVERY}
    before = trainings(chosen)
    append(package, module)
    after = trainings(chosen)
    assert {name for name in chosen if before[name] != after[name]} == touched


def test_light_stages_do_not_depend_on_models(package):
    before = [digest(module) for module in ("askd.rewards.grade", "askd.rewards.project")]
    append(package, "models/logprobs.py")
    append(package, "rollout/engine.py")
    append(package, "training/trainer.py")
    assert [digest(m) for m in ("askd.rewards.grade", "askd.rewards.project")] == before
