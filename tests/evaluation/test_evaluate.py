import json

import pytest

from askd.artifacts import ITEMS, PROMPTS, read_table, table_from_rows, write_table
from askd.config import RuleJudge, SandboxSettings, validate
from askd.errors import AskdError
from askd.evaluation.evaluate import EvaluateSettings, evaluate

BENCHMARK = {"task": "arithmetic", "level": "easy", "split": "test", "label": "GSM8K"}


def settings(**benchmark) -> EvaluateSettings:
    return validate(
        EvaluateSettings,
        {
            "evaluation": {"samples": 3},
            "rollout": {"max_new_tokens": 6},
            "benchmarks": {"sums": {**BENCHMARK, **benchmark}},
            "grader": "arithmetic",
        },
        "test",
    )


@pytest.fixture
def data(tmp_path, prompt_rows):
    rows = [{**row, "level": "easy"} for row in prompt_rows]
    rows[-1]["level"] = "hard"
    write_table(tmp_path / "data/test.parquet", table_from_rows(rows, PROMPTS), PROMPTS)
    return tmp_path / "data"


def test_every_item_has_one_greedy_answer_and_all_samples(folders, data, prompt_rows, tmp_path):
    evaluate(settings(), 0, folders.student, data, tmp_path / "eval")
    items = read_table(tmp_path / "eval/sums/items.parquet", ITEMS).to_pylist()
    wanted = [row["prompt_id"] for row in prompt_rows[:-1]]
    greedy = [item for item in items if item["decoding"] == "greedy"]
    assert [item["prompt_id"] for item in greedy] == wanted
    sampled = [(i["prompt_id"], i["sample_id"]) for i in items if i["decoding"] == "sampled"]
    assert sampled == [(prompt_id, sample) for prompt_id in wanted for sample in range(3)]
    summary = json.loads((tmp_path / "eval/sums/summary.json").read_text())
    assert summary["items"] == len(wanted) and summary["samples"] == 3
    for decoding in ("greedy", "sampled"):
        rewards = [item["reward"] for item in items if item["decoding"] == decoding]
        assert summary["reward"][decoding] == sum(rewards) / len(rewards)


def test_graded_rewards_are_kept_as_they_are(folders, data, tmp_path, monkeypatch):
    """A win rate is neither right nor wrong."""
    from askd.rewards import arithmetic
    from askd.rewards.result import Grade

    def grade(answers, sandbox):
        return [Grade(0.25, False, "a tie and a loss") for _ in answers], None

    monkeypatch.setattr(arithmetic, "grade", grade)
    evaluate(settings(), 0, folders.student, data, tmp_path / "eval")
    items = read_table(tmp_path / "eval/sums/items.parquet", ITEMS).to_pylist()
    assert {(item["reward"], item["correct"]) for item in items} == {(0.25, False)}
    summary = json.loads((tmp_path / "eval/sums/summary.json").read_text())
    assert summary["reward"] == {"greedy": 0.25, "sampled": 0.25}


def test_seed_decides_samples_and_not_greedy_answers(folders, data, tmp_path):
    texts = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        evaluate(settings(), seed, folders.student, data, tmp_path / name)
        items = read_table(tmp_path / name / "sums/items.parquet", ITEMS).to_pylist()
        for decoding in ("greedy", "sampled"):
            texts[name, decoding] = [i["text"] for i in items if i["decoding"] == decoding]
    assert texts["a", "sampled"] == texts["b", "sampled"] != texts["c", "sampled"]
    assert texts["a", "greedy"] == texts["c", "greedy"]


@pytest.mark.parametrize(("dtype", "used"), [(None, "float32"), ("bfloat16", "bfloat16")])
def test_all_systems_are_evaluated_in_the_type_of_the_settings(
    folders, data, tmp_path, dtype, used
):
    """Else a trained student, kept in float32, would be compared with a teacher in bfloat16."""
    chosen = settings()
    evaluation = chosen.evaluation.model_copy(update={"dtype": dtype})
    chosen = chosen.model_copy(update={"evaluation": evaluation})
    evaluate(chosen, 0, folders.student, data, tmp_path / "eval")
    assert json.loads((tmp_path / "eval/sums/summary.json").read_text())["dtype"] == used


def test_a_level_without_prompts_is_refused(folders, data, tmp_path):
    with pytest.raises(AskdError, match="no prompt of level 'harder'"):
        evaluate(settings(level="harder"), 0, folders.student, data, tmp_path / "eval")


def test_the_grader_gets_the_sandbox_of_the_settings_and_the_summary_says_which(
    folders, data, tmp_path, monkeypatch
):
    from askd.rewards import arithmetic

    original, given = arithmetic.grade, []

    def grade(answers, sandbox):
        given.append(sandbox)
        return original(answers, sandbox)[0], {"tier": "made up"}

    monkeypatch.setattr(arithmetic, "grade", grade)
    sandbox = SandboxSettings(lowest_tier="landlock", workers=3)
    chosen = settings().model_copy(update={"sandbox": sandbox})
    evaluate(chosen, 0, folders.student, data, tmp_path / "eval")
    assert set(given) == {sandbox}
    summary = json.loads((tmp_path / "eval/sums/summary.json").read_text())
    assert summary["sandbox"] == {"tier": "made up"}


def test_the_summary_says_how_it_was_made_and_how_it_went(folders, data, tmp_path, is_complete):
    evaluate(settings(), 5, folders.student, data, tmp_path / "eval")
    items = read_table(tmp_path / "eval/sums/items.parquet", ITEMS).to_pylist()
    summary = json.loads((tmp_path / "eval/sums/summary.json").read_text())
    assert summary["tool"]["name"] == "askd"
    assert len(summary["task_hash"]) == len(summary["prompt_template_hash"]) == 16
    assert is_complete(summary)
    assert (summary["seed"], summary["engine"], summary["sandbox"]) == (5, "transformers", None)
    assert summary["sampling"] == {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 6}
    assert list(summary["pass_at_k"]) == ["1", "2"]
    for decoding in ("greedy", "sampled"):
        reasons = [item["reason"] for item in items if item["decoding"] == decoding]
        assert summary["parse_failures"][decoding] == reasons.count("no answer") / len(reasons)
        assert summary["timeouts"][decoding] == 0


def test_answers_are_graded_as_mathematics(folders, data, tmp_path, is_complete):
    chosen = settings().model_copy(update={"grader": "math"})
    evaluate(chosen, 0, folders.student, data, tmp_path / "eval")
    items = read_table(tmp_path / "eval/sums/items.parquet", ITEMS).to_pylist()
    assert {item["reason"] for item in items} <= {"correct", "wrong", "unparsed", "timeout"}
    summary = json.loads((tmp_path / "eval/sums/summary.json").read_text())
    assert summary["tool"]["name"] == "math-verify"
    assert is_complete(summary) and summary["sandbox"] is summary["judge"] is None


@pytest.fixture
def summary_of(folders, tmp_path, prompt_rows):
    """The summary of a benchmark by a grader, whose prompts all have one reference."""

    def run(grader: str, reference: dict, **changes) -> dict:
        rows = [{**row, "reference": json.dumps(reference)} for row in prompt_rows]
        path = tmp_path / "data/test.parquet"
        write_table(path, table_from_rows(rows, PROMPTS), PROMPTS)
        chosen = settings().model_copy(update={"grader": grader, **changes})
        evaluate(chosen, 0, folders.student, tmp_path / "data", tmp_path / "eval")
        return json.loads((tmp_path / "eval/sums/summary.json").read_text())

    return run


def test_the_summary_of_programs_names_their_sandbox(summary_of, is_complete):
    row = {"format": "humaneval", "prompt": 'def f(x):\n    """3 x + 3"""\n', "entry_point": "f"}
    row["test"] = "def check(candidate):\n    assert candidate(1) == 6\n"
    summary = summary_of("code", row, sandbox=SandboxSettings(lowest_tier="landlock"))
    assert is_complete(summary)
    assert summary["sandbox"]["tier"] in ("namespaces", "landlock") and summary["judge"] is None


def test_the_summary_of_judged_answers_says_how_the_judge_did(summary_of, is_complete):
    reference = {"rules": {"pattern": "b.k.", "case": "lower"}, "baseline": "bxka"}
    summary = summary_of("judge", reference, judges={"sums": RuleJudge()})
    assert is_complete(summary) and summary["sandbox"] is None
    assert summary["judge"]["greedy"]["kind"] == "rule"
    assert summary["parse_failures"] == {"greedy": None, "sampled": None}


def test_each_benchmark_is_judged_by_its_own_judge(folders, data, tmp_path, monkeypatch):
    judges = {
        name: {"kind": "endpoint", "base_url": "http://127.0.0.1/v1", "model": name}
        for name in ("a", "b")
    }
    chosen = {
        "evaluation": {"samples": 1},
        "rollout": {"max_new_tokens": 6},
        "benchmarks": dict.fromkeys(judges, BENCHMARK),
        "grader": "judge",
        "judges": judges,
    }
    for wrong in ({}, {"a": judges["a"]}):
        with pytest.raises(AskdError, match=r"judges are named for .* asks one for each of"):
            validate(EvaluateSettings, {**chosen, "judges": wrong}, "test")
    asked = []

    def grade(rollouts, prompts, grader, sandbox, judge):
        asked.append(judge.model)
        raise AskdError("enough")

    monkeypatch.setattr("askd.evaluation.evaluate.grade", grade)
    for order in (("a", "b"), ("b", "a")):
        ordered = {**chosen, "benchmarks": dict.fromkeys(order, BENCHMARK)}
        run = validate(EvaluateSettings, ordered, "test")
        with pytest.raises(AskdError, match="enough"):
            evaluate(run, 0, folders.student, data, tmp_path / "eval")
    assert asked == ["a", "b"]
