"""Functions of one's own, named `module:function` as in packages' entry points.

The module is a file below the working directory: `rewards.mine:score` is `score` in
rewards/mine.py. It is found there alone, so that the file that runs is the one whose digest the
workflow keeps; what is installed under the same name does not hide it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from askd.config import nearest
from askd.errors import AskdError


def file_of(name: str) -> Path:
    """The file of the entry point `name`, relative to the working directory.

    Raises:
        AskdError: there is no such file.
    """
    path = Path(*name.partition(":")[0].split(".")).with_suffix(".py")
    if not path.is_file():
        raise AskdError(
            f"{name}: no file {path} in the working directory ({Path.cwd()}); give the module as "
            "its path from there, with dots for slashes."
        )
    return path


def load(name: str) -> Callable:
    """The function of the entry point `name`. This runs the file, as an import does.

    Raises:
        AskdError: the file does not exist or fails, or holds no such function.
    """
    path = file_of(name)
    module_name, _, function_name = name.partition(":")
    try:
        module = _load_module(module_name, path.resolve())
    except Exception as error:
        raise AskdError(f"{name}: {path} cannot be loaded ({failure(error, path)}).") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module_name
        ]
        raise AskdError(
            f"{name}: {path} has no function {function_name!r}; {nearest(function_name, functions)}"
        )
    return function


def failure(error: Exception, path: Path) -> str:
    """What went wrong in the file `path`, in one line: the error, and the line that led to it."""
    words = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    inside = [
        frame.lineno
        for frame in extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return f"{words}, at line {inside[-1]} of {path}" if inside else words


@cache
def _load_module(module_name: str, path: Path) -> ModuleType:
    # What the file itself imports may lie beside it.
    sys.path.insert(0, str(Path.cwd()))
    spec = spec_from_file_location(module_name, path)
    module = module_from_spec(spec)
    # Dataclasses look their module up while it runs; never hide one that others use.
    sys.modules.setdefault(module_name, module)
    spec.loader.exec_module(module)
    return module
