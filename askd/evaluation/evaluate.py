"""The evaluate stage: greedy and sampled answers of a model to the items of its benchmarks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from askd.artifacts import ITEMS, PROMPTS, read_table, table_from_rows, write_json, write_table
from askd.config import Benchmark, Evaluation, Judge, Rollout, SandboxSettings, Strict
from askd.errors import AskdError
from askd.evaluation.answers import answers, how, item
from askd.evaluation.summary import measures, provenance
from askd.evaluation.win_rate import win_rates
from askd.judge.references import baseline_of
from askd.models.folder import LanguageModel, load
from askd.rewards.grade import grade, judge_of, sandbox_of


class EvaluateSettings(Strict):
    """What an evaluation reads of the configuration."""

    evaluation: Evaluation = Field(description="Samples and their temperature.")
    rollout: Rollout = Field(description="Longest response and batch size.")
    benchmarks: dict[str, Benchmark] = Field(description="Benchmarks by name, all of one task.")
    grader: str = Field(description="Grader of the task.")
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )
    judges: dict[str, Judge] = Field(
        default={}, description="Who judges each benchmark, if the grader asks a judge."
    )

    @model_validator(mode="after")
    def _each_benchmark_has_its_judge(self) -> EvaluateSettings:
        """Without one the grader would fall back to rules."""
        asked = self.benchmarks if self.grader == "judge" else {}
        if self.judges.keys() != asked.keys():
            raise ValueError(
                f"judges are named for {sorted(self.judges)}, and the grader {self.grader} asks "
                f"one for each of {sorted(asked)}"
            )
        return self


def evaluate(
    settings: EvaluateSettings, seed: int, model_folder: Path, data: Path, output: Path
) -> None:
    """Write BENCHMARK/{items.parquet,summary.json} below `output` for every benchmark.

    The samples of an item depend on `seed`, the benchmark, the item and the model alone: methods
    with the same seed are compared on the same random numbers.
    """
    language_model = load(model_folder, settings.evaluation.dtype or "auto")
    for name, benchmark in settings.benchmarks.items():
        path = data / f"{benchmark.split}.parquet"
        prompts = [
            row for row in read_table(path, PROMPTS).to_pylist() if row["level"] == benchmark.level
        ]
        if not prompts:
            raise AskdError(f"{path}: no prompt of level {benchmark.level!r} ({name}).")
        items, graded_by = _answer(settings, seed, language_model, name, prompts)
        write_table(output / name / "items.parquet", table_from_rows(items, ITEMS), ITEMS)
        template = language_model.tokenizer.get_chat_template()
        summary = {
            **_how(settings, seed, name),
            **graded_by,
            **provenance(prompts, template, settings.grader),
            "dtype": str(language_model.model.dtype).removeprefix("torch."),
            "items": len(prompts),
            **measures(items, settings.grader),
        }
        write_json(output / name / "summary.json", summary)
        print(name, summary["reward"], flush=True)


def _answer(
    settings: EvaluateSettings,
    seed: int,
    language_model: LanguageModel,
    name: str,
    prompts: list[dict],
) -> tuple[list[dict], dict[str, dict | None]]:
    """The rows of the items table, and the entries of the summary on their sandbox and judge."""
    items = []
    graded_by: dict[str, dict | None] = {"sandbox": None, "judge": None}
    for decoding, rollouts in answers(
        language_model, prompts, settings.evaluation, settings.rollout, seed, f"benchmark {name}"
    ):
        rewards = grade(
            rollouts, prompts, settings.grader, settings.sandbox, settings.judges.get(name)
        )
        graded_by["sandbox"] = sandbox_of(rewards)
        if (judge := judge_of(rewards)) is not None:
            outcome = _win_rates(rollouts, prompts, rewards.column("reward").to_pylist())
            graded_by["judge"] = {**(graded_by["judge"] or {}), decoding: {**judge, **outcome}}
        items += [
            item(decoding, rollout, graded["correct"], graded["reward"], graded["reason"])
            for rollout, graded in zip(rollouts, rewards.to_pylist(), strict=True)
        ]
    return items, graded_by


def _win_rates(rollouts: list[dict], prompts: list[dict], scores: list[float]) -> dict:
    """The win rates of one decoding, with intervals."""
    baselines = {
        row["prompt_id"]: baseline_of(row["reference"], f"the reference of {row['prompt_id']!r}")
        for row in prompts
    }
    prompt_ids = [rollout["prompt_id"] for rollout in rollouts]
    return win_rates(
        scores,
        [len(rollout["text"]) for rollout in rollouts],
        [len(baselines[prompt_id]) for prompt_id in prompt_ids],
        prompt_ids,
    )


def _how(settings: EvaluateSettings, seed: int, name: str) -> dict:
    """What the configuration says of this evaluation."""
    benchmark = settings.benchmarks[name]
    return {
        "benchmark": name,
        **benchmark.model_dump(mode="json", exclude={"judge"}),
        **how(settings.evaluation, settings.rollout, seed),
        "grader": settings.grader,
    }
