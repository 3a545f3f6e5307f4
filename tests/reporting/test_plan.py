"""The plan of a run: its formulas, its jobs, and its comparison with what jobs took."""

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

from askd.config import Architecture, Config, Device, Lora, validate
from askd.errors import AskdError
from askd.reporting.plan import costs
from askd.reporting.plan.asked import asked
from askd.reporting.plan.costs import Size
from askd.reporting.plan.estimate import duration, estimate, judge_price, seconds
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import Job
from askd.reporting.plan.jobs import jobs_of
from askd.reporting.plan.stage import plan

ROOT = Path(__file__).resolve().parents[2]
TINY = Architecture(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    vocab_size=50,
)


@pytest.fixture(scope="module")
def paper() -> dict:
    """config/paper.yaml over the methods, as plain data."""
    methods = yaml.safe_load((ROOT / "config/methods.yaml").read_text())["methods"]
    value = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    for name, changes in value["methods"].items():
        for key, part in changes.items():
            methods[name][key] = {**methods[name][key], **part}
    return {**value, "methods": methods}


def jobs_by_stage(config, models=Path("none")):
    found = {}
    for job in jobs_of(config, Inputs(config, models)):
        found.setdefault(job.stage, []).append(job)
    return found


def test_parameters_are_those_of_the_library(paper):
    """All but norms and biases, which are left out, for each family of the paper's models."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    families = {"qwen": "qwen2", "danube": "mistral", "gemma": "gemma2", "deepseek": "llama"}
    seen = set()
    for name, value in paper["plan"]["models"].items():
        if repr(value) in seen:
            continue
        seen.add(repr(value))
        kind = next(kind for start, kind in families.items() if name.startswith(start))
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **value))
        counted = sum(weight.numel() for weight in model.parameters())
        ours = Size(Architecture(**value)).parameters
        assert 0 <= counted - ours < 1e-3 * counted, name
    assert len(seen) == 8


def test_operations_are_those_that_torch_counts():
    """Exactly, but for the half of the attention above the diagonal, which eager attention does."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import Qwen2Config, Qwen2ForCausalLM

    size, texts, tokens = Size(TINY), 2, 10
    config = Qwen2Config(**TINY.model_dump(), attn_implementation="eager", use_cache=False)
    model = Qwen2ForCausalLM(config)
    above = 2 * TINY.num_hidden_layers * size.query * tokens**2 * texts
    with FlopCounterMode(display=False) as counter:
        loss = model(torch.zeros(texts, tokens, dtype=torch.long)).logits.sum()
    # Rotary embeddings multiply positions with frequencies.
    rotary = counter.get_total_flops() - costs.forward(size, texts, tokens) - above
    assert 0 <= rotary < 2 * tokens * TINY.head_dim * texts
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    forward_and_backward = costs.training(size, texts, tokens) - costs.forward(size, texts, tokens)
    assert counter.get_total_flops() == forward_and_backward + 2 * above


def test_training_costs_six_operations_a_parameter_and_token():
    """Where attention is small beside the matrices, as the rule of thumb has it."""
    size = Size(TINY.model_copy(update={"hidden_size": 4096, "intermediate_size": 11008}))
    tokens = 1000.0
    assert costs.training(size, tokens, 1) == pytest.approx(6 * size.active * tokens, rel=1e-4)
    assert costs.training(size, tokens, 1, lora=True) == pytest.approx(
        4 * size.active * tokens, rel=1e-4
    )
    full = costs.training(size, tokens, 1)
    assert costs.training(size, tokens, 1, checkpointing=True) == pytest.approx(full * 4 / 3)
    assert costs.sampling(size, 3, 5, 7) == costs.forward(size, 3, 12)


def test_adapters_are_those_of_the_library():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen2Config, Qwen2ForCausalLM

    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config(**TINY.model_dump()))
    for targets in ("all-linear", ["q_proj", "down_proj"]):
        adapted = get_peft_model(
            copy.deepcopy(model), LoraConfig(r=3, target_modules=targets, task_type="CAUSAL_LM")
        )
        counted = sum(w.numel() for w in adapted.parameters() if w.requires_grad)
        assert Size(TINY).adapters(Lora(rank=3, target_modules=targets)) == counted


def test_several_devices_shorten_a_job_but_for_its_start():
    device = Device(peak_tflops=2, memory_gib=1, training=0.5, start_seconds=10)
    job = Job(stage="train", name="a", training=6e12, memory=1)
    assert seconds(job, device, light=0.7) == 10 + 6
    assert seconds(job, device, light=0.7, devices=2) == 10 + 3
    assert seconds(Job(stage="grade", name="a"), device, light=0.7, devices=2) == 0.7
    assert seconds(Job(stage="fetch", name="a"), device, light=0.7, devices=2) == 10


def test_memory_by_hand():
    size = Size(TINY)
    assert size.layer == 16 * (2 * 32 + 2 * 16 + 3 * 24)
    assert size.parameters == 3 * size.layer + 2 * 50 * 16
    cache = 2 * 4 * 10 * 3 * 16
    logits = 6 * 4 * 50
    assert costs.sampling_memory(size, 4, 10, "float32") == 4 * (size.parameters + cache + logits)
    full = costs.training_memory(size, None, 2, 10, 8, "float32")
    layer = 6 * 16 + 5 * 32 + 4 * 24
    head = 6 * 8 * 50 * 4
    assert full == 16 * size.parameters + 20 * 3 * layer * 4 + head
    lora = Lora(rank=2)
    adapted = costs.training_memory(size, size, 2, 10, 8, "bfloat16", lora, checkpointing=True)
    kept = 20 * (3 * 16 + layer) * 2
    assert adapted == 2 * 2 * size.parameters + 16 * size.adapters(lora) + kept + head


def test_seconds_add_up_by_kind_of_work():
    device = Device(
        peak_tflops=1,
        memory_gib=1,
        training=0.5,
        scoring=0.25,
        sampling=0.1,
        sampling_transformers=0.05,
        start_seconds=3,
    )
    work = {"training": 1e12, "scoring": 1e12, "sampling": 1e12, "sampling_transformers": 1e12}
    assert seconds(Job("a", "b", memory=1, **work), device, 7) == pytest.approx(3 + 2 + 4 + 10 + 20)
    assert seconds(Job("a", "b"), device, 7) == 7


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


def tiny_config(configuration, **changes):
    value = copy.deepcopy(configuration)
    value |= {
        "seeds": 1,
        "rounds": 1,
        "sweep": None,
        "figures": None,
        "estimators": None,
        "tuned": {},
    }
    table = {**value["tables"]["table2"], "pairs": ["qwen2-math"], "systems": ["student", "askd"]}
    value["tables"] = {"table2": table}
    return validate(Config, value | changes, "test")


def test_tokens_and_work_of_one_training(configuration):
    """By hand: 40 steps of 16 prompts with 4 samples a side, of which student's are fresh each."""
    config = tiny_config(configuration)
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


def test_a_method_that_sums_over_the_vocabulary_reads_the_teacher(configuration):
    table = {
        **configuration["tables"]["table2"],
        "pairs": ["qwen2-math"],
        "systems": ["student", "sft", "gkd", "seqkd"],
        "compare": "gkd",
    }
    found = jobs_by_stage(tiny_config(configuration, tables={"table2": table}))
    work = {job.name.split("_")[1]: job for job in found["train"]}
    assert work["gkd"].scoring > 0 and work["gkd"].memory > work["seqkd"].memory
    assert work["sft"].scoring == work["seqkd"].scoring == work["sft"].sampled == 0
    assert work["seqkd"].trained == 4 * work["sft"].trained
    assert "score" not in found and "grade" not in found


def test_judge_calls_and_their_price(paper):
    config = validate(Config, paper, "paper")
    inputs = Inputs(config, Path("none"))
    jobs = [job for job in jobs_of(config, inputs) if job.judged]
    assert {config.tasks[config.pairs[job.pair].task].grader for job in jobs} == {"judge"}
    whole = estimate(config, jobs)
    rewards = 2 * 2 * 3 * 3 * 1562 * 32  # orders, sides, seeds, pairs
    answers = 2 * 2 * 3023 * 3 * (1 + 1 + 10 * 3)  # orders, decodings, items, pairs, systems
    assert whole.calls == rewards + answers + 2 * 10  # and the judge's check, once
    (one, *_) = jobs
    lengths = inputs.lengths["ultrachat"]
    prompt = lengths.prompt + 2 * lengths.response + 250
    price = 2 * one.judged * (prompt * 0.15 + 200 * 0.6) / 1e6
    assert judge_price(config, [one], inputs) == pytest.approx(price)
    free = validate(Config, {**paper, "judge": {"kind": "rule"}}, "paper")
    assert estimate(free, jobs_of(free, Inputs(free, Path("none")))).calls == 0
    assert judge_price(free, jobs, inputs) is None


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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "a100"}, "plan.device: unknown device 'a100'; did you mean 'a100-80gb'?"),
        ({"models": {"x": TINY.model_dump()}}, "plan.models: unknown model 'x'"),
        ({"lengths": {"x": {"prompt": 1, "response": 1}}}, "plan.lengths: unknown task 'x'"),
    ],
)
def test_a_plan_of_what_is_not_there_is_refused(configuration, changes, reason):
    with pytest.raises(AskdError) as error:
        tiny_config(configuration, plan=changes)
    assert reason in str(error.value)


def test_the_report_names_the_largest_item_and_compares_with_what_ran(configuration, tmp_path):
    config = tiny_config(configuration, results=str(tmp_path))
    before = plan(config, tmp_path / "plan")
    assert "Largest item: pretrain" in before and "Estimate and measurement" not in before
    folder = tmp_path / "nano" / "benchmarks" / "train"
    folder.mkdir(parents=True)
    (folder / "one.tsv").write_text("s\tmax_rss\n40.0\t1000\n")
    report = plan(config, tmp_path / "plan")
    assert (tmp_path / "plan.md").read_text() == report
    line = next(line for line in report.split("Estimate and")[1].splitlines() if "train" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    (train,) = jobs_by_stage(config)["train"]
    device = config.plan.devices["cpu-core"]
    guess = seconds(train, device, 0)
    assert cells[:3] == ["train", "1 of 1", "40"]
    assert float(cells[3]) == pytest.approx(guess, rel=0.01)
    assert float(cells[4]) == pytest.approx(guess / 40, abs=0.01)
    with (tmp_path / "plan_jobs.csv").open() as file:
        rows = {row["stage"]: row for row in csv.DictReader(file)}
    assert float(rows["train"]["seconds"]) == pytest.approx(guess, rel=1e-4)
    assert rows["train"]["asked_memory_mb"] == "4000" and rows["grade"]["asked_minutes"] == "60"
    memory = train.memory / 2**30
    assert float(cells[5]) == pytest.approx(1e9 / 2**30, rel=0.01)
    assert float(cells[6]) == pytest.approx(memory, rel=0.01)
    sums = [line for line in report.splitlines() if line.startswith("| in sum")]
    assert [cell.strip() for cell in sums[0].strip("|").split("|")][1:4] == ["1 of 1", *cells[2:4]]


def test_jobs_that_do_not_fit_or_hardly_are_named(paper, tmp_path):
    """Against a device on whose border the largest job lies."""
    config = validate(Config, {**paper, "results": str(tmp_path)}, "paper")
    jobs = jobs_of(config, Inputs(config, tmp_path))
    largest = max(job.memory for job in jobs) / 2**30

    def remarks(memory_gib):
        own = {"mine": {"peak_tflops": 1, "memory_gib": memory_gib}}
        value = {**paper, "plan": {**paper["plan"], "device": "mine", "devices": own}}
        report = plan(validate(Config, {**value, "results": str(tmp_path)}, "x"), tmp_path / "plan")
        return [line for line in report.splitlines() if line.startswith("- Jobs that need")]

    assert remarks(largest / 0.89) == []
    (tight,) = remarks(largest / 0.95)
    assert "need more than 90% of the device's memory: " in tight and f"{largest:.3g} GiB" in tight
    few = [job for job in jobs if job.memory > 0.8 * largest * 2**30]
    assert f"need more memory than the device has: {len(few)}, " in remarks(0.8 * largest)[0]


def test_jobs_that_take_longer_than_they_ask_for_are_named(paper, tmp_path):
    def report(**changes):
        config = validate(Config, {**paper, "results": str(tmp_path), **changes}, "paper")
        jobs = jobs_of(config, Inputs(config, tmp_path))
        return plan(config, tmp_path / "plan"), {
            (job.stage, job.name): duration(config, job) / 60 for job in jobs
        }

    days = {"runtime_minutes": 100000, "light_runtime_minutes": 100000}
    assert "longer than they ask" not in report(**days)[0]
    slow = {**paper["judge"], "concurrency": 1}
    text, minutes = report(**days | {"light_runtime_minutes": 3000}, judge=slow)
    graded = {job: time for job, time in minutes.items() if job[0] == "grade" and time > 3000}
    assert set(job[1].split("_")[0] for job in graded) == {
        "qwen2-instruct",
        "danube2-instruct",
        "gemma2-instruct",
    }
    # By hand: 3 seeds of 1562 steps of 32 prompts, both orders, 2 seconds each.
    assert max(graded.values()) == pytest.approx(3 * 1562 * 32 * 2 * 2 / 60, rel=1e-3)
    assert f"`light_runtime_minutes`): {len(graded)}, up to 167 hours of 50 (grade " in text


def test_what_may_be_another_tomorrow_is_named(paper, tmp_path):
    """Branches of models and data sets, and files without a digest; nothing that is pinned."""

    def named(value):
        config = validate(Config, {**value, "results": str(tmp_path)}, "paper")
        text = plan(config, tmp_path / "plan")
        line = next((line for line in text.splitlines() if "Not pinned" in line), "")
        return re.findall(r"(\S+) \((\S+|no sha256)\)[,.]", line)

    value = copy.deepcopy(paper)
    branches = {
        (f"models.{name}", model["revision"])
        for name, model in paper["models"].items()
        if len(model["revision"]) != 40
    }
    assert set(named(value)) == branches
    for name, _ in branches:
        value["models"][name.removeprefix("models.")]["revision"] = "0" * 40
    assert named(value) == []
    value["models"]["qwen2-instruct-teacher"]["revision"] = "v1"
    value["tasks"]["metamath"]["test"][1]["revision"] = "0" * 39
    del value["tasks"]["code-r1"]["test"][1]["sha256"]
    assert named(value) == [
        ("models.qwen2-instruct-teacher", "v1"),
        ("tasks.metamath.test.1", "0" * 39),
        ("tasks.code-r1.test.1", "no sha256"),
    ]


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


def test_what_a_server_runs_takes_no_gpu(configuration):
    """Teachers and an untrained student; what is trained is sampled here."""

    def config(*served):
        servers = {name: {"base_url": "http://localhost/v1", "model": "m"} for name in served}
        openai = {"engine": "openai", "openai": {"servers": servers}}
        rollout = {**configuration["rollout"], **openai}
        return tiny_config(configuration, rollout=rollout, rounds=2, gpus=1)

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


def test_the_plan_needs_no_torch():
    code = "import sys, askd.reporting.plan.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_pairs_change_parts_of_sections(paper):
    config = validate(Config, paper, "paper")
    assert config.section("rollout", "qwen2-math").samples_per_prompt == 4
    assert config.section("rollout", "qwen2-instruct").samples_per_prompt == 1
    assert config.section("rollout", "qwen2-instruct").vllm == config.rollout.vllm
    assert config.section("advantage", "deepseek-coder").normalization == "batch"
    assert config.section("training", "qwen2-math").lora.rank == 16
    assert config.section("skewness", "qwen2-math") is config.skewness


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"training": {"steps": 3}}, "pairs.qwen2-math.settings.training: unknown key 'steps'"),
        ({"rollout": {"temperature": -1}}, "pairs.qwen2-math.settings.rollout: temperature"),
        ({"rollouts": {}}, "'rollout', 'advantage', 'skewness' or 'training'"),
        ({"rollout": {"temperature": 0}}, "rollout.temperature: 0 gives equal samples"),
    ],
)
def test_settings_of_a_pair_that_are_not_valid_are_refused(configuration, settings, reason):
    value = copy.deepcopy(configuration)
    value["pairs"]["qwen2-math"]["settings"] = settings
    with pytest.raises(AskdError) as error:
        validate(Config, value, "test")
    assert reason in str(error.value)
