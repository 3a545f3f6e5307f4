"""A sandbox in each tier, for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from askd.sandbox import Sandbox, SandboxLimits, SandboxRefused, SandboxSettings

SMALL = SandboxLimits(wall_seconds=3, cpu_seconds=1)


@pytest.fixture(scope="session", params=["namespaces", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with small limits, in each tier that this machine has."""
    try:
        sandbox = Sandbox(SandboxSettings(limits=SMALL), tier=request.param)
    except SandboxRefused as error:
        pytest.skip(str(error))
    with sandbox:
        yield sandbox
