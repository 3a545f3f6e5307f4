"""Our verdicts on programs beside those of EvalPlus, on the same programs and inputs.

EvalPlus (optional: `pip install 'askd[evaluate]'`) is run as its command line is, and four things
of its version 0.3.1 are taken care of:

- its ground truth and its results are cached in files, the latter under the name of the samples;
  here every run has a fresh folder for both;
- it waits 20 seconds in a thread before it ends, however little there was to do: so all programs of
  a data set go into one run;
- it counts every answer to HumanEval/32 as wrong, which `KNOWN_FAULTS` says;
- it runs programs behind guards that a program can step over. So it is run in bubblewrap, without
  network, with nothing writable but that folder, and with none of the environment's variables.
  What a program then forges is EvalPlus's verdict on it, and shows as a difference.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from askd.artifacts import write_json_lines
from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.evaluation.comparison import Comparison, compared
from askd.sandbox import FunctionTests, Program, Result, Sandbox
from askd.sandbox.formats import evalplus

Dataset = Literal["humaneval", "mbpp"]
# Seconds; each input has a limit of its own, so this is reached only where EvalPlus hangs.
LONGEST_RUN = 3600
KNOWN_FAULTS = {"HumanEval/32": "evalplus 0.3.1 counts every answer to this problem as wrong"}
TIMED_OUT = "time ran out on our side: our limit is of all inputs together, theirs of each"


class Sample(NamedTuple):
    """A program for the problem `task_id`; `kind` says where it comes from, such as `canonical`."""

    task_id: str
    kind: str
    source: str


class Verdict(NamedTuple):
    """Whether a program passes the base tests, and those with the extra ones."""

    base: bool
    plus: bool


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
    theirs = evalplus_verdicts(dataset, problems, samples)
    rows = {row["task_id"]: row for row in problems}
    programs = []
    for plus in (False, True):
        tests = {task_id: evalplus(row, task_id, plus) for task_id, row in rows.items()}
        programs += [Program(s.source, tests[s.task_id], s.task_id) for s in samples]
    if checks:
        programs += [Program(s.source, checks[s.task_id], s.task_id) for s in samples]
    with Sandbox(settings) as sandbox:
        results = sandbox.run_all(programs)
    size = len(samples)
    sides = [
        ("base", results[:size], [verdict.base for verdict in theirs]),
        ("plus", results[size : 2 * size], [verdict.plus for verdict in theirs]),
        ("check()", results[2 * size :], [verdict.plus for verdict in theirs]),
    ]
    return [
        compared(
            f"{name}, {sample.kind}",
            verdict,
            sample.task_id,
            result.passed,
            passed,
            reason(sample.task_id, result, passed),
        )
        for verdict, ours, passes in sides
        if ours
        for sample, result, passed in zip(samples, ours, passes, strict=True)
    ]


def reason(task_id: str, ours: Result, theirs: bool) -> str:
    """Why the verdicts on a program may differ; empty if nothing is known."""
    if task_id in KNOWN_FAULTS and not theirs:
        return KNOWN_FAULTS[task_id]
    return TIMED_OUT if ours.reason == "timeout" else ""


def evalplus_verdicts(
    dataset: Dataset, problems: Sequence[dict], samples: Sequence[Sample]
) -> list[Verdict]:
    """EvalPlus's verdict on each of `samples`; raises as `agreement`."""
    if importlib.util.find_spec("evalplus") is None:
        raise AskdError(
            "evalplus is not installed; run `make evaluate-env`, or: pip install 'askd[evaluate]'"
        )
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise AskdError(
            "bubblewrap is not installed, without which evalplus would run programs that a model "
            "wrote unconfined (Debian, Ubuntu: apt install bubblewrap)."
        )
    with TemporaryDirectory(prefix="askd-evalplus-") as name:
        folder = Path(name)
        write_json_lines(folder / "problems.jsonl", problems)
        write_json_lines(
            folder / "samples.jsonl",
            [{"task_id": sample.task_id, "solution": sample.source} for sample in samples],
        )
        _run(bubblewrap, dataset, folder)
        results = json.loads((folder / "samples_eval_results.json").read_text(encoding="utf-8"))
    return read_verdicts(results, samples)


def _run(bubblewrap: str, dataset: Dataset, folder: Path) -> None:
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_CACHE_HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        f"{dataset.upper()}_OVERRIDE_PATH": str(folder / "problems.jsonl"),
    }
    words = [bubblewrap, "--unshare-all", "--die-with-parent", "--new-session"]
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    words += ["--bind", str(folder), str(folder), "--chdir", str(folder)]
    words += [sys.executable, "-m", "evalplus.evaluate", "--dataset", dataset]
    words += ["--samples", "samples.jsonl", "--parallel", "1", "--i-just-wanna-run"]
    try:
        done = subprocess.run(
            words,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST_RUN,
        )
    except subprocess.TimeoutExpired as error:
        raise AskdError(
            f"evalplus did not end within {LONGEST_RUN} seconds on {dataset}; a program hangs it."
        ) from error
    if done.returncode or not (folder / "samples_eval_results.json").is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise AskdError(f"evalplus failed on {dataset} (exit code {done.returncode}): {lines[-1]}")


def read_verdicts(results: dict, samples: Sequence[Sample]) -> list[Verdict]:
    """The verdict on each of `samples` in EvalPlus's file of results.

    A task's results are in the order of its samples. The extra tests count only beside the base
    ones, as in its pass@k.

    Raises:
        AskdError: the file is not of these samples.
    """
    queues = {task_id: iter(rows) for task_id, rows in results["eval"].items()}
    verdicts = []
    for sample in samples:
        row = next(queues.get(sample.task_id, iter(())), None)
        if row is None or row["solution"] != sample.source:
            raise AskdError(f"evalplus: its results for {sample.task_id} are of other samples.")
        base = row["base_status"] == "pass"
        verdicts.append(Verdict(base, base and row["plus_status"] == "pass"))
    return verdicts
