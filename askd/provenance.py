"""Digests of the code that a stage runs, so that the workflow reruns what an edit touches.

Snakemake sees an edit of a rule's shell command but not of the modules behind it. A rule therefore
carries, as a parameter, a digest of its stage's module and of all askd modules that it imports. A
module of the user's own counts in the same way, with what it imports from below the working
directory.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from askd.errors import AskdError

PACKAGE = Path(__file__).resolve().parent

# Settings reach a stage as parameters of its rule, and are tracked there key by key; the other two
# change no result.
UNTRACKED = ("askd.config", "askd.errors", "askd.provenance")


def digest(*modules: str) -> str:
    """Digest of `modules` (dotted names) and all modules of askd or the user that they import.

    Comments, docstrings and layout do not count; what a module imports inside functions does.

    Raises:
        AskdError: a file is not Python.
    """
    found: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module not in found and not module.startswith(UNTRACKED):
            found.add(module)
            pending.extend(_imports(module))
    text = "".join(f"{module} {_code(module)}\n" for module in sorted(found))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _path(module: str) -> Path | None:
    root = PACKAGE.parent if module.split(".")[0] == "askd" else Path.cwd()
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module!r}")
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise AskdError(f"{path}: not Python ({error}).") from error


@cache  # a workflow asks for some hundred digests of the same modules
def _imports(module: str) -> tuple[str, ...]:
    ours = module.split(".")[0] == "askd"
    return tuple(
        name
        for name in _imported_names(module)
        # What lies in the user's folder by the name of a library is none of askd's.
        if _path(name) and (name.split(".")[0] == "askd" or not ours)
    )


def _imported_names(module: str) -> Iterator[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*package, *filter(None, [node.module])])
            for alias in node.names:
                # `from askd.tasks import arithmetic` names a module, `... import corpus` does not.
                submodule = f"{source}.{alias.name}"
                yield submodule if _path(submodule) else source


@cache
def _code(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            del body[0]
    return ast.dump(tree)
