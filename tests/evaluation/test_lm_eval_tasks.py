"""lm-eval's own gsm8k and minerva_math, on a few rows of local files and without a network."""

import importlib.util
import json

import pytest

from askd.artifacts import ITEMS, read_table
from askd.config import validate
from askd.errors import AskdError
from askd.evaluation.lm_eval_benchmarks import LmEvalSettings, evaluate
from askd.evaluation.lm_eval_manager import manager

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)

CONTEXT = 4096  # characters: the tasks show four or five examples
COLUMNS = {"gsm8k": ("question", "answer"), "minerva_math_algebra": ("problem", "solution")}
ANSWERS = {"gsm8k": "{0} + 1 = {1}\n#### {1}", "minerva_math_algebra": "So $\\boxed{{{1}}}$."}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Six rows of each task, for both of its splits."""
    found = {}
    for task, (question, answer) in COLUMNS.items():
        path = tmp_path_factory.mktemp("files") / f"{task}.jsonl"
        rows = [
            {question: f"What is {n} + 1?", answer: ANSWERS[task].format(n, n + 1)}
            for n in range(6)
        ]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        found[task] = {"train": str(path), "test": str(path)}
    return found


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, make_model):
    from askd.models.folder import save
    from askd.models.tokenizer import character_tokenizer

    model = make_model()
    model.config.max_position_embeddings = CONTEXT
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save(model, character_tokenizer(CONTEXT), folder)
    return folder


@needs_lm_eval
def test_the_real_tasks_run_on_local_files(files, model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lm_eval = {"pairs": ["p"], "systems": ["s"], "tasks": list(files), "files": files}
    value = {"lm_eval": lm_eval, "benchmarks": {}, "batch_size": 6, "max_new_tokens": 5}
    evaluate(validate(LmEvalSettings, value, "test"), model_folder, tmp_path, tmp_path)
    for task, fewshot in (("gsm8k", 5), ("minerva_math_algebra", 4)):
        summary = json.loads((tmp_path / task / "summary.json").read_text())
        assert summary["items"] == 6 and summary["fewshot"] == {task: fewshot}
        assert summary["sampling"][task]["max_gen_toks"] == summary["max_new_tokens"] == 5
        assert summary["files"] == {task: files[task]}
        items = read_table(tmp_path / task / "items.parquet", ITEMS).to_pylist()
        lengths = [item["finish_reason"] == "length" for item in items]
        assert summary["cut_at_max_new_tokens"]["greedy"] == sum(lengths) / 6
        assert all(item["response_tokens"] <= 5 for item in items)
    assert summary["counted"] == {task: ["math_verify", "none"]}
    assert summary["read_by"] == {task: "grader math"}


@needs_lm_eval
def test_a_group_brings_its_members(files, tmp_path):
    known = manager(["minerva_math"], {}, tmp_path)
    members = known.task_index
    assert {"minerva_math", "minerva_math_algebra", "minerva_math_precalc"} <= members.keys()
    assert len(members) < 1000  # none of the others was looked at


@needs_lm_eval
def test_tasks_and_files_that_nothing_knows_are_named(files, tmp_path):
    with pytest.raises(AskdError, match=r"'minerva_math_algebra' is no task that"):
        manager(["gsm8k"], files, tmp_path)
    mixed = {"gsm8k": {"train": "a.jsonl", "test": "b.parquet"}}
    with pytest.raises(AskdError, match=r"files\.gsm8k: some are Parquet and some are not"):
        manager(["gsm8k"], mixed, tmp_path)
