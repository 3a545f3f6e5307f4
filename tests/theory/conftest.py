"""Enumerated examples for the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from askd.theory import stage
from askd.theory.example import Example, examples
from askd.theory.statements import Statement


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """The tensors are tiny: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pairs() -> list[Example]:
    """Those of the table."""
    return examples()


@pytest.fixture(scope="session")
def table(pairs) -> dict[str, Statement]:
    """The statements of the table by id."""
    statements = stage.statements(pairs, examples(length=2))
    assert len({statement.id for statement in statements}) == len(statements)
    return {statement.id: statement for statement in statements}
