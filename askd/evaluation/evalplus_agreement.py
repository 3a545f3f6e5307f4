"""Our verdicts on programs beside those of EvalPlus, item by item."""

from __future__ import annotations

from collections.abc import Sequence

from askd.config import SandboxSettings
from askd.evaluation.comparison import Comparison, compared
from askd.evaluation.evalplus_run import Dataset, Sample, judge
from askd.sandbox import FunctionTests
from askd.sandbox.formats import evalplus


def agreement(
    name: str,
    dataset: Dataset,
    problems: Sequence[dict],
    samples: Sequence[Sample],
    settings: SandboxSettings,
    checks: dict[str, FunctionTests] | None = None,
) -> list[Comparison]:
    """Both sides' verdicts on each of `samples`, base and plus, as benchmark `name` and its kinds.

    `problems` are rows of EvalPlus, each with one sample at least. Where HumanEval's own `checks`
    are given (by task), their verdict in our sandbox is a third one, beside EvalPlus's on all
    inputs.

    Raises:
        AskdError: EvalPlus or bubblewrap is not installed, or EvalPlus fails.
    """
    tests = tests_of(problems)
    judged, _ = judge(
        dataset, problems, samples, tests | ({"check()": checks} if checks else {}), settings
    )
    return [
        compared(
            f"{name}, {sample.kind}",
            verdict,
            sample.task_id,
            one.ours.passed,
            one.theirs,
            one.why,
        )
        for verdict, verdicts in judged.items()
        for sample, one in zip(samples, verdicts, strict=True)
    ]


def tests_of(problems: Sequence[dict]) -> dict[str, dict[str, FunctionTests]]:
    """EvalPlus's tests for our sandbox, by task: `base`, and `plus`, which holds the base ones."""
    return {
        name: {row["task_id"]: evalplus(row, row["task_id"], name == "plus") for row in problems}
        for name in ("base", "plus")
    }
