"""Models, rollouts and trainings of a run: what each of their jobs reads and is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from shlex import quote
from typing import Any

from askd.config import (
    Advantage,
    Config,
    EndpointJudge,
    Judge,
    Method,
    ModelFromSource,
    Pair,
    PairSection,
    SandboxSettings,
    Server,
    Strict,
    Task,
    Training,
)

MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "manifest.json",
)
UNTRAINED = ("teacher", "student")


def one_of(names: Iterable[str]) -> str:
    """A wildcard constraint that lets through just these names."""
    # Longest first, or a name would match where another one that it begins stands.
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "(?!)"


def as_json(value: Any) -> str:
    """Parts of the configuration as the --settings of a stage."""
    return json.dumps(value, default=lambda model: model.model_dump(mode="json"))


def _variables(keyed: Iterable[EndpointJudge | Server]) -> list[str]:
    """The names of the variables that hold their keys, each once."""
    return list(dict.fromkeys(one.key_variable for one in keyed if one.key_variable))


def per_seed(
    paths: Callable[[Any], str | list[str] | dict[str, str]], seeds: list[int]
) -> Callable[[Any], list[str] | dict[str, list[str]]]:
    """The input function that gives what `paths` gives, for each of `seeds`."""

    def fill(pattern: str | list[str]) -> list[str]:
        patterns = [pattern] if isinstance(pattern, str) else pattern
        filled = [one.replace("{seed}", str(seed)) for one in patterns for seed in seeds]
        return list(dict.fromkeys(filled))

    def inputs(wildcards: Any) -> list[str] | dict[str, list[str]]:
        found = paths(wildcards)
        if isinstance(found, dict):
            return {name: fill(pattern) for name, pattern in found.items()}
        return fill(found)

    return inputs


def of_job(pattern: str) -> Callable[[Any], str]:
    """The function that fills a job's wildcards into `pattern`, and leaves `{seed}`."""
    return lambda wildcards: pattern.format(**wildcards, seed="{seed}")


class Runs:
    """Paths and inputs of the jobs up to the trained models of `config`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.root = f"{config.results}/{config.scale}"
        self.logs = f"{self.root}/logs"
        self.benchmarks = f"{self.root}/benchmarks"
        self.state = f"{self.root}/state"
        self.data = f"{self.root}/data/{{task}}"
        self.run = f"{self.root}/{{pair}}/{{run}}/seed{{seed}}"
        self.shared = f"{self.root}/{{pair}}/shared/seed{{seed}}"
        self.trained = f"{self.root}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}"
        self.evaluated = f"{self.root}/{{pair}}/{{system}}/seed{{seed}}/eval"

    @property
    def wildcard_constraints(self) -> dict[str, str]:
        """Constraints that let through what the configuration names, and nothing else."""
        config = self.config
        return {
            "task": one_of(config.tasks),
            "model": one_of(config.models),
            "pair": one_of(config.pairs),
            "method": one_of(config.methods),
            "run": one_of(["shared", *config.methods]),
            "system": one_of([*UNTRAINED, *config.methods]),
            "table": one_of(config.tables),
            "side": "teacher|student",
            "seed": r"\d+",
            "round": r"\d+",
        }

    @property
    def seeds(self) -> dict[str, list[int]]:
        """The seeds that share a job, by the ending of the job's rule: of the tables, of tries."""
        groups = {"": list(range(self.config.seeds))}
        if self.config.sweep:
            groups["_sweep"] = self.config.sweep.seeds
        return groups

    # --- models and prompts --------------------------------------------------------------------

    def pair_of(self, wildcards: Any) -> Pair:
        """The pair of a job."""
        return self.config.pairs[wildcards.pair]

    def task_of(self, wildcards: Any) -> Task:
        """The task of a job's pair."""
        return self.config.tasks[self.pair_of(wildcards).task]

    def method_of(self, wildcards: Any) -> Method | None:
        """The method of a job, as its pair runs it; None for what all methods share."""
        name = getattr(wildcards, "method", None) or wildcards.run
        return None if name == "shared" else self.config.method(wildcards.pair, name)

    def table_audit(self, wildcards: Any) -> list[str]:
        """The audit of the sandbox, where the answers of a table are programs."""
        benchmarks = self.config.tables[wildcards.table].benchmarks
        tasks = [self.config.benchmarks[benchmark].task for benchmark in benchmarks]
        runs = any(self.config.tasks[task].grader == "code" for task in tasks)
        return [f"{self.root}/tables/sandbox_audit.csv"] if runs else []

    def sandbox_of(self, task: str) -> SandboxSettings | None:
        """Where a task's grader runs programs; None if it runs none."""
        return self.config.sandbox if self.config.tasks[task].grader == "code" else None

    def judge_of(self, task: str) -> Judge | None:
        """Who judges the answers of a task; None if its grader asks no judge."""
        return self.config.judge if self.config.tasks[task].grader == "judge" else None

    @property
    def judge_keys(self) -> list[str]:
        """The environment variables of the keys of all judges that tasks and benchmarks ask."""
        judges = [*map(self.judge_of, self.config.tasks)]
        judges += map(self.config.judge_of, self.config.benchmarks)
        keyed = [judge for judge in judges if isinstance(judge, EndpointJudge)]
        return _variables(keyed)

    @property
    def server_keys(self) -> list[str]:
        """The environment variables of the keys of all servers that sample or score."""
        rollouts = [self.config.section("rollout", pair) for pair in self.config.pairs]
        served = [rollout for rollout in rollouts if rollout.engine == "openai"]
        return _variables(
            server for rollout in served for server in rollout.openai.servers.values()
        )

    def grade_options(self, wildcards: Any) -> str:
        """What the grade stage is told of the configuration."""
        task = self.pair_of(wildcards).task
        sandbox = self.sandbox_of(task)
        grader = f"--grader {self.config.tasks[task].grader}"
        if sandbox is not None:
            return f"{grader} --sandbox {quote(as_json(sandbox))}"
        judge = self.judge_of(task)
        return grader if judge is None else f"{grader} --judge {quote(as_json(judge))}"

    def source_files(self, wildcards: Any) -> list[str]:
        """The user's own files of a task that is not generated."""
        return self.config.tasks[wildcards.task].files

    def training_prompts(self, wildcards: Any) -> str:
        """The prompts that a job's pair is trained on."""
        return f"{self.root}/data/{self.pair_of(wildcards).task}/train.parquet"

    def model_folder(self, name: str) -> str:
        """The folder of a model that is not trained by distillation."""
        return f"{self.root}/models/{name}"

    def teacher(self, wildcards: Any) -> str:
        """The folder of the pair's teacher."""
        return self.model_folder(self.pair_of(wildcards).teacher)

    def untrained_student(self, wildcards: Any) -> str:
        """The folder of the pair's student as it was before any round."""
        return self.model_folder(self.pair_of(wildcards).student)

    def student(self, wildcards: Any, run: str, rounds: int) -> str:
        """The folder of the student of a run with so many rounds behind it."""
        if rounds == 0:
            return self.untrained_student(wildcards)
        return f"{self.root}/{wildcards.pair}/{run}/seed{{seed}}/round{rounds}/model"

    def sampling_student(self, wildcards: Any) -> str:
        """The student that the rollouts of a round come from."""
        return self.student(wildcards, wildcards.run, int(wildcards.round))

    def beginning_student(self, wildcards: Any) -> str:
        """The student that a training starts from: `round` counts the rounds behind its result."""
        return self.student(wildcards, wildcards.method, int(wildcards.round) - 1)

    def evaluated_model(self, wildcards: Any) -> str:
        """The model of a system: after all rounds, for a method."""
        if wildcards.system == "teacher":
            return self.teacher(wildcards)
        if wildcards.system == "student":
            return self.untrained_student(wildcards)
        return self.student(wildcards, wildcards.system, self.config.rounds)

    def models_of(self, *kinds: type[Strict]) -> list[str]:
        """Names of the models of some kinds."""
        return [name for name, model in self.config.models.items() if isinstance(model, kinds)]

    def pretrain_settings(self, wildcards: Any) -> str:
        """What the pretrain stage reads of the configuration."""
        model = self.config.models[wildcards.model]
        task = self.config.tasks[model.task]
        return as_json(
            {
                "name": wildcards.model,
                "model": model,
                "task": task,
                "sandbox": self.sandbox_of(model.task),
            }
        )

    def fetch_settings(self, wildcards: Any) -> str:
        """What the fetch stage reads of the configuration."""
        return as_json({"name": wildcards.model, "model": self.config.models[wildcards.model]})

    def fetched_files(self, wildcards: Any) -> list[str]:
        """The files of a model that is a folder of one's own; of a missing folder none, since the
        stage says better than the workflow what is wrong."""
        model = self.config.models[wildcards.model]
        if not isinstance(model, ModelFromSource) or model.revision is not None:
            return []
        return sorted(str(path) for path in Path(model.source).glob("*") if path.is_file())

    def models_behind(self, wildcards: Any) -> list[str]:
        """The manifests of the models that a model is made from."""
        names = self.config.models[wildcards.model].models
        return [f"{self.model_folder(name)}/manifest.json" for name in names]

    def warm_start_settings(self, wildcards: Any) -> str:
        """What the warm-start stage reads of the configuration."""
        start = self.config.models[wildcards.model].warm_start
        return as_json(
            {
                "name": wildcards.model,
                "warm_start": start,
                "rollout": self.config.rollout,
                "grader": self.config.tasks[start.task].grader,
                "sandbox": self.sandbox_of(start.task),
            }
        )

    # --- rollouts and their quality ------------------------------------------------------------

    def section(self, name: PairSection, wildcards: Any) -> Any:
        """A section of the configuration as a job's pair runs it."""
        return self.config.section(name, wildcards.pair)

    def training_of(self, wildcards: Any) -> Training:
        """The training settings of a run."""
        method, training = self.method_of(wildcards), self.section("training", wildcards)
        if method is None or method.refresh_every is None:
            return training
        return training.model_copy(update={"refresh_every": method.refresh_every})

    def window(self, wildcards: Any) -> int:
        """Steps of a round whose student outputs are sampled before the round begins."""
        training = self.training_of(wildcards)
        return training.refresh_every or training.steps_per_round

    def policy_teacher(self, wildcards: Any) -> list[str]:
        """The teacher of a run whose student outputs are sampled together with it, else none."""
        method = self.method_of(wildcards)
        return [f"{self.teacher(wildcards)}/manifest.json"] if method and method.policy else []

    def check_options(self, wildcards: Any) -> str:
        """How the answers of a pair are sampled, as options of the check."""
        config, pair = self.config, wildcards.pair
        shown = [table.systems for table in config.tables.values() if pair in table.pairs]
        names = {name for systems in shown for name in systems if name in config.methods}
        mixes = any(config.method(pair, name).policy for name in names)
        rollout = f"--rollout {quote(as_json(self.section('rollout', wildcards)))}"
        return f"{rollout} --mixes" if mixes else rollout

    def policy_options(self, wildcards: Any) -> str:
        """The same as options of the rollout stage, with the policy."""
        if not self.policy_teacher(wildcards):
            return ""
        policy = as_json(self.method_of(wildcards).policy)
        return f"--policy {quote(policy)} --teacher {self.teacher(wildcards)}"

    def outputs(self, wildcards: Any, round_: int, side: str) -> str:
        """The folder of the outputs of a side that a run reads in a round.

        Teacher outputs are shared by all methods, and so are those of the untrained student, but
        not with a method that samples them together with the teacher, or more or fewer at once.
        """
        method = self.method_of(wildcards)
        name = getattr(wildcards, "method", None) or wildcards.run
        own = side == "student" and method and (round_ > 0 or method.samples_alone)
        run = name if own else "shared"
        return f"{self.root}/{wildcards.pair}/{run}/seed{{seed}}/round{round_}/{side}"

    def own_rewards(self, wildcards: Any) -> str:
        """The rewards that a projection is of."""
        return f"{self.outputs(wildcards, int(wildcards.round), wildcards.side)}/rewards.parquet"

    def pooled_rewards(self, wildcards: Any) -> str | list[str]:
        """The other side's rewards, where the moments of both sides are pooled."""
        if self.advantage_of(wildcards).sides == "separate":
            return []
        other = "student" if wildcards.side == "teacher" else "teacher"
        return f"{self.outputs(wildcards, int(wildcards.round), other)}/rewards.parquet"

    def pooled_option(self, wildcards: Any) -> str:
        """The same as an option of the project stage."""
        pooled = self.pooled_rewards(wildcards)
        return f"--pooled-with {pooled}" if pooled else ""

    def advantage_of(self, wildcards: Any) -> Advantage:
        """The normalisation of rewards of a run."""
        method, advantage = self.method_of(wildcards), self.section("advantage", wildcards)
        if method is None or method.projection is None or method.projection.normalization is None:
            return advantage
        return advantage.model_copy(update={"normalization": method.projection.normalization})

    def beta_of(self, wildcards: Any) -> float:
        """The scale of a run's projection."""
        method = self.method_of(wildcards)
        own = method.projection.beta if method and method.projection else None
        return own or self.section("skewness", wildcards).beta

    # --- training ------------------------------------------------------------------------------

    def train_tables(self, wildcards: Any) -> dict[str, str]:
        """The tables that a training reads, by option of the train stage."""
        method, rollout = self.method_of(wildcards), self.section("rollout", wildcards)
        begin = int(wildcards.round) - 1
        own = f"{self.root}/{wildcards.pair}/{wildcards.method}/seed{{seed}}"
        tables = {}
        for side, of_model in (("tgo", "teacher"), ("sgo", "student")):
            if side not in method.terms:
                continue
            folder = self.outputs(wildcards, begin, of_model)
            tables[f"{of_model}_rollouts"] = f"{folder}/rollouts.parquet"
            # Outputs that were sampled unwarped carry their teacher log-probabilities.
            if method.is_sampled(side) and (side == "sgo" or not rollout.is_plain):
                tables[f"{of_model}_scores"] = f"{folder}/scores.parquet"
            if method.uses_rewards(side):
                tables[f"{of_model}_rewards"] = f"{folder}/rewards.parquet"
                # Moments that are pooled with a run's own student outputs are its own.
                if method.projection is not None:
                    folder = f"{own}/round{begin}/{of_model}"
                elif self.advantage_of(wildcards).sides == "joint" and side == "tgo":
                    student = self.outputs(wildcards, begin, "student")
                    folder = student.removesuffix("student") + "teacher"
                tables[f"{of_model}_skewness"] = f"{folder}/skewness.parquet"
        return tables

    def train_table_options(self, wildcards: Any) -> str:
        """The same as options of the command line."""
        return " ".join(
            f"--{option.replace('_', '-')} {path}"
            for option, path in self.train_tables(wildcards).items()
        )

    def train_settings(self, wildcards: Any) -> str:
        """What the train stage reads of the configuration."""
        config = self.config
        return as_json(
            {
                "name": f"{wildcards.pair}, {wildcards.method}",
                "method": self.method_of(wildcards),
                "learning_rate": config.learning_rate(wildcards.pair, wildcards.method),
                "rounds": config.rounds,
                "training": self.training_of(wildcards),
                "rollout": self.section("rollout", wildcards),
                "advantage": self.advantage_of(wildcards),
                "skewness": {"beta": self.beta_of(wildcards)},
                "grader": self.task_of(wildcards).grader,
                "sandbox": self.sandbox_of(self.pair_of(wildcards).task),
                "judge": self.judge_of(self.pair_of(wildcards).task),
            }
        )
