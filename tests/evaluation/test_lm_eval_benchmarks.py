"""What lm-eval logs becomes items and a summary; its own runs are in tests/workflow."""

import csv
import json
import os

import pytest
from typer.testing import CliRunner

from askd.artifacts import ITEMS, read_table, table_from_rows, write_json, write_table
from askd.commands.evaluation import app
from askd.config import LmEval, validate
from askd.errors import AskdError
from askd.evaluation import lm_eval_benchmarks as stage
from askd.evaluation.lm_eval_benchmarks import LmEvalSettings, counted, reader, rows_of
from askd.evaluation.lm_eval_ends import Ends
from askd.reporting.lm_eval_table import LmEvalTableSettings, write


def logged(number: int, filter_: str, text: str, found: str, **metrics: float) -> dict:
    sample = {"doc_id": number, "filter": filter_, "resps": [[text]], "filtered_resps": [found]}
    hashes = {"doc_hash": "d", "prompt_hash": "p", "target_hash": "t"}
    return sample | metrics | hashes | {"arguments": [(f"prompt {number}", {"until": []})]}


GSM8K = [
    logged(0, "strict-match", "So 5.\n#### 5", "5", exact_match=1.0),
    logged(1, "strict-match", "It is 6", "[invalid]", exact_match=0.0),
    logged(2, "strict-match", "none", "[invalid]", exact_match=0.0),
    logged(0, "flexible-extract", "So 5.\n#### 5", "5", exact_match=1.0),
    logged(1, "flexible-extract", "It is 6", "6", exact_match=1.0),
    logged(2, "flexible-extract", "none", "[invalid]", exact_match=0.0),
]
ALGEBRA = [
    logged(number, "none", text, text, exact_match=0.0, math_verify=right)
    for number, (text, right) in enumerate(
        [("So $1$", 1.0), ("It is $\\boxed{7}$", 0.0), ("I do not know.", 0.0)]
    )
]
FILTERS = [
    {"name": name, "filter": [{"function": "regex"}, {"function": "take_first"}]}
    for name in ("strict-match", "flexible-extract")
]
CONFIGS = {
    "gsm8k": {"filter_list": FILTERS, "generation_kwargs": {"do_sample": False}},
    "algebra": {"generation_kwargs": {"do_sample": False}},
}


class Words:
    """A tokenizer of words."""

    def encode(self, text: str, add_special_tokens: bool) -> list[str]:
        return text.split()

    def get_chat_template(self) -> str:
        return "template"


class Model:
    """What stands for lm-eval's model; its third answer ran into the limit."""

    tokenizer = Words()
    dtype = "bfloat16"
    closed = False

    def __init__(self) -> None:
        self.ends = Ends()
        self.ends.generated([False, False, True])
        for number in range(3):
            self.ends.add_partial("generate_until", (f"prompt {number}", {}), "answer")

    def close(self) -> None:
        self.closed = True


def returned(**samples: list[dict]) -> dict:
    """What lm-eval returns of a run with `samples` by task."""
    return {
        "samples": samples,
        "versions": dict.fromkeys(samples, 3.0),
        "n-shot": dict.fromkeys(samples, 5),
        "configs": {name: CONFIGS[name] for name in samples},
        "results": {name: {"exact_match,strict-match": 1 / 3} for name in samples},
    }


def test_a_sample_becomes_an_item():
    rows = rows_of(returned(gsm8k=GSM8K, algebra=ALGEBRA), Model())
    assert [(row["prompt_id"], row["correct"], row["reason"]) for row in rows] == [
        ("gsm8k-00000", True, "correct"),
        ("gsm8k-00001", True, "correct"),
        ("gsm8k-00002", False, "unparsed"),
        ("algebra-00000", True, "correct"),
        ("algebra-00001", False, "wrong"),
        ("algebra-00002", False, "unparsed"),
    ]
    assert [row["response_tokens"] for row in rows] == [4, 3, 1, 2, 3, 4]
    assert [row["finish_reason"] for row in rows] == 2 * ["stop", "stop", "length"]
    assert {row["decoding"] for row in rows} == {"greedy"}


def test_a_task_without_a_share_of_right_answers_is_refused():
    with pytest.raises(AskdError, match="math_verify or exact_match has no pass@1"):
        counted([logged(0, "none", "", "", bleu=3.0)])


@pytest.mark.parametrize(
    ("metric", "filters", "by"),
    [
        ("exact_match", FILTERS, "lm-eval's filter"),
        ("exact_match", FILTERS[:1], None),  # the one that counts is another
        ("math_verify", None, "grader math"),
        ("exact_match", None, None),
    ],
)
def test_who_reads_an_answer(metric, filters, by):
    assert reader({"filter_list": filters}, metric, "flexible-extract") == by


@pytest.fixture
def evaluated(monkeypatch, tmp_path):
    """Runs the stage on what lm-eval is said to return; gives the summary of the task."""

    def run(results: dict, **lm_eval) -> tuple[dict, list, Model]:
        model, asked = Model(), []
        (task,) = results["samples"]
        monkeypatch.setattr(stage, "manager", lambda *arguments: "manager")
        monkeypatch.setattr(
            stage, "load_model", lambda *arguments: asked.append(arguments) or model
        )
        monkeypatch.setattr(stage, "run", lambda *arguments: asked.append(arguments) or results)
        monkeypatch.setattr(stage, "version", lambda name: "7.7")
        monkeypatch.setattr(stage, "task_hash", lambda samples: f"{len(samples)} samples")
        lm_eval = {"pairs": ["p"], "systems": ["askd"], "tasks": [task], **lm_eval}
        settings = {"lm_eval": lm_eval, "benchmarks": {}, "batch_size": 2, "max_new_tokens": 8}
        chosen = validate(LmEvalSettings, settings, "test")
        stage.evaluate(chosen, tmp_path, tmp_path, tmp_path / "out")
        assert read_table(tmp_path / f"out/{task}/items.parquet", ITEMS).num_rows == 3
        return json.loads((tmp_path / f"out/{task}/summary.json").read_text()), asked, model

    return run


def test_items_and_summary_of_a_task(evaluated, tmp_path, is_complete):
    results = returned(gsm8k=GSM8K)
    summary, (loaded, asked), model = evaluated(results, limit=3)
    assert loaded == (tmp_path, "transformers", "auto", 2, None)
    assert asked == ("gsm8k", model, 8, True, 3, "manager")
    assert model.closed
    assert is_complete(summary) and summary["dtype"] == "bfloat16"
    assert summary["tool"] == {"name": "lm-eval", "version": "7.7"}
    assert summary["task_versions"] == {"gsm8k": 3.0} and summary["fewshot"] == {"gsm8k": 5}
    assert summary["task_hash"] == {"gsm8k": "6 samples"}
    assert summary["counted"] == {"gsm8k": ["exact_match", "flexible-extract"]}
    assert summary["reward"]["greedy"] == pytest.approx(2 / 3)
    assert summary["pass_at_k"] == {"1": pytest.approx(2 / 3)}
    assert summary["parse_failures"]["greedy"] == pytest.approx(1 / 3)
    assert summary["read_by"] == {"gsm8k": "lm-eval's filter"}
    assert summary["max_new_tokens"] == 8
    assert summary["cut_at_max_new_tokens"]["greedy"] == pytest.approx(1 / 3)
    assert summary["results"] == results["results"] and summary["limit"] == 3
    assert summary["prompt_template_hash"] and summary["sampling"]["gsm8k"] == {"do_sample": False}


def test_parse_failures_of_a_task_without_a_filter(evaluated):
    summary, _, _ = evaluated(returned(algebra=ALGEBRA))
    assert summary["read_by"] == {"algebra": "grader math"}
    assert summary["parse_failures"]["greedy"] == pytest.approx(1 / 3)


def test_parse_failures_are_unknown_where_nobody_says_what_was_read(evaluated):
    samples = [{key: sample[key] for key in sample if key != "math_verify"} for sample in ALGEBRA]
    summary, _, _ = evaluated(returned(algebra=samples))
    assert summary["parse_failures"] == {"greedy": None}


def test_nothing_to_run_is_refused():
    with pytest.raises(AskdError, match="neither tasks nor benchmarks"):
        validate(LmEval, {"pairs": ["p"], "systems": ["askd"]}, "test")


def items_of(
    tmp_path, system: str, seed: int, rewards: dict[str, float], tool: str = "lm_eval/"
) -> None:
    rows = [
        {
            "prompt_id": name,
            "decoding": "sampled" if name.startswith("sampled") else "greedy",
            "sample_id": 0,
            "correct": reward == 1,
            "reward": reward,
            "reason": "",
            "finish_reason": "unknown",
            "response_tokens": 1,
            "text": "",
        }
        for name, reward in rewards.items()
    ]
    path = tmp_path / f"p/{system}/seed{seed}/eval/{tool}gsm8k/items.parquet"
    write_table(path, table_from_rows(rows, ITEMS), ITEMS)
    unread = {"teacher": None, "askd": 0.25 * seed}[system]
    write_json(path.with_name("summary.json"), {"parse_failures": {"greedy": unread}})


@pytest.fixture
def table(tmp_path):
    """Writes the table of made-up items; gives its rows and its text."""
    items_of(tmp_path, "teacher", 0, {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0})
    items_of(tmp_path, "askd", 0, {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0})
    items_of(tmp_path, "askd", 1, {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0})
    benchmark = tmp_path / "benchmarks/lm_eval/p_askd.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\tmax_rss\n12.2\t0:00:12\t9\n")

    def run(**changes) -> tuple[list[dict], str]:
        systems = {"teacher": [0], "askd": [0, 1]}
        value = {"pairs": ["p"], "systems": systems, "tasks": ["gsm8k"], "results": str(tmp_path)}
        settings = validate(LmEvalTableSettings, value | changes, "test")
        write(settings, benchmark.parent, tmp_path / "lm_eval")
        with (tmp_path / "lm_eval.csv").open(newline="") as file:
            return list(csv.DictReader(file)), (tmp_path / "lm_eval.md").read_text()

    return run


def test_the_table_has_a_row_for_each_system(table, tmp_path):
    (teacher, askd), text = table()
    assert (teacher["system"], teacher["mean"], teacher["seeds"]) == ("teacher", "75.0", "1")
    assert (askd["mean"], askd["seeds"], askd["items"]) == ("62.5", "2", "4")
    assert float(askd["ci_low"]) < 62.5 < float(askd["ci_high"])
    assert (askd["ours"], askd["equal"]) == ("", "")
    assert (teacher["unread"], askd["unread"]) == ("", "12.5")
    assert "75.0 [" in text and "1 job of lm-eval took 12 seconds in all" in text
    items_of(tmp_path, "askd", 1, {"a": 1.0, "b": 0.0, "c": 1.0, "e": 1.0})
    with pytest.raises(AskdError, match="not the items of"):
        table()


def test_our_scores_stand_beside_those_of_lm_eval(table, tmp_path):
    items_of(tmp_path, "teacher", 0, {"w": 1.0, "x": 1.0, "y": 1.0, "z": 0.0, "sampled": 0.0}, "")
    items_of(tmp_path, "askd", 0, {"w": 1.0, "x": 0.0, "y": 0.0, "z": 1.0}, "")
    items_of(tmp_path, "askd", 1, {"w": 0.0, "x": 0.0, "y": 0.0, "z": 1.0}, "")
    rows, text = table(benchmarks=["gsm8k"])
    assert [(row["ours"], row["equal"]) for row in rows] == [("75.0", "True"), ("37.5", "False")]
    cells = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    assert [line[-3:-1] for line in cells if "gsm8k" in line] == [["75.0", "yes"], ["37.5", "no"]]


def test_fewer_items_of_lm_eval_are_not_compared(table, tmp_path):
    items_of(tmp_path, "teacher", 0, {"v": 1.0, "w": 1.0, "x": 1.0, "y": 1.0, "z": 0.0}, "")
    (row,), _ = table(benchmarks=["gsm8k"], systems={"teacher": [0]})
    assert (row["ours"], row["equal"]) == ("", "")


@pytest.mark.parametrize(
    ("tasks", "files", "offline"),
    [
        ([], {}, "1"),
        (["gsm8k"], {}, None),
        (["gsm8k"], {"gsm8k": {"test": "a"}}, "1"),
        (["gsm8k", "minerva_math"], {"gsm8k": {"test": "a"}}, None),
    ],
)
def test_what_is_local_stays_off_the_hub(monkeypatch, tmp_path, tasks, files, offline):
    seen = []
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(stage, "evaluate", lambda *_: seen.append(os.environ.get("HF_HUB_OFFLINE")))
    lm_eval = {"pairs": ["p"], "systems": ["askd"], "tasks": tasks, "benchmarks": ["b"]}
    lm_eval["files"] = files
    value = {"lm_eval": lm_eval, "benchmarks": {}, "batch_size": 2, "max_new_tokens": 8}
    folders = [f"--{name}={tmp_path}" for name in ("model", "data", "output")]
    arguments = ["lm-eval", "--settings", json.dumps(value), "--seed", "0", *folders]
    result = CliRunner().invoke(app, arguments)
    monkeypatch.setenv("HF_HUB_OFFLINE", "")  # so that what was set does not outlive the test
    assert (result.exit_code, seen) == (0, [offline])
