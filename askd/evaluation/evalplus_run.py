"""EvalPlus's verdicts on programs, and those of our sandbox on the same programs.

EvalPlus (optional: `pip install --editable '.[evaluate]'`) is run as its command line is, on the
problems that it is given, and four things of its version 0.3.1 are taken care of:

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

from askd.artifacts import write_json_lines, write_text
from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.sandbox import FunctionTests, Program, Result, Sandbox
from askd.sandbox.formats import from_reference, program

Dataset = Literal["humaneval", "mbpp"]
# Seconds. EvalPlus gives the base and the extra tests of a program a minute each at most, so these
# are reached only where it hangs.
LONGEST_START, LONGEST_PROGRAM = 600, 130
KNOWN_FAULTS = {"HumanEval/32": "evalplus 0.3.1 counts every answer to this problem as wrong"}
TIMED_OUT = "time ran out on our side: our limit is of all inputs together, theirs of each"
THEY_TIMED_OUT = "time ran out on EvalPlus's side: its limit is of each input, ours of all together"


class Sample(NamedTuple):
    """A program for the problem `task_id`; `kind` says where it comes from, such as `canonical`."""

    task_id: str
    kind: str
    source: str


class Verdict(NamedTuple):
    """Whether a program passes the base tests, and those with the extra ones (if there are any);
    and whether EvalPlus's time ran out in either."""

    base: bool
    plus: bool
    timed_out: bool = False


class Judged(NamedTuple):
    """Our verdict on a program, EvalPlus's, and why they may differ: empty if nothing is known."""

    ours: Result
    theirs: bool
    why: str


def sample_of(task_id: str, kind: str, reference: str, answer: str) -> Sample:
    """The program in a model's answer to a problem, whose prompt has `reference`."""
    return Sample(
        task_id, kind, program(from_reference(reference, task_id), answer, task_id).source
    )


def judge(
    dataset: Dataset,
    problems: Sequence[dict],
    samples: Sequence[Sample],
    tests: dict[str, dict[str, FunctionTests]],
    settings: SandboxSettings,
) -> tuple[dict[str, list[Judged]], dict]:
    """For each of `tests` our verdict on each of `samples` beside EvalPlus's, and what our sandbox
    was.

    `tests` are ours, by name and task; EvalPlus's verdict beside `base` is that on the base tests,
    and beside any other name that on all tests.

    Raises:
        AskdError: EvalPlus or bubblewrap is not installed, or EvalPlus fails.
    """
    theirs = evalplus_verdicts(dataset, problems, samples)
    judged = {}
    with Sandbox(settings) as sandbox:
        for name, of_task in tests.items():
            ours = sandbox.run_all(
                [Program(one.source, of_task[one.task_id], one.task_id) for one in samples]
            )
            judged[name] = [
                _judged(
                    sample.task_id,
                    result,
                    verdict,
                    verdict.base if name == "base" else verdict.plus,
                )
                for sample, result, verdict in zip(samples, ours, theirs, strict=True)
            ]
        return judged, sandbox.about


def _judged(task_id: str, ours: Result, verdict: Verdict, theirs: bool) -> Judged:
    """Both verdicts on a program; `theirs` is the part of `verdict` that stands beside ours."""
    why = ""
    if not theirs and task_id in KNOWN_FAULTS:
        why = KNOWN_FAULTS[task_id]
    elif not theirs and verdict.timed_out:
        why = THEY_TIMED_OUT
    elif ours.reason == "timeout":
        why = TIMED_OUT
    return Judged(ours, theirs, why)


def evalplus_verdicts(
    dataset: Dataset, problems: Sequence[dict], samples: Sequence[Sample]
) -> list[Verdict]:
    """EvalPlus's verdict on each of `samples`; raises as `judge`."""
    bubblewrap = installed()
    with TemporaryDirectory(prefix="askd-evalplus-") as name:
        folder = Path(name)
        # Inputs may be infinite or NaN, which EvalPlus reads as Python writes them.
        write_text(folder / "problems.jsonl", "".join(json.dumps(row) + "\n" for row in problems))
        write_json_lines(
            folder / "samples.jsonl",
            [{"task_id": sample.task_id, "solution": sample.source} for sample in samples],
        )
        has_extra = any(row["plus_input"] for row in problems)
        _run(bubblewrap, dataset, folder, len(samples), [] if has_extra else ["--base-only"])
        results = json.loads((folder / "samples_eval_results.json").read_text(encoding="utf-8"))
    return read_verdicts(results, samples)


def installed() -> str:
    """The path of bubblewrap.

    Raises:
        AskdError: EvalPlus or bubblewrap is not installed.
    """
    if importlib.util.find_spec("evalplus") is None:
        raise AskdError(
            "evalplus is not installed; run `make evaluate-env`, or: pip install --editable "
            "'.[evaluate]'"
        )
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise AskdError(
            "bubblewrap is not installed, without which evalplus would run programs that a model "
            "wrote unconfined (Debian, Ubuntu: apt install bubblewrap)."
        )
    return bubblewrap


def _run(
    bubblewrap: str, dataset: Dataset, folder: Path, programs: int, options: Sequence[str]
) -> None:
    longest = LONGEST_START + LONGEST_PROGRAM * programs
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
    words += options
    try:
        done = subprocess.run(
            words,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=longest,
        )
    except subprocess.TimeoutExpired as error:
        raise AskdError(
            f"evalplus did not end within {longest} seconds on {dataset}; a program hangs it."
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
        statuses = row["base_status"], row["plus_status"]
        base = statuses[0] == "pass"
        # None where only base tests were run.
        verdicts.append(
            Verdict(base, base and statuses[1] in ("pass", None), "timeout" in statuses)
        )
    return verdicts
