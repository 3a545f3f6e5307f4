"""What the page is told of the configuration. Light: the workflow imports it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt

from askd.config import (
    Benchmark,
    Config,
    Estimators,
    Evaluation,
    Method,
    Model,
    Pair,
    PairSections,
    Strict,
    Sweep,
    Table,
    Task,
)


class Run(Strict):
    """A method as it was run on a pair."""

    pair: str = Field(description="Name of the pair.")
    method: str = Field(description="Name of the method.")
    learning_rate: PositiveFloat = Field(description="Peak learning rate.")
    options: dict[str, Any] = Field(
        default={}, description="Where the pair's row differs from the method's, by dotted key."
    )


class PageSettings(Strict):
    """The parts of a configuration that its tables, figures and estimators used."""

    scale: str = Field(description="Name of the scale.")
    results: str = Field(description="Folder of the scale's results.")
    seeds: PositiveInt = Field(description="Number of seeds; they are 0, 1, ...")
    rounds: PositiveInt = Field(description="Rounds of a training.")
    tasks: dict[str, Task] = Field(description="Tasks of the pairs.")
    models: dict[str, Model] = Field(description="Models of the pairs, and those behind them.")
    pairs: dict[str, Pair] = Field(description="Pairs.")
    methods: dict[str, Method] = Field(description="Methods.")
    benchmarks: dict[str, Benchmark] = Field(description="Benchmarks of the tables.")
    tables: dict[str, Table] = Field(description="Tables.")
    runs: list[Run] = Field(description="What was trained.")
    sections: dict[str, PairSections] = Field(description="How each pair samples and trains.")
    evaluation: Evaluation = Field(description="Benchmark evaluation.")
    sweep: Sweep | None = Field(default=None, description="The sweep, where settings were chosen.")
    figures_pair: str | None = Field(default=None, description="Pair of Figures 1 and 2.")
    estimators: Estimators | None = Field(
        default=None, description="What the gradient variance and the training curves are of."
    )


def page_settings(config: Config) -> PageSettings:
    """What the page says of `config`."""
    trained: dict[tuple[str, str], None] = {}
    for table in config.tables.values():
        trained |= {
            (pair, system): None
            for pair in table.pairs
            for system in table.systems
            if system in config.methods
        }
    if config.estimators is not None:
        names = (config.estimators.near, *config.estimators.methods)
        trained |= {(pair, name): None for pair in config.estimators.pairs for name in names}
    used = {pair for pair, _ in trained} | {
        pair for t in config.tables.values() for pair in t.pairs
    }
    if config.figures is not None:
        used.add(config.figures.pair)
    pairs = {name: pair for name, pair in config.pairs.items() if name in used}
    models = set[str]()
    pending = [model for pair in pairs.values() for model in (pair.teacher, pair.student)]
    while pending:
        models.add(name := pending.pop())
        pending += config.models[name].models
    tasks = {pair.task for pair in pairs.values()}
    methods = {method for _, method in trained}
    benchmarks = {name for table in config.tables.values() for name in table.benchmarks}
    return PageSettings(
        scale=config.scale,
        results=f"{config.results}/{config.scale}",
        seeds=config.seeds,
        rounds=config.rounds,
        tasks={name: task for name, task in config.tasks.items() if name in tasks},
        models={name: model for name, model in config.models.items() if name in models},
        pairs=pairs,
        methods={name: method for name, method in config.methods.items() if name in methods},
        benchmarks={name: b for name, b in config.benchmarks.items() if name in benchmarks},
        tables=config.tables,
        runs=[_run(config, pair, method) for pair, method in trained],
        sections={name: config.sections(name) for name in pairs},
        evaluation=config.evaluation,
        sweep=config.sweep if config.tuned else None,
        figures_pair=config.figures and config.figures.pair,
        estimators=config.estimators,
    )


def _run(config: Config, pair: str, name: str) -> Run:
    return Run(
        pair=pair,
        method=name,
        learning_rate=config.learning_rate(pair, name),
        options=config.chosen_options(pair, name),
    )
