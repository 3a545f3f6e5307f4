"""What Snakemake makes of the profiles, and of a run that asks for more GPUs than it has."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_args

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parsed(monkeypatch):
    """Snakemake's own reading of a command line, in the project's folder."""
    monkeypatch.chdir(ROOT)
    return lambda *arguments: parse_args(["--dry-run", *arguments])[1]


def test_one_machine_runs_one_training_at_a_time(parsed):
    found = parsed()
    assert found.resources["gpu"].value == 1
    assert found.cores and found.rerun_incomplete


def test_a_cluster_is_not_held_to_the_gpu_of_one_machine(parsed):
    """Each cluster's profile takes the place of profiles/default, as its first lines say."""
    # The executor's plugin is not installed here.
    found = parsed("--workflow-profile", "profiles/slurm", "--executor", "local")
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["executor"] == "slurm"
    assert found.resources == {} and found.cores is None
    assert found.jobs == profile["jobs"] > 1
    assert found.retries == profile["retries"] > 0
    assert profile["default-resources"].keys() <= found.default_resources.keys()


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_a_profile_says_how_it_is_given(name):
    text = (ROOT / f"profiles/{name}/config.yaml").read_text()
    assert f"--workflow-profile profiles/{name}" in text.splitlines()[0]
    assert "resources" not in yaml.safe_load(text)


def test_nobody_is_told_to_lay_a_profile_under_the_default_one():
    told = [ROOT / "README.md", *(ROOT / "config").glob("*"), *(ROOT / "docs").glob("*.md")]
    texts = [path.read_text() for path in told if path.is_file()]
    assert any("--workflow-profile profiles/" in text for text in texts)
    assert not [text for text in texts if "--profile profiles/" in text]


def test_jobs_that_would_get_fewer_gpus_than_they_need_are_refused(tmp_path):
    model = f"{tmp_path}/tiny/models/qwen2-math-student/manifest.json"
    settings = ["--configfile", "tests/workflow/tiny.yaml", "--config", "gpus=2"]
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", model, *settings, f"results={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "error: a job asks for 2 GPUs (`gpus`), and Snakemake has 1; " in run.stderr
    assert not Path(model).exists()


def test_ready_jobs_are_looked_at_when_one_has_ended_and_not_in_between(tmp_path):
    """Snakemake's limit to the rate of starts has it look again and again."""
    tasks = ("arithmetic", "programs", "instructions")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--cores", "1", "--verbose"),
            *(f"{tmp_path}/tiny/data/{task}/train.parquet" for task in tasks),
            *("--configfile", "tests/workflow/tiny.yaml", "--config", f"results={tmp_path}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    looks = [line for line in run.stderr.splitlines() if line.startswith("Ready jobs: ")]
    assert [int(line.split()[2]) for line in looks] == [3, 2, 1]
