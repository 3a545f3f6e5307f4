"""What every summary of a benchmark has to name."""

from collections.abc import Callable

import pytest

NAMED = {
    "tool",
    "task_hash",
    "prompt_template_hash",
    "engine",
    "samples",  # n
    "pass_at_k",
    "sampling",
    "sandbox",
    "parse_failures",
    "timeouts",
}


@pytest.fixture(scope="session")
def is_complete() -> Callable[[dict], bool]:
    """Whether a summary.json names what its numbers depend on."""

    def check(summary: dict) -> bool:
        sandbox = summary["sandbox"]
        return (
            not NAMED - summary.keys()
            and {"name", "version"} <= summary["tool"].keys()
            and (sandbox is None or {"tier", "limits"} <= sandbox.keys())
        )

    return check
