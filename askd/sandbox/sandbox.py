"""The sandbox: the strongest tier that works here, workers, and retries."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from askd.config import SandboxSettings
from askd.sandbox import selftest, tiers
from askd.sandbox.program import Program
from askd.sandbox.result import Result, SandboxBroken, SandboxRefused, Status
from askd.sandbox.worker import Worker

log = logging.getLogger(__name__)


class Sandbox:
    """Runs programs that a model wrote, and says whether they pass their tests.

    The tier is the strongest that works, by a self-test, and none below `settings.lowest_tier`;
    `tier` asks for exactly one. `about` describes the tier, what it stands on, and the limits.
    Use it as a context manager, or call `close`.

    Raises:
        SandboxRefused: no tier that is allowed works; the sentence says why and what to install.
    """

    def __init__(self, settings: SandboxSettings | None = None, tier: str | None = None):
        self.settings = settings or SandboxSettings()
        lowest = tiers.TIERS.index(self.settings.lowest_tier)
        self.tier, first = self._strongest((tier,) if tier else tiers.TIERS[: lowest + 1])
        self.about = {
            "tier": self.tier,
            **tiers.versions(self.tier),
            "limits": self.settings.limits.model_dump(),
        }
        self._idle: SimpleQueue[Worker | None] = SimpleQueue()
        for _ in range(self.settings.workers - 1):
            self._idle.put(None)  # started when it is needed
        self._idle.put(first)
        self._workers = {first}
        self._pool = ThreadPoolExecutor(self.settings.workers)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        self._pool.shutdown(cancel_futures=True)
        while self._workers:
            self._workers.pop().close()

    def pids(self) -> list[int]:
        """The leaders of the process groups in which everything runs."""
        return [worker.pid for worker in list(self._workers)]

    def run(self, program: Program) -> Result:
        """The verdict on one program; for errors see `run_all`."""
        return self.run_all([program])[0]

    def run_all(self, programs: Sequence[Program]) -> list[Result]:
        """The verdicts on programs, in their order.

        Several run at the same time, as the settings say; one that ran out of time is run once
        more, alone.

        Raises:
            BadTests: the tests of a program are at fault.
            SandboxBroken: the sandbox failed twice on a program.
        """
        results = list(self._pool.map(self._run, programs))
        for number, result in enumerate(results):
            if result.status is Status.TIMEOUT:
                results[number] = self._pool.submit(self._run, programs[number]).result()
        return results

    def _strongest(self, allowed: Sequence[str]) -> tuple[str, Worker]:
        """The first tier of `allowed` that works, with a worker in it."""
        failures = []
        for tier in allowed:
            try:
                worker = self._start(tier)
            except SandboxRefused as error:
                failures.append(f"tier {tier}: {error}")
                continue
            for failure in failures:
                log.warning("sandbox: tier %s is used, since %s.", tier, failure)
            return tier, worker
        lower = tiers.TIERS[tiers.TIERS.index(allowed[-1]) + 1 :]
        weaker = f" To allow a weaker tier, set sandbox.lowest_tier: {lower[0]}." if lower else ""
        raise SandboxRefused(
            f"no sandbox for programs that a model wrote: {'; '.join(failures)}.{weaker}"
        )

    def _start(self, tier: str) -> Worker:
        worker = Worker(tier, self.settings.limits)
        try:
            selftest.check(worker)
        except BaseException:
            worker.close()
            raise
        return worker

    def _run(self, program: Program) -> Result:
        """Run on an idle worker. A sandbox that breaks says nothing of the program: once more."""
        worker = self._idle.get()
        try:
            for attempt in range(2):
                try:
                    if worker is None:
                        worker = Worker(self.tier, self.settings.limits)
                        self._workers.add(worker)
                    return worker.run(program)
                except (SandboxBroken, SandboxRefused) as error:
                    if worker is not None:
                        self._workers.discard(worker)
                        worker.close()
                        worker = None
                    if attempt == 1:
                        raise SandboxBroken(
                            f"{program.name}: the sandbox broke twice: {error}."
                        ) from error
                    log.warning("the sandbox broke (%s); it is started anew.", error)
        finally:
            self._idle.put(worker)
