"""Where everything of a run lies, and which files each job reads: the workflow's input functions.

Paths are patterns with Snakemake's wildcards in braces, relative to the working directory:

    results/SCALE/data/TASK/                       prompts
    results/SCALE/models/NAME/                     model folders
    results/SCALE/PAIR/shared/seedS/roundR/...     what all methods share
    results/SCALE/PAIR/METHOD/seedS/roundR/...     rounds of a method; roundR/model has R rounds
    results/SCALE/PAIR/SYSTEM/seedS/eval/...       a system is a method, `teacher` or `student`

One job runs all seeds of a group, one after another, since at nano scale the start of a process
costs as much as its work. A rule's functions take Snakemake's wildcards and return settings, or
paths in which `{seed}` still stands; `per_seed` fills it in.
"""

from __future__ import annotations

from typing import Any

from askd.config import Benchmark
from askd.layout.runs import MODEL_FILES, UNTRAINED, Runs, as_json, of_job, one_of, per_seed

__all__ = ["MODEL_FILES", "UNTRAINED", "Layout", "as_json", "of_job", "one_of", "per_seed"]


class Layout(Runs):
    """Paths and inputs of a run with `config`; here those of evaluations, tables and the sweep."""

    @property
    def evaluations(self) -> list[tuple[str, str, list[str], list[int]]]:
        """The jobs of evaluation: task and split of the benchmarks, systems, and seeds.

        One job answers all benchmarks of a task and split. An untrained model is the same for all
        seeds.
        """
        config = self.config
        tests, tries = self.seeds[""], self.seeds.get("_sweep", [])
        jobs = []
        for task, split in sorted({(b.task, b.split) for b in config.benchmarks.values()}):
            jobs.append((task, split, list(UNTRAINED), [0]))
            if seeds := tests if split == "test" else tries:
                jobs.append((task, split, list(config.methods), seeds))
        return jobs

    def pairs_of(self, task: str) -> list[str]:
        """Names of the pairs that learn a task."""
        return [name for name, pair in self.config.pairs.items() if pair.task == task]

    def benchmarks_of(self, task: str, split: str) -> dict[str, Benchmark]:
        """The benchmarks of a task and split, by name."""
        return {
            name: benchmark
            for name, benchmark in self.config.benchmarks.items()
            if (benchmark.task, benchmark.split) == (task, split)
        }

    def evaluate_settings(self, task: str, split: str) -> str:
        """What the evaluate stage reads of the configuration."""
        return as_json(
            {
                "evaluation": self.config.evaluation,
                "rollout": self.config.rollout,
                "benchmarks": self.benchmarks_of(task, split),
                "grader": self.config.tasks[task].grader,
                "sandbox": self.sandbox_of(task),
                "judges": {
                    name: judge
                    for name in self.benchmarks_of(task, split)
                    if (judge := self.config.judge_of(name)) is not None
                },
            }
        )

    @property
    def lm_eval_systems(self) -> list[tuple[list[str], list[int]]]:
        """The systems that lm-eval evaluates, and their seeds."""
        return self._with_seeds(self.config.lm_eval.systems)

    def _with_seeds(self, systems: list[str]) -> list[tuple[list[str], list[int]]]:
        groups = [
            ([system for system in systems if system in UNTRAINED], [0]),
            ([system for system in systems if system not in UNTRAINED], self.seeds[""]),
        ]
        return [(names, seeds) for names, seeds in groups if names]

    @property
    def lm_eval_names(self) -> list[str]:
        """Names of what lm-eval runs."""
        return [*self.config.lm_eval.tasks, *self.config.lm_eval.benchmarks]

    @property
    def lm_eval_ours(self) -> list[str]:
        """Which of these our runner answers too, for all of the pairs."""
        tasks = {self.config.pairs[pair].task for pair in self.config.lm_eval.pairs}
        names = self.config.lm_eval.benchmarks
        return [name for name in names if tasks == {self.config.benchmarks[name].task}]

    @property
    def lm_eval_settings(self) -> str:
        """What the lm-eval stage reads of the configuration."""
        config, rollout = self.config, self.config.rollout
        chosen = config.lm_eval
        if chosen.dtype == "auto":  # all systems in one type, as our runner has them
            chosen = chosen.model_copy(update={"dtype": config.evaluation.dtype or "auto"})
        return as_json(
            {
                "lm_eval": chosen,
                "benchmarks": {name: config.benchmarks[name] for name in config.lm_eval.benchmarks},
                "batch_size": rollout.batch_size,
                "max_new_tokens": config.lm_eval.max_new_tokens or rollout.max_new_tokens,
                "vllm": rollout.vllm if config.lm_eval.engine == "vllm" else None,
            }
        )

    @property
    def evalplus_systems(self) -> list[tuple[list[str], list[int]]]:
        """The systems whose programs evalplus judges, and their seeds."""
        return self._with_seeds(self.config.evalplus.systems)

    def evalplus_problems_settings(self, wildcards: Any) -> str:
        """What the stage of evalplus's problems reads of the configuration."""
        name = wildcards.benchmark
        return as_json({"benchmark": name, "file": self.config.evalplus.benchmarks[name]})

    def evalplus_file(self, wildcards: Any) -> list[str]:
        """The user's own file of a benchmark's problems, if it is one."""
        path = self.config.evalplus.benchmarks[wildcards.benchmark].path
        return [] if path is None else [path]

    @property
    def evalplus_settings(self) -> str:
        """What the evalplus stage reads of the configuration."""
        config = self.config
        longest = {"max_new_tokens": config.evalplus.max_new_tokens}
        return as_json(
            {
                "benchmarks": list(config.evalplus.benchmarks),
                "evaluation": config.evaluation,
                "rollout": config.rollout.model_copy(update=longest),
                "sandbox": config.sandbox,
            }
        )

    def items(self, pair: str, system: str, seed: int, benchmark: str) -> str:
        """The items of a system on a benchmark."""
        folder = self.evaluated.format(pair=pair, system=system, seed=seed)
        return f"{folder}/{benchmark}/items.parquet"

    def table_items(self, wildcards: Any) -> list[str]:
        """The items of every cell of a table; teacher and untrained student have one seed."""
        table = self.config.tables[wildcards.table]
        return [
            self.items(pair, system, seed, benchmark)
            for pair in table.pairs
            for system in table.systems
            for seed in range(1 if system in UNTRAINED else self.config.seeds)
            for benchmark in table.benchmarks
        ]

    def table_settings(self, wildcards: Any) -> str:
        """What the table stage reads of the configuration."""
        config, table = self.config, self.config.tables[wildcards.table]
        methods = [name for name in table.systems if name not in UNTRAINED]
        chosen = {
            pair: {
                name: options for name in methods if (options := config.chosen_options(pair, name))
            }
            for pair in table.pairs
        }
        return as_json(
            {
                "name": wildcards.table,
                "table": table,
                "measure": config.tasks[config.benchmarks[table.benchmarks[0]].task].measure,
                # All of them, so that a misspelt name in the paper's CSV is told from one that
                # this table does not show.
                "pairs": config.pairs,
                "benchmarks": config.benchmarks,
                "methods": {name: config.methods[name] for name in methods},
                "chosen": {pair: own for pair, own in chosen.items() if own},
                "misled": [pair for pair in table.pairs if config.misleads(pair)],
                "seeds": config.seeds,
                "results": self.root,
            }
        )

    def variance_settings(self, wildcards: Any) -> str:
        """What the variance-data stage reads of the configuration."""
        training, task = self.section("training", wildcards), self.pair_of(wildcards).task
        return as_json(
            {
                "pair": wildcards.pair,
                **{
                    name: self.section(name, wildcards)
                    for name in ("rollout", "advantage", "skewness")
                },
                "training": training.model_dump(
                    include={"reduction", "micro_batch_size", "head_chunk"}
                ),
                "grader": self.config.tasks[task].grader,
                "sandbox": self.sandbox_of(task),
                "judge": self.judge_of(task),
                "batches": self.config.estimators.batches,
                "prompts_per_batch": training.prompts_per_step,
            }
        )

    def variance_table_settings(self) -> str:
        """What the variance stage reads of the configuration."""
        config, pairs = self.config, self.config.estimators.pairs
        labels = {pair: (config.pairs[pair].label, config.pairs[pair].note) for pair in pairs}
        return as_json(
            {
                "pairs": {pair: ", ".join(filter(None, label)) for pair, label in labels.items()},
                "near": config.methods[config.estimators.near].label,
                "batches": config.estimators.batches,
                "responses": {
                    pair: config.section("training", pair).prompts_per_step
                    * config.section("rollout", pair).samples_per_prompt
                    for pair in pairs
                },
            }
        )

    def sweep_benchmarks(self, pair: str) -> list[str]:
        """The validation benchmarks of the task of `pair`."""
        task = self.config.pairs[pair].task
        names = self.config.sweep.benchmarks
        return [name for name in names if self.config.benchmarks[name].task == task]

    def sweep_items(self, wildcards: Any) -> list[str]:
        """The validation items of every try of a pair."""
        pair, sweep = wildcards.pair, self.config.sweep
        return [
            self.items(pair, variant, seed, benchmark)
            for method in self.config.swept(pair)
            for variant in sweep.tries(method)
            for seed in sweep.seeds
            for benchmark in self.sweep_benchmarks(pair)
        ]

    def tune_settings(self, wildcards: Any) -> str:
        """What the tune stage reads of the configuration."""
        pair, sweep = wildcards.pair, self.config.sweep
        return as_json(
            {
                "pair": pair,
                "benchmarks": self.sweep_benchmarks(pair),
                "tries": {method: sweep.tries(method) for method in self.config.swept(pair)},
                "seeds": sweep.seeds,
                "results": self.root,
            }
        )
