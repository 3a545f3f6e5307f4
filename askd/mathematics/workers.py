"""Calls that may never end, in worker processes with limits of their own.

What limits a call is the CPU time of its worker, so that a verdict does not depend on who else uses
the machine; the kernel ends the process, whatever it is doing. The wall clock is for calls that
wait instead of computing. Where a worker ended, another takes its place.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

from pebble import ProcessExpired, ProcessPool

from askd.errors import AskdError

CPU_SECONDS = 2.0
WALL_SECONDS = 60.0
MEMORY_BYTES = 2 << 30
MOST_WORKERS = 4

TIMEOUT = "timeout"


def limited(function: Callable, calls: Sequence[tuple]) -> list[Any]:
    """`function(*call)` of each of `calls`, or TIMEOUT where it exceeded a limit of time.

    Function, arguments and values have to be picklable.

    Raises:
        AskdError: a worker ended in another way, for example for want of memory.
    """
    pool = _pool()
    futures = [
        pool.schedule(_with_cpu_limit, (function, CPU_SECONDS, call), timeout=WALL_SECONDS)
        for call in calls
    ]
    return [_result(future, call) for future, call in zip(futures, calls, strict=True)]


def _result(future: Any, call: tuple) -> Any:
    try:
        return future.result()
    except TimeoutError:
        return TIMEOUT
    except (ProcessExpired, BrokenProcessPool) as error:
        exit_code = getattr(error, "exitcode", None)
        if exit_code == -signal.SIGPROF:
            return TIMEOUT
        raise AskdError(
            f"a worker for mathematical answers ended with exit code {exit_code} at "
            f"{str(call)[:200]}; is there too little memory?"
        ) from error


@cache
def _pool() -> ProcessPool:
    """One for the life of the process: a training grades at every step.

    Workers are forked from a server that has loaded math-verify and nothing else: forking a process
    that runs torch is unsafe, and a new interpreter for each worker is slow.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["math_verify"])
    workers = min(MOST_WORKERS, len(os.sched_getaffinity(0)))
    pool = ProcessPool(max_workers=workers, context=context, initializer=_prepare)
    atexit.register(_close, pool)
    return pool


def _close(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _prepare() -> None:
    """Memory beyond the limit is a MemoryError, which math-verify catches: an answer is unreadable
    that needs more to be read, and a wrong one that needs more to be compared."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    # It warns of limits of time that it does not set; they are set here.
    logging.getLogger("math_verify").setLevel(logging.ERROR)


def _with_cpu_limit(function: Callable, seconds: float, call: tuple) -> Any:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return function(*call)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
