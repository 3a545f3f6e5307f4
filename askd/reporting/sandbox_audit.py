"""The audit stage: what the sandbox of this machine withstands, as a table."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from askd.artifacts import write_text
from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.reporting.markdown import grid
from askd.sandbox import Sandbox, Status
from askd.sandbox.audit import humaneval, suite
from askd.sandbox.audit.suite import Outcome


def audit(settings: SandboxSettings, output: Path) -> None:
    """Write OUTPUT.csv, a row for each program of the suite, and OUTPUT.md, the summary.

    Both run in the tier in use; the suite with tight limits of its own, the problems of HumanEval
    with those of `settings`.

    Raises:
        AskdError: the sandbox got a verdict wrong or let something through; the files are written
            first, and say what.
    """
    tight = settings.model_copy(update={"limits": suite.LIMITS, "workers": 1})
    outcomes = suite.run(tight)
    with Sandbox(settings.model_copy(update={"workers": 1})) as sandbox:
        programs = humaneval.canonical()
        started = time.monotonic()
        canonical = sandbox.run_all(programs)
        milliseconds = 1000 * (time.monotonic() - started) / len(programs)
        empty = sandbox.run_all(humaneval.empty())
        about = dict(sandbox.about)
    wrong = [outcome for outcome in outcomes if outcome.is_wrong]
    violations = [outcome for outcome in outcomes if outcome.violations]
    refused = [result for result in canonical if not result.passed]
    let_through = [result for result in empty if result.passed]
    summary = [
        ("programs of the suite", str(len(outcomes))),
        ("wrong verdicts", str(len(wrong))),
        ("programs that did what they must not", str(len(violations))),
        ("timeouts", str(sum(outcome.status == Status.TIMEOUT for outcome in outcomes))),
        ("right programs that failed (false negatives)", _false_negatives(outcomes)),
        (
            "HumanEval, canonical solutions passed",
            f"{len(canonical) - len(refused)}/{len(canonical)}",
        ),
        ("HumanEval, `return None` passed", f"{len(let_through)}/{len(empty)}"),
        ("HumanEval, ms per program, one worker", f"{milliseconds:.1f}"),
        ("largest resident memory, MiB", str(max(o.peak_memory for o in outcomes) >> 20)),
        ("most processes at a time", str(max(o.peak_processes for o in outcomes))),
    ]
    write_text(output.with_suffix(".csv"), _csv(outcomes))
    text = _markdown(about, summary, outcomes)
    write_text(output.with_suffix(".md"), text)
    # In a workflow the log keeps it: the files of a job that fails are removed.
    print(text)
    if wrong or violations or refused or let_through:
        raise AskdError(
            f"the sandbox failed its audit in tier {about['tier']}: {len(wrong)} wrong verdicts, "
            f"{len(violations)} violations, {len(refused)} canonical solutions refused, "
            f"{len(let_through)} empty ones passed; the table above says which."
        )


def _false_negatives(outcomes: Sequence[Outcome]) -> str:
    good = [outcome for outcome in outcomes if outcome.expected == "pass"]
    return f"{sum(outcome.is_wrong for outcome in good)}/{len(good)}"


def _csv(outcomes: Sequence[Outcome]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Outcome)], lineterminator="\n")
    writer.writeheader()
    for outcome in outcomes:
        row = asdict(outcome) | {
            "seconds": f"{outcome.seconds:.3f}",
            "violations": "; ".join(outcome.violations),
        }
        writer.writerow(row)
    return text.getvalue()


def _markdown(about: dict, summary: Sequence[tuple], outcomes: Sequence[Outcome]) -> str:
    limits = about.pop("limits")
    categories = dict.fromkeys(outcome.category for outcome in outcomes)
    rows = []
    for category in categories:
        members = [outcome for outcome in outcomes if outcome.category == category]
        rows.append(
            (
                category.replace("_", " "),
                str(len(members)),
                str(sum(outcome.is_wrong for outcome in members)),
                str(sum(bool(outcome.violations) for outcome in members)),
                str(sum(outcome.status == Status.TIMEOUT for outcome in members)),
            )
        )
    faults = [
        f"- {outcome.name}: {outcome.status} ({outcome.reason}), expected {outcome.expected}"
        + "".join(f"; {words}" for words in outcome.violations)
        for outcome in outcomes
        if outcome.is_wrong or outcome.violations
    ]
    parts = [
        "# Audit of the sandbox",
        "`snakemake sandbox_audit` runs programs that try to fool or to leave the sandbox, right "
        "ones in unusual clothes,\nand the problems of HumanEval.",
        grid(("", ""), summary),
        grid(("category", "programs", "wrong verdicts", "violations", "timeouts"), rows),
        *(["## Faults", "\n".join(faults)] if faults else []),
        "Ran in: " + ", ".join(f"{name} {value}" for name, value in about.items()) + ".",
        "Limits: " + ", ".join(f"{name} {value}" for name, value in limits.items()) + ".",
    ]
    return "\n\n".join(parts) + "\n"
