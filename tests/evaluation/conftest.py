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
    "judge",
    "parse_failures",
    "timeouts",
}


OF_A_JUDGE = {
    "kind",
    "pairs",
    "inconsistent",
    "invalid",
    "first_position",
    "win_rate",
    "length_controlled",
}


@pytest.fixture(scope="session")
def is_complete() -> Callable[[dict], bool]:
    """Whether a summary.json names what its numbers depend on."""

    def check(summary: dict) -> bool:
        sandbox, judge = summary["sandbox"], summary["judge"]
        return (
            not NAMED - summary.keys()
            and {"name", "version"} <= summary["tool"].keys()
            and (sandbox is None or {"tier", "limits"} <= sandbox.keys())
            and (judge is None or judge.keys() == summary["reward"].keys())
            and all(judged.keys() >= OF_A_JUDGE for judged in (judge or {}).values())
        )

    return check
