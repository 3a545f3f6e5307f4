"""Verdicts of our sandbox beside those of EvalPlus, on a few problems."""

import importlib.util

import pytest

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.evaluation import evalplus_run
from askd.evaluation.code_problems import canonical, empty, evalplus_row, mutant
from askd.evaluation.evalplus_agreement import agreement
from askd.evaluation.evalplus_run import Sample, Verdict, read_verdicts
from askd.sandbox.audit.humaneval import problems
from askd.sandbox.formats import humaneval
from askd.sandbox.result import BadTests

needs_evalplus = pytest.mark.skipif(
    importlib.util.find_spec("evalplus") is None, reason="evalplus is not installed"
)

ADD = {
    "prompt": 'def add(a, b):\n    """The sum."""\n',
    "canonical_solution": "    return a + b\n",
    "entry_point": "add",
    "test": "def check(f):\n    assert f(1, 2) == 3\n    assert f(0, 0) == 0\n"
    "    assert f((1,), (2,)) == (1, 2)\n",
}


def results(*statuses):
    """EvalPlus's file of results for programs of one problem."""
    rows = [
        {"task_id": "Mbpp/9000", "solution": source, "base_status": base, "plus_status": plus}
        for source, base, plus in statuses
    ]
    return {"eval": {"Mbpp/9000": rows}}


def test_inputs_are_those_of_check_and_every_second_one_is_extra():
    row = evalplus_row(ADD, "Mbpp/9000")
    assert row["base_input"] == [[1, 2], [[1], [2]]]
    assert row["plus_input"] == [[0, 0]]
    assert row["canonical_solution"] == ADD["canonical_solution"]


def test_all_inputs_can_be_base_ones():
    row = evalplus_row(ADD, "Mbpp/9000", split=False)
    assert row["base_input"] == [[1, 2], [0, 0], [[1], [2]]]
    assert row["plus_input"] == []


def test_inputs_are_those_from_before_the_call():
    changing = {
        "prompt": "def grow(x):\n",
        "canonical_solution": "    x.append(1)\n    return x\n",
        "entry_point": "grow",
        "test": "def check(f):\n    assert f([]) == [1]\n",
    }
    assert evalplus_row(changing, "Mbpp/9000")["base_input"] == [[[]]]


def test_tests_that_refuse_their_own_solution_are_an_error():
    with pytest.raises(BadTests, match=r"Mbpp/9000: its tests do not accept its canonical"):
        evalplus_row(ADD | {"canonical_solution": "    return a\n"}, "Mbpp/9000")


def test_every_problem_of_humaneval_has_inputs_and_programs_that_differ():
    for number, row in enumerate(problems()):
        row_ = evalplus_row(row, row["task_id"])
        assert row_["base_input"]
        programs = {canonical(row_), mutant(row_, number), empty(row_)}
        # The mutant is the empty program where there is nothing to exchange.
        assert len(programs) >= 2
        for source in programs:
            compile(source, row["task_id"], "exec")


def test_a_mutant_has_one_operator_exchanged():
    space = {}
    exec(mutant(evalplus_row(ADD, "Mbpp/9000"), 0), space)
    assert space["add"](5, 3) == 2


def test_extra_tests_count_beside_the_base_ones_only():
    samples = [Sample("Mbpp/9000", "model", source) for source in "abc"]
    found = read_verdicts(
        results(("a", "pass", "pass"), ("b", "pass", "fail"), ("c", "timeout", "pass")), samples
    )
    assert found == [Verdict(True, True), Verdict(True, False), Verdict(False, False, True)]
    # Where there are none.
    found = read_verdicts(
        results(("a", "pass", None), ("b", "fail", None), ("c", "pass", None)), samples
    )
    assert found == [Verdict(True, True), Verdict(False, False), Verdict(True, True)]


@pytest.mark.parametrize(
    "samples",
    [
        [Sample("Mbpp/9000", "model", "b")],
        [Sample("Mbpp/9001", "model", "a")],
        [Sample("Mbpp/9000", "model", "a")] * 2,
    ],
)
def test_results_of_other_samples_are_refused(samples):
    with pytest.raises(AskdError, match="are of other samples"):
        read_verdicts(results(("a", "pass", "pass")), samples)


RECORDED = [
    ("canonical", True, True, "", ""),
    ("mutant", False, False, "", ""),
    ("forged", False, True, "no known reason", "no known reason"),
]


def test_recorded_verdicts_are_set_beside_ours(monkeypatch):
    """EvalPlus's verdicts are given; the sandbox is ours."""
    row = evalplus_row(ADD, "Mbpp/9000")
    sources = {"canonical": canonical(row), "mutant": mutant(row, 0)}
    samples = [Sample("Mbpp/9000", kind, sources.get(kind, empty(row))) for kind, *_ in RECORDED]
    theirs = [Verdict(passed, passed) for _, _, passed, _, _ in RECORDED]
    monkeypatch.setattr(evalplus_run, "evalplus_verdicts", lambda *_: theirs)
    found = agreement("A", "mbpp", [row], samples, SandboxSettings(lowest_tier="landlock"))
    assert [one.benchmark for one in found] == [f"A, {kind}" for kind, *_ in RECORDED] * 2
    for verdict, column in (("base", 3), ("plus", 4)):
        rows = [one for one in found if one.verdict == verdict]
        assert [one.reason for one in rows] == [record[column] for record in RECORDED]
        assert [one.ours == "passed" for one in rows] == [record[1] for record in RECORDED]


def test_the_known_fault_is_named(monkeypatch):
    row = next(row for row in problems() if row["task_id"] == "HumanEval/32")
    samples = [Sample("HumanEval/32", "canonical", row["prompt"] + row["canonical_solution"])]
    monkeypatch.setattr(evalplus_run, "evalplus_verdicts", lambda *_: [Verdict(False, False)])
    checks = {"HumanEval/32": humaneval(row, "HumanEval/32")}
    settings = SandboxSettings(lowest_tier="landlock")
    rows = [evalplus_row(row, "HumanEval/32")]
    found = agreement("A", "humaneval", rows, samples, settings, checks)
    assert [one.verdict for one in found] == ["base", "plus", "check()"]
    assert all("counts every answer to this problem as wrong" in one.reason for one in found)


def test_time_that_ran_out_for_evalplus_is_a_reason(monkeypatch):
    row = evalplus_row(ADD, "Mbpp/9000")
    samples = [Sample("Mbpp/9000", "model", canonical(row))]
    theirs = Verdict(True, False, timed_out=True)
    monkeypatch.setattr(evalplus_run, "evalplus_verdicts", lambda *_: [theirs])
    settings = SandboxSettings(lowest_tier="landlock")
    base, plus = agreement("A", "mbpp", [row], samples, settings)
    assert base.equal and plus.reason.startswith("time ran out on EvalPlus's side")


@needs_evalplus
def test_verdicts_of_evalplus():
    rows = [evalplus_row(ADD, "Mbpp/9000")]
    sources = {
        "right": canonical(rows[0]),
        "wrong": empty(rows[0]),
        # Only the extra input tells it from a right one.
        "base only": "def add(a, b):\n    return a + b if a else None\n",
        "not Python": "def add(\n",
    }
    samples = [Sample("Mbpp/9000", kind, source) for kind, source in sources.items()]
    found = agreement("A", "mbpp", rows, samples, SandboxSettings(lowest_tier="landlock"))
    assert all(one.equal for one in found)
    base, plus = ([one.theirs for one in found if one.verdict == v] for v in ("base", "plus"))
    assert base == ["passed", "failed", "passed", "failed"]
    assert plus == ["passed", "failed", "failed", "failed"]


def test_evalplus_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AskdError, match=r"evalplus is not installed; .*'\.\[evaluate\]'"):
        evalplus_run.evalplus_verdicts("humaneval", [], [])
