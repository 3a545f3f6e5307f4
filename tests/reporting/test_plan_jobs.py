"""The jobs of a plan: which there are, and what each does and takes."""

import copy
import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from askd.config import Architecture, Config, validate
from askd.errors import AskdError
from askd.reporting.plan import costs
from askd.reporting.plan.asked import asked
from askd.reporting.plan.costs import Size
from askd.reporting.plan.estimate import duration, estimate, judge_price
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.jobs import jobs_of

ROOT = Path(__file__).resolve().parents[2]


def jobs_by_stage(config):
    found = {}
    for job in jobs_of(config, Inputs(config, Path("none"))):
        found.setdefault(job.stage, []).append(job)
    return found


@pytest.mark.parametrize("configfile", ["config/paper.yaml", "tests/workflow/tiny.yaml"])
def test_the_jobs_are_those_of_the_workflow(configfile, tmp_path):
    """Number by number, and by what each asks for, as the workflow itself plans them, offline."""
    results = ["--cores", "8", "--config", f"results={tmp_path}"]
    common = [sys.executable, "-m", "snakemake", "--configfile", configfile]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    options = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    before = os.times().children_user
    dry = subprocess.run([*common, "--dry-run", *results], check=False, **options)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    # The whole grid is listed in seconds. Processor time, as a shared machine may be slow.
    assert os.times().children_user - before < 20
    output = dry.stdout + dry.stderr
    counted = {}
    for rule, count in re.findall(r"^(\w[\w.-]*) +(\d+)$", output.split("total")[0], re.MULTILINE):
        stage = "evaluate" if rule.startswith("evaluate_") else rule
        counted[stage] = counted.get(stage, 0) + int(count)
    made = subprocess.run([*common[:3], "plan", *common[3:], *results], check=False, **options)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "# Plan of" in made.stdout
    config = yaml.safe_load((ROOT / configfile).read_text())
    folder = tmp_path / config["scale"]
    with (folder / "plan.csv").open() as file:
        planned = {row["stage"]: int(row["jobs"]) for row in csv.DictReader(file)}
    assert planned | {"all": 1} == counted
    listed = re.findall(r"\((?:(\d+) GPU, )?(\d+) CPU, (\d+) MB, (\d+) min\)", output)
    if not config.get("gpus"):
        assert not listed
        return
    columns = ("gpus", "threads", "asked_memory_mb", "asked_minutes")
    with (folder / "plan_jobs.csv").open() as file:
        rows = Counter(tuple(row[name] for name in columns) for row in csv.DictReader(file))
    assert rows == Counter((gpus or "0", *rest) for gpus, *rest in listed)
    assert rows["0", "1", "96000", "720"] == planned["fetch"]
    assert rows["0", "8", "16000", "720"] == planned["grade"]


def test_tokens_and_work_of_one_training(tiny_config):
    """By hand: 40 steps of 16 prompts with 4 samples a side, of which student's are fresh each."""
    config = tiny_config()
    inputs = Inputs(config, Path("none"))
    found = jobs_by_stage(config)
    lengths = inputs.lengths["arithmetic"]
    tokens = lengths.prompt + lengths.response
    (teacher,) = found["rollout_teacher"]
    assert teacher.sampled == 40 * 16 * 4 * lengths.response
    (student,) = found["rollout_student"]
    assert student.sampled == 16 * 4 * lengths.response
    (train,) = found["train"]
    assert train.trained == 40 * 2 * 16 * 4 * tokens
    assert train.sampled == 39 * 16 * 4 * lengths.response
    small, large = (inputs.size(f"qwen2-math-{name}") for name in ("student", "teacher"))
    assert train.training == costs.training(small, 40 * 128, tokens)
    assert train.scoring == costs.forward(large, 39 * 64, tokens)
    assert [job.name for job in found["evaluate"]] == [
        "qwen2-math_student_arithmetic_test",
        "qwen2-math_askd_arithmetic_test",
    ]
    assert {job.sampled for job in found["evaluate"]} == {600 * 5 * lengths.response}


def test_a_method_that_sums_over_the_vocabulary_reads_the_teacher(tiny_config, configuration):
    table = {
        **configuration["tables"]["table2"],
        "pairs": ["qwen2-math"],
        "systems": ["student", "sft", "gkd", "seqkd"],
        "compare": "gkd",
    }
    found = jobs_by_stage(tiny_config(tables={"table2": table}))
    work = {job.name.split("_")[1]: job for job in found["train"]}
    assert work["gkd"].scoring > 0 and work["gkd"].memory > work["seqkd"].memory
    assert work["sft"].scoring == work["seqkd"].scoring == work["sft"].sampled == 0
    assert work["seqkd"].trained == 4 * work["sft"].trained
    assert "score" not in found and "grade" not in found


def test_judge_calls_and_their_price(paper):
    config = validate(Config, paper, "paper")
    inputs = Inputs(config, Path("none"))
    jobs = [job for job in jobs_of(config, inputs) if job.calls]
    assert {config.tasks[config.pairs[job.pair].task].grader for job in jobs} == {"judge"}
    whole = estimate(config, jobs)
    rewards = 2 * 2 * 3 * 3 * 1562 * 32  # orders, sides, seeds, pairs
    answers = 2 * 2 * 3023 * 3 * (1 + 1 + 10 * 3)  # orders, decodings, items, pairs, systems
    assert whole.calls == rewards + answers + 2 * 2 * 10  # and the check of both judges, once
    (one, *_) = jobs
    lengths = inputs.lengths["ultrachat"]
    prompt = lengths.prompt + 2 * lengths.response + 250
    price = (one.calls - 2 * 2 * 10) * (prompt * 0.15 + 200 * 0.6) / 1e6
    assert judge_price([one]) == pytest.approx(price)
    (of_teacher, *_) = [job for job in jobs if job.stage == "evaluate"]
    large, small = 2 * 2 * (805 + 218), 2 * 2 * 2000  # answers to three benchmarks
    price = large * (prompt * 2.5 + 200 * 10) + small * (prompt * 0.15 + 200 * 0.6)
    assert judge_price([of_teacher]) == pytest.approx(price / 1e6)
    benchmarks = {
        name: {key: value for key, value in benchmark.items() if key != "judge"}
        for name, benchmark in paper["benchmarks"].items()
    }
    rules = {"judge": {"kind": "rule"}, "benchmarks": benchmarks}
    free = validate(Config, {**paper, **rules}, "paper")
    assert estimate(free, jobs_of(free, Inputs(free, Path("none")))).calls == 0
    assert judge_price(jobs_of(free, Inputs(free, Path("none")))) is None
    unpriced = {**paper, "judge": {**paper["judge"], "prompt_price": None}}
    config = validate(Config, unpriced, "paper")
    assert judge_price(jobs_of(config, Inputs(config, Path("none")))) is None


def test_a_model_of_unknown_size_is_refused_until_it_is_fetched(paper, tmp_path):
    sizes = dict(paper["plan"]["models"])
    size = sizes.pop("gemma2-instruct-teacher")
    config = validate(Config, {**paper, "plan": {**paper["plan"], "models": sizes}}, "paper")
    with pytest.raises(AskdError, match=r"how large 'gemma2-instruct-teacher' is is not known"):
        jobs_of(config, Inputs(config, tmp_path))
    folder = tmp_path / "gemma2-instruct-teacher"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(size))
    assert Inputs(config, tmp_path).size("gemma2-instruct-teacher") == Size(Architecture(**size))


def test_a_source_of_unknown_size_is_refused(paper):
    value = copy.deepcopy(paper)
    del value["tasks"]["metamath"]["test"][1]["size"]
    config = validate(Config, value, "paper")
    with pytest.raises(AskdError, match=r"tasks\.metamath\.test\.1 does not say how many rows"):
        jobs_of(config, Inputs(config, Path("none")))


def memory_of(configuration, stage, name="", **changes):
    """Bytes of the first job of a stage, beyond those of its process."""
    config = validate(Config, {**configuration, **changes}, "test")
    jobs = jobs_by_stage(config)[stage]
    job = next(job for job in jobs if job.name.startswith(name))
    return job.memory - config.plan.devices[config.plan.device].process_gib * 2**30


def test_what_vllm_takes_of_each_gpu(paper):
    """By hand: weights that GPUs share, logits, and a cache of `cache_gib`, or 2 GiB on a CPU."""

    def memory(stage="rollout_teacher", vllm=(), **changes):
        vllm = {**paper["rollout"]["vllm"], **dict(vllm)}
        rollout = {**paper["rollout"], "vllm": vllm, "batch_size": 3}
        name = "qwen2-math"
        return memory_of(paper, stage, name, rollout=rollout, **changes)

    size = Size(Architecture(**paper["plan"]["models"]["qwen2-math-teacher"]))
    head = 6 * 4 * size.architecture.vocab_size
    weights, logits = 2 * size.parameters, 3 * head
    assert memory(gpus=0) == weights + logits + 2 * 2**30
    assert memory(gpus=0, vllm={"cache_gib": 1}) == weights + logits + 2**30
    shared = {"cache_gib": 3, "tensor_parallel_size": 2}
    assert memory(gpus=2, vllm=shared) == weights // 2 + logits + 3 * 2**30
    one_sequence = memory() - weights - logits
    assert memory(gpus=2, vllm={"tensor_parallel_size": 2}) == (
        weights // 2 + logits + one_sequence // 2
    )
    chunk = validate(Config, paper, "paper").section("training", "qwen2-math").head_chunk
    assert memory("score", gpus=2, vllm=shared) == weights // 2 + chunk * head + 3 * 2**30


def test_weights_are_of_the_type_that_they_are_loaded_as(paper):
    """Of a model's own, which for trained students is float32, or of the stage's `dtype`."""

    def weights(stage, name, rollout=None, evaluation=None):
        sections = {
            "rollout": {**paper["rollout"], "engine": "transformers", "dtype": rollout},
            "evaluation": {**paper["evaluation"], "dtype": evaluation},
        }
        return memory_of(value, stage, name, **sections)

    # The student's folder has another type than the teacher's, and trained students a third.
    value = copy.deepcopy(paper)
    value["models"]["qwen2-math-student"]["dtype"] = "float32"
    teacher = ("rollout_teacher", "qwen2-math_")
    student = ("rollout_student", "qwen2-math_shared")
    for job in (teacher, student, ("score", "qwen2-math_")):
        assert weights(*job, rollout="bfloat16") < weights(*job, rollout="float32")
    assert weights(*teacher) == weights(*teacher, rollout="bfloat16")
    assert weights(*student) == weights(*student, rollout="float32")
    for system, kept in (("teacher", "bfloat16"), ("student", "float32"), ("askd", "float32")):
        job = ("evaluate", f"qwen2-math_{system}_")
        assert weights(*job) == weights(*job, evaluation=kept)
        assert weights(*job, evaluation="bfloat16") < weights(*job, evaluation="float32")


def test_what_a_server_runs_takes_no_gpu(tiny_config, configuration):
    """Teachers and an untrained student; what is trained is sampled here."""

    def config(*served):
        servers = {name: {"base_url": "http://localhost/v1", "model": "m"} for name in served}
        openai = {"engine": "openai", "openai": {"servers": servers}}
        rollout = {**configuration["rollout"], **openai}
        return tiny_config(rollout=rollout, rounds=2, gpus=1)

    teachers = {pair["teacher"] for pair in configuration["pairs"].values()}
    chosen = config(*teachers)
    found = jobs_by_stage(chosen)
    for job in (*found["rollout_teacher"], *found["score"]):
        assert job.served and job.memory == job.operations == 0
        assert vars(asked(chosen, job)) == {
            "gpus": 0,
            "threads": chosen.threads,
            "memory_mb": chosen.memory_mb,
            "minutes": chosen.runtime_minutes,
        }
    assert estimate(chosen, found["score"]).hours == 0
    assert duration(chosen, found["score"][0]) == chosen.plan.devices["cpu-core"].start_seconds
    assert [job.served for job in found["rollout_student"]] == [False, False]
    first, second = jobs_by_stage(config(*teachers, "qwen2-math-student"))["rollout_student"]
    assert first.served and first.memory == 0 and asked(chosen, first).gpus == 1
    assert second.memory and second.sampling_transformers and not second.sampling
