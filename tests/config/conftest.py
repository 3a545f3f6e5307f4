"""Helpers of the configuration's tests."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from askd.config import validate
from askd.errors import AskdError


@pytest.fixture(scope="session")
def refusal() -> Callable[[Any, object], str]:
    """Gives the one line with which a value is refused."""

    def refuse(kind: Any, value: object) -> str:
        with pytest.raises(AskdError) as error:
            validate(kind, value, "test")
        assert "\n" not in str(error.value)
        return str(error.value)

    return refuse


@pytest.fixture(scope="session")
def changed() -> Callable[[dict, str, object], dict]:
    """Gives a copy of a configuration with a value at a path, whose parts slashes divide."""

    def change(configuration: dict, path: str, value: object) -> dict:
        result = copy.deepcopy(configuration)
        *folders, last = path.split("/")
        section = result
        for folder in folders:
            section = section.setdefault(folder, {})
        section[last] = value
        return result

    return change
