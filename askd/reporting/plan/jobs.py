"""The jobs of a run.

They are found as the workflow finds them: from the trainings that tables (and the estimators) show,
back through the tables that each training reads. Checks of pairs, figures, gradient variance,
tables and reports take minutes: they are listed, but their work is not reckoned. The sweep and its
table are another target.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

from askd.config import Config
from askd.layout import UNTRAINED, Layout
from askd.reporting.plan.final_jobs import evaluation_job, report_jobs
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import GIB, Job
from askd.reporting.plan.judging import check_calls
from askd.reporting.plan.model_jobs import loading_job, model_jobs
from askd.reporting.plan.round_jobs import responses_of, sampling_job, scoring_job, training_job


def jobs_of(config: Config, inputs: Inputs) -> list[Job]:
    """The jobs of `config`, each once, in the order of the workflow.

    The first one that asks a judge is taken to ask all of them whether they can judge.
    """
    walk = _Walk(config, inputs)
    walk.walk()
    jobs = list(walk.jobs.values())
    first = next((number for number, job in enumerate(jobs) if job.calls), None)
    if first is not None:
        jobs[first] = replace(jobs[first], calls=jobs[first].calls + check_calls(config))
    return jobs


class _Walk:
    def __init__(self, config: Config, inputs: Inputs) -> None:
        self.config = config
        self.inputs = inputs
        self.layout = Layout(config)
        self.jobs: dict[tuple[str, str], Job] = {}
        pattern = re.escape(self.layout.run).replace(r"\{", "{").replace(r"\}", "}")
        self._folder = re.compile(
            pattern.format(pair="(?P<pair>[^/]+)", run="(?P<run>[^/]+)", seed=r"\{seed\}")
            + r"/round(?P<round>\d+)/(?P<side>teacher|student)/(?P<table>\w+)\.parquet"
        )

    def walk(self) -> None:
        """Find all jobs."""
        shown: dict[tuple[str, str], None] = {}
        evaluated: dict[tuple[str, str, str, str], None] = {}
        for table in self.config.tables.values():
            for pair in table.pairs:
                for system in table.systems:
                    if system not in UNTRAINED:
                        shown[pair, system] = None
                    for name in table.benchmarks:
                        benchmark = self.config.benchmarks[name]
                        evaluated[pair, system, benchmark.task, benchmark.split] = None
        estimators = self.config.estimators
        if estimators is not None:
            methods = (estimators.near, *estimators.methods)
            shown |= {(pair, method): None for pair in estimators.pairs for method in methods}
        pairs = dict.fromkeys([pair for pair, *_ in evaluated] + [pair for pair, _ in shown])
        for pair in pairs:
            for model in (self.config.pairs[pair].teacher, self.config.pairs[pair].student):
                self._add(model_jobs(self.inputs, model))
        tasks = {self.config.pairs[pair].task for pair in pairs}
        for task in sorted(tasks | {task for *_, task, _ in evaluated}):
            self._add([Job("prompts", task)])
        for pair, method in shown:
            for round_ in range(1, self.config.rounds + 1):
                self._train(SimpleNamespace(pair=pair, method=method, round=round_))
        self._add(evaluation_job(self.inputs, self.layout, *key) for key in evaluated)
        self._add(report_jobs(self.inputs, self.layout, trains=bool(shown)))

    def _add(self, jobs: Iterable[Job]) -> None:
        process = self.config.plan.devices[self.config.plan.device].process_gib * GIB
        for job in jobs:
            whole = replace(job, memory=job.memory + process) if job.memory else job
            self.jobs.setdefault((job.stage, job.name), whole)

    def _add_of_all_seeds(self, job: Job) -> None:
        self._add([job.of_seeds(self.config.seeds)])

    def _train(self, where) -> None:
        """The jobs behind a training of a round, and the training."""
        for path in self.layout.train_tables(where).values():
            self._table(path)
        self._add_of_all_seeds(Job("schedule", where.pair, where.pair))
        self._add_of_all_seeds(training_job(self.inputs, self.layout, where))

    def _table(self, path: str) -> None:
        """The jobs behind a table of a round: those that make it, and those before them."""
        found = self._folder.fullmatch(path)
        where = SimpleNamespace(**found.groupdict())
        folder, table = path.rpartition("/")[0], where.table
        run = f"{where.pair}_{where.run}_round{where.round}"
        of_side = f"{run}_{where.side}"
        if table == "skewness":
            self._table(self.layout.own_rewards(where))
            if pooled := self.layout.pooled_rewards(where):
                self._table(pooled)
            self._add_of_all_seeds(Job("project", of_side, where.pair))
        elif table == "rollouts":
            self._add([loading_job(self.inputs, "preflight", where.pair, where.pair)])
            of_teacher = f"{where.pair}_round{where.round}"
            name = of_teacher if where.side == "teacher" else run
            self._add_of_all_seeds(sampling_job(self.inputs, self.layout, where, name))
        else:
            self._table(f"{folder}/rollouts.parquet")
            if table == "scores":
                self._add_of_all_seeds(scoring_job(self.inputs, self.layout, where, of_side))
            else:
                answers = responses_of(self.inputs, self.layout, where)
                asked = self.inputs.judging(self.config.pairs[where.pair].task, answers)
                self._add_of_all_seeds(Job("grade", of_side, where.pair, **asked))
