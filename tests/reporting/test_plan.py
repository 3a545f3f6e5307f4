"""The plan of a run: what its report says, and its comparison with what jobs took."""

import copy
import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from askd.config import Config, validate
from askd.errors import AskdError
from askd.reporting.plan.estimate import duration, seconds
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.jobs import jobs_of
from askd.reporting.plan.stage import plan

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 50,
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "a100"}, "plan.device: unknown device 'a100'; did you mean 'a100-80gb'?"),
        ({"models": {"x": SIZES}}, "plan.models: unknown model 'x'"),
        ({"lengths": {"x": {"prompt": 1, "response": 1}}}, "plan.lengths: unknown task 'x'"),
    ],
)
def test_a_plan_of_what_is_not_there_is_refused(tiny_config, changes, reason):
    with pytest.raises(AskdError) as error:
        tiny_config(plan=changes)
    assert reason in str(error.value)


def test_the_report_names_the_largest_item_and_compares_with_what_ran(tiny_config, tmp_path):
    config = tiny_config(results=str(tmp_path))
    before = plan(config, tmp_path / "plan")
    assert "Largest item: pretrain" in before and "Estimate and measurement" not in before
    folder = tmp_path / "nano" / "benchmarks" / "train"
    folder.mkdir(parents=True)
    (folder / "one.tsv").write_text("s\tmax_rss\n40.0\t1000\n")
    report = plan(config, tmp_path / "plan")
    assert (tmp_path / "plan.md").read_text() == report
    line = next(line for line in report.split("Estimate and")[1].splitlines() if "train" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    (train,) = (job for job in jobs_of(config, Inputs(config, tmp_path)) if job.stage == "train")
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


def test_the_price_of_judges_says_what_it_leaves_out(paper, tmp_path):
    config = validate(Config, {**paper, "results": str(tmp_path)}, "paper")
    report = " ".join(plan(config, tmp_path / "plan").split())
    assert re.search(r"Judge: about \S+ at the prices .*?, without second calls for", report)


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
    plus = ("evalplus.benchmarks.humaneval_plus", "no sha256")
    assert set(named(value)) == branches | {plus}
    for name, _ in branches:
        value["models"][name.removeprefix("models.")]["revision"] = "0" * 40
    assert named(value) == [plus]
    value["evalplus"]["benchmarks"]["humaneval_plus"]["sha256"] = "0" * 64
    assert named(value) == []
    value["models"]["qwen2-instruct-teacher"]["revision"] = "v1"
    value["tasks"]["metamath"]["test"][1]["revision"] = "0" * 39
    del value["tasks"]["code-r1"]["test"][1]["sha256"]
    assert named(value) == [
        ("models.qwen2-instruct-teacher", "v1"),
        ("tasks.metamath.test.1", "0" * 39),
        ("tasks.code-r1.test.1", "no sha256"),
    ]


def test_the_plan_needs_no_torch():
    code = "import sys, askd.reporting.plan.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
