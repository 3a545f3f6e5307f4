"""The evalplus stage: programs of a model, judged in our sandbox and by EvalPlus.

Our rollout engine samples them; of each program the tables keep both sides' verdicts on the base
tests, and on the base and extra ones, and why they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import Field

from askd.artifacts import PROGRAM_ITEMS, table_from_rows, write_json, write_table
from askd.config import EvalPlusName, Evaluation, Rollout, SandboxSettings, Strict
from askd.evaluation.answers import answers, how, item
from askd.evaluation.comparison import UNEXPLAINED
from askd.evaluation.evalplus_problems import DATASETS, prompts_of, read_problems, tests_of
from askd.evaluation.evalplus_run import Judged, Sample, installed, judge, sample_of
from askd.evaluation.summary import measures, provenance
from askd.models.folder import LanguageModel, load

# The column of an items table that holds EvalPlus's verdict on the tests of ours.
EVALPLUS = {"base": "evalplus_base", "plus": "evalplus_plus"}


class EvalPlusSettings(Strict):
    """What the stage reads of the configuration."""

    benchmarks: list[EvalPlusName] = Field(description="Benchmarks.")
    evaluation: Evaluation = Field(description="Samples and their temperature.")
    rollout: Rollout = Field(description="Longest response and batch size.")
    sandbox: SandboxSettings = Field(description="Where we run programs.")


def evaluate(
    settings: EvalPlusSettings, seed: int, model_folder: Path, data: Path, output: Path
) -> None:
    """Write BENCHMARK/{items.parquet,summary.json} below `output` for every benchmark.

    `data` holds BENCHMARK.jsonl, as evalplus-problems wrote it.

    Raises:
        AskdError: evalplus or bubblewrap is not installed, or evalplus fails.
    """
    installed()
    language_model = load(model_folder, settings.evaluation.dtype or "auto")
    for name in settings.benchmarks:
        items, summary = _evaluate(settings, seed, language_model, name, data / f"{name}.jsonl")
        table = table_from_rows(items, PROGRAM_ITEMS)
        write_table(output / name / "items.parquet", table, PROGRAM_ITEMS)
        write_json(output / name / "summary.json", summary)
        print(name, summary["tests"], flush=True)


def _evaluate(
    settings: EvalPlusSettings,
    seed: int,
    language_model: LanguageModel,
    name: EvalPlusName,
    path: Path,
) -> tuple[list[dict], dict]:
    """The rows of the items table of a benchmark, and its summary."""
    problems, source = read_problems(path)
    prompts = prompts_of(name, problems)
    references = {row["prompt_id"]: row["reference"] for row in prompts}
    rollouts, samples = [], []
    for decoding, rows in answers(
        language_model, prompts, settings.evaluation, settings.rollout, seed, f"evalplus {name}"
    ):
        rollouts += rows
        samples += [
            sample_of(row["prompt_id"], decoding, references[row["prompt_id"]], row["text"])
            for row in rows
        ]
    # One run for all decodings: EvalPlus waits 20 seconds at the end of each.
    judged, sandbox = judge(
        DATASETS[name], problems, samples, tests_of(name, problems), settings.sandbox
    )
    items = [
        _item(sample, rollout, {tests: verdicts[number] for tests, verdicts in judged.items()})
        for number, (sample, rollout) in enumerate(zip(samples, rollouts, strict=True))
    ]
    summary = {
        "benchmark": name,
        "source": source,
        **how(settings.evaluation, settings.rollout, seed),
        "sandbox": sandbox,
        "judge": None,
        **provenance(prompts, language_model.tokenizer.get_chat_template(), "code"),
        "dtype": str(language_model.model.dtype).removeprefix("torch."),
        "tool": {"name": "evalplus", "version": version("evalplus")},
        "items": len(prompts),
        **measures(items, "code"),
        "tests": {tests: _both_sides(items, tests) for tests in judged},
    }
    return items, summary


def _item(sample: Sample, rollout: dict, verdicts: dict[str, Judged]) -> dict:
    """The row of an answer; `verdicts` are by the name of the tests.

    Its reward is our verdict on all tests.
    """
    ours = verdicts.get("plus", verdicts["base"]).ours
    differences = [
        one.why or UNEXPLAINED for one in verdicts.values() if one.ours.passed != one.theirs
    ]
    row = item(sample.kind, rollout, ours.passed, float(ours.passed), ours.reason)
    for tests, theirs_in in EVALPLUS.items():
        one = verdicts.get(tests, verdicts["base"])
        row |= {tests: one.ours.passed, theirs_in: one.theirs}
    return {**row, "difference": (differences or [""])[0]}


def _both_sides(items: Sequence[dict], tests: str) -> dict:
    """Both sides' pass@1 by decoding and pass@k of the sampled answers on `tests`, and how many
    problems and answers differ."""
    sides = {"ours": tests, "evalplus": EVALPLUS[tests]}
    differing = [row for row in items if row[tests] != row[EVALPLUS[tests]]]
    return {
        **{side: _passes(items, column) for side, column in sides.items()},
        "differing_items": len({row["prompt_id"] for row in differing}),
        "differing_answers": len(differing),
        "unexplained_answers": sum(row["difference"] == UNEXPLAINED for row in differing),
    }


def _passes(items: Sequence[dict], column: str) -> dict:
    measured = measures(
        [{**row, "correct": row[column], "reward": float(row[column])} for row in items], "code"
    )
    return {"pass_at_1": measured["reward"], "pass_at_k": measured["pass_at_k"]}
