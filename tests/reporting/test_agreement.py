"""The agreement stage: its table, and what it refuses."""

import csv
import json
from pathlib import Path

import pytest

from askd.artifacts import PROMPTS, table_from_rows, write_table
from askd.config import validate
from askd.errors import AskdError
from askd.evaluation import evalplus_run
from askd.evaluation.comparison import check, compared
from askd.evaluation.evalplus_run import Verdict
from askd.evaluation.lm_eval_agreement import Run
from askd.reporting import agreement as stage
from askd.tasks.generated import prompts

TASK = {
    "kind": "programs",
    "levels": {
        "easy": {"operations": [2], "train": 1, "validation": 1, "test": 3},
        "hard": {"operations": [3], "train": 1, "validation": 1, "test": 3},
    },
    "errors": {"noise": 1.0},
}


SOLVED = {
    "task_id": "HumanEval/0",
    "prompt": "def f(x):\n    '''One more.'''\n",
    "entry_point": "f",
    "canonical_solution": "    return x + 1\n",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(5) == 6\n",
}


@pytest.fixture
def settings():
    return validate(
        stage.AgreementSettings,
        {
            "items": 2,
            "rollout": {"max_new_tokens": 8},
            "sandbox": {"lowest_tier": "landlock"},
            "math": {"task": "arithmetic", "level": "easy", "label": "GSM8K"},
            "code": {"task": "programs", "level": "hard", "label": "MBPP"},
            "code_task": TASK,
            "humaneval_max_new_tokens": 8,
        },
        "test",
    )


@pytest.fixture
def tables(settings, prompt_rows, tmp_path):
    math, code = tmp_path / "math.parquet", tmp_path / "code.parquet"
    write_table(math, table_from_rows(prompt_rows, PROMPTS), PROMPTS)
    rows = prompts(settings.code_task)["test"]
    write_table(code, table_from_rows(rows, PROMPTS), PROMPTS)
    return math, code


def test_tools_that_are_not_installed_are_named(settings, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "find_spec", lambda name: None if name == "evalplus" else object())
    math, code = tables
    output = tmp_path / "tables/agreement"
    with pytest.raises(AskdError, match=r"evalplus is not installed; .*'\.\[evaluate\]'"):
        stage.agreement(settings, tmp_path, math, tmp_path, code, None, None, output)
    assert not output.parent.exists()


def test_generated_programs_have_solutions_without_errors(settings, tables):
    rows = stage._problems(settings, stage._rows(tables[1], settings.code, 2))
    assert [row["task_id"] for _, row in rows] == ["Mbpp/9000", "Mbpp/9001"]
    assert all(prompt["prompt_id"].startswith("test-hard-") for prompt, _ in rows)
    # `evalplus_row` ran the solutions against the tests; the table's own responses have errors.
    for prompt, row in rows:
        assert row["canonical_solution"] != prompt["response"]
        assert len(row["base_input"]) + len(row["plus_input"]) == 5


def test_the_table_counts_and_lists(settings, tables, folders, tmp_path, monkeypatch):
    """The tools' verdicts are given: EvalPlus passes what is not empty, lm-eval differs once."""
    math, code = tables
    differing = compared("M", "output", "\\frac|1", "a", "b", "")
    same = compared("M", "output", "item 2", "a", "a", "")
    about = {"task": "gsm8k_style", "task_version": "1.0", "task_hash": "0abc"}
    logged = {"exact_match": 1.0, "doc": {"id": "a", "answer": "#### 3"}, "resps": [["3"]]}
    run = Run([logged], about)
    seen = []
    monkeypatch.setattr(stage, "find_spec", lambda name: object())
    monkeypatch.setattr(stage, "version", lambda name: "7.7")
    monkeypatch.setattr(stage, "written_agreement", lambda task: [])
    monkeypatch.setattr(stage.lm_eval_agreement, "agreement", lambda *_: ([differing, same], run))
    monkeypatch.setattr(stage, "built_agreement", lambda: [])
    monkeypatch.setattr(stage, "model_agreement", lambda *given: seen.append(given) or [])
    monkeypatch.setattr(stage, "humaneval_problems", lambda: [SOLVED])
    monkeypatch.setattr(stage, "QUESTION", "{prompt}")  # the model's context is short
    monkeypatch.setattr(
        evalplus_run,
        "evalplus_verdicts",
        lambda dataset, rows, samples: [
            Verdict(*["return None" not in sample.source] * 2) for sample in samples
        ],
    )
    output = tmp_path / "agreement"
    model = folders.student
    stage.agreement(settings, model, math, model, code, model, None, output)
    rows = list(csv.DictReader(output.with_suffix(".csv").open()))
    assert [row["equal"] for row in rows[:2]] == ["False", "True"]
    of_programs = [row for row in rows if row["benchmark"].startswith("MBPP-style, ")]
    kinds = {row["benchmark"].removeprefix("MBPP-style, ") for row in of_programs}
    answers = f"answers of {folders.student.name}"
    assert kinds == {"canonical solutions", "broken solutions", "empty solutions", answers}
    assert {row["verdict"] for row in of_programs} == {"base", "plus", "check()"}
    for row in of_programs:
        if "canonical" in row["benchmark"] or "empty" in row["benchmark"]:
            assert row["equal"] == "True"
    of_humaneval = [row for row in rows if row["benchmark"] == f"HumanEval, {answers}"]
    assert {row["item"] for row in of_humaneval} == {"HumanEval/0"}
    text = output.with_suffix(".md").read_text()
    squeezed = [" ".join(line.split()) for line in text.splitlines()]
    header = "benchmark | verdict | items | passed, ours | passed, theirs | equal | differing"
    assert f"| {header} | unexplained |" in squeezed
    assert "| M | output | 2 | | | 1 | 1 | 1 |" in squeezed
    assert "| MBPP-style, canonical solutions | base | 2 | 2 | 2 | 2 | 0 | 0 |" in squeezed
    assert "task gsm8k_style, version 1.0, hash 0abc" in text
    assert "- M, output; no known reason (1): `\\frac|1`" in text
    samples = output.with_suffix(".samples.jsonl").read_text().splitlines()
    assert len(samples) == 1 + 3 * 4 and json.loads(samples[0]) == logged
    assert seen == [(model.name, {"a": "3"}, {"a": "3"})]
    unexplained = sum(row["reason"] == "no known reason" for row in rows)
    with pytest.raises(
        AskdError, match=f"no known reason: {unexplained}, the first on '..frac.1' "
    ):
        check(output.with_suffix(".csv"))


def test_explained_differences_pass_the_check(tmp_path):
    path = write(
        tmp_path / "agreement.csv",
        "benchmark,verdict,item,ours,theirs,reason,equal",
        "A,base,1,passed,failed,a known fault,False",
        "A,base,2,passed,passed,,True",
    )
    check(path)
    with pytest.raises(AskdError, match=r"missing\.csv: cannot be read"):
        check(tmp_path / "missing.csv")


def test_a_benchmark_without_canonical_solutions_is_refused(settings, tables):
    task = {"kind": "jsonl", "train": "a", "validation": "b", "test": "c", "grader": "code"}
    other = settings.model_copy(update={"code_task": validate(stage.Task, task, "test")})
    with pytest.raises(AskdError, match=r"'test-hard-00000' is not of the format 'humaneval' with"):
        stage._problems(other, stage._rows(tables[1], settings.code, 2))


PROBLEM = {"HumanEval/0": {"prompt": "def f():\n"}}


def write(path: Path, *lines) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_samples_of_a_file_are_read(tmp_path):
    path = write(
        tmp_path / "mine.jsonl",
        '{"task_id": "HumanEval/0", "solution": "def f(): return 1"}',
        '{"task_id": "HumanEval/0", "completion": "    return 2"}',
    )
    sources = [sample.source for sample in stage.read_samples(path, PROBLEM)]
    assert sources == ["def f(): return 1", "def f():\n    return 2"]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"task_id": "HumanEval/0"}', '{"task_id": "HumanEval/999", "solution": "x"}'],
)
def test_a_line_that_is_no_sample_is_named(tmp_path, line):
    first = '{"task_id": "HumanEval/0", "solution": "x"}'
    path = write(tmp_path / "mine.jsonl", first, line)
    with pytest.raises(AskdError, match=r"mine\.jsonl: line 2 is no sample of HumanEval"):
        stage.read_samples(path, PROBLEM)
