"""Copies of the project in which the workflow runs through its Makefile."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "Makefile",
    "Snakefile",
    "askd",
    "config",
    "envs",
    "examples",
    "profiles",
    "pyproject.toml",
    "requirements.lock",
    "workflow",
)
# Whose tests use the fixture `finished`.
FINISHED = ("test_agreement.py", "test_end_to_end.py", "test_reruns.py")


class ByRun(LoadScopeScheduling):
    """Workers share no fixture: the tests of the finished run go to one, others by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "finished" if file.endswith(FINISHED) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """In place of `--dist loadgroup`, which finds no group with pytest 9.2."""
    return ByRun(config, log)


class Project:
    """A copy of the project, run with the interpreter of the tests."""

    def __init__(self, folder: Path, configfile: Path | None = None) -> None:
        self.folder = folder
        self.arguments = [] if configfile is None else ["--configfile", str(configfile)]
        folder.mkdir()
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                # Where the example was run, its models lie among its files.
                made = ["models"] if name == "examples" else []
                ignore = shutil.ignore_patterns("__pycache__", *made)
                shutil.copytree(source, folder / name, ignore=ignore)
            else:
                shutil.copy(source, folder / name)

    def command(self, *arguments: str) -> list[str]:
        """`make` with arguments of snakemake, without an installation."""
        words = " ".join([*arguments, *self.arguments])
        return ["make", "-o", f"{sys.prefix}/installed", f"VENV={sys.prefix}", f"ARGUMENTS={words}"]

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=1500,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            check=False,
        )

    def planned(self, kind: str) -> set[str]:
        """What a run would do now, of the jobs whose message begins with `kind`."""
        result = self.make("--dry-run")
        assert result.returncode == 0, result.stdout + result.stderr
        messages = re.findall(
            rf"^Job \d+: {kind}(.*)$", result.stdout + result.stderr, re.MULTILINE
        )
        return {message.strip(": ") for message in messages}


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Makes copies of the project."""

    def copy(configfile: Path | None = None) -> Project:
        return Project(tmp_path_factory.mktemp("workflow") / "project", configfile)

    return copy


@pytest.fixture(scope="session")
def tiny(copies) -> Callable[[], Project]:
    """Makes copies that run tests/workflow/tiny.yaml."""
    return lambda: copies(Path(__file__).with_name("tiny.yaml"))


@pytest.fixture(scope="session")
def finished(tiny) -> Project:
    """A copy in which the tiny workflow has run to its end."""
    project = tiny()
    result = project.make()
    assert result.returncode == 0, result.stdout + result.stderr
    return project
