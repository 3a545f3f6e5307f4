"""Needs the merged configuration; gives CONFIG, LAYOUT, ROOT and the environments of the jobs."""

import os
import sys
from shlex import quote

sys.path.insert(0, str(ROOT))

from askd.config import (
    Config,
    ModelFromPackage,
    ModelFromSource,
    PretrainedFromScratch,
    PrunedModel,
    WarmStartedModel,
    key_of,
    validate,
)
from askd.errors import AskdError
from askd.layout import MODEL_FILES, Layout, as_json, of_job, one_of, per_seed
from askd.own_files import check_own_files
from askd.provenance import digest

# What was chosen for each pair that a sweep has seen.
TUNED = ROOT / "config" / "tuned" / str(config.get("scale"))
for chosen in sorted(TUNED.glob("*.yaml")):

    configfile: chosen


try:
    CONFIG = validate(Config, config, "configuration").with_sweep_variants()
    check_own_files(CONFIG)
except AskdError as error:
    sys.exit(f"error: {error}")

LAYOUT = Layout(CONFIG)


# Executors that start jobs on other machines pass on what is declared here; without a key a run can
# still be planned (`check_keys`).
envvars:
    *(variable for variable in {*LAYOUT.judge_keys, *LAYOUT.server_keys} if variable in os.environ),


# What every job with a model asks for.
MODEL_JOB = {
    "gpu": CONFIG.gpus,
    "mem_mb": CONFIG.memory_mb,
    "runtime": CONFIG.runtime_minutes,
}
# What all others ask for.
LIGHT_JOB = {"mem_mb": CONFIG.light_memory_mb, "runtime": CONFIG.light_runtime_minutes}
# A model that is fetched or pruned lies in main memory, on no GPU.
LOADING_JOB = {**LIGHT_JOB, "mem_mb": CONFIG.memory_mb}
ASKED_FOR = "{threads} CPU, {resources.mem_mb} MB, {resources.runtime} min"
ASKED_FOR_MODEL = f"{{resources.gpu}} GPU, {ASKED_FOR}"


wildcard_constraints:
    **LAYOUT.wildcard_constraints,


# Without conda, jobs run in the interpreter that runs snakemake, whatever PATH says.
CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}
ENVIRONMENT = f"export PYTHONPATH={quote(str(ROOT))} OMP_NUM_THREADS={CONFIG.threads}; "
# glibc keeps what tensors free, in place of giving it back and asking for it anew at every step.
ENVIRONMENT += "export MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=33554432; "
if not CONDA:
    ENVIRONMENT += f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH; "


def seed_options(seeds):
    """The seeds of a job, as options of its stage."""
    return " ".join(f"--seed {seed}" for seed in seeds)


shell.prefix(f"set -euo pipefail; {ENVIRONMENT}")

# What samples and scores with a teacher asks for: no GPU where a server has the model.
TEACHER_JOB = MODEL_JOB | ({"gpu": 0} if CONFIG.rollout.engine == "openai" else {})

# vLLM pins another torch and transformers, so rollout and score have an environment of their own.
VLLM = CONFIG.rollout.engine == "vllm"
SAMPLING_ENVIRONMENT = f"../../envs/{'vllm' if VLLM else 'rollout'}.yaml"
SAMPLING_PYTHON = "python"
if VLLM and not CONDA:
    SAMPLING_PYTHON = quote(str(ROOT / CONFIG.rollout.vllm.python))


def precision_options(training):
    """What is trained, and in what, as options of the check."""
    lora = "" if training.lora is None else f" --lora {quote(as_json(training.lora))}"
    checkpointing = " --gradient-checkpointing" if training.gradient_checkpointing else ""
    return f"--dtype {training.dtype}{lora}{checkpointing}"


def check_sampling_python():
    """Stop before the first job of a run that cannot sample; dry runs and `plan` need no vLLM."""
    python = ROOT / CONFIG.rollout.vllm.python
    samples = any(job.rule.name.startswith("rollout_") for job in workflow.dag.needrun_jobs())
    if VLLM and not CONDA and samples and not python.is_file():
        sys.exit(
            f"error: rollout.vllm.python: no interpreter {python}; make it with `make vllm-env`, "
            "or set rollout.engine: transformers."
        )


def check_keys():
    """Stop before the first job of a run whose judges or servers have no key."""
    # The plan is told of all, and asks none.
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name != "plan_report"]
    # Others are told of the servers with the settings of rollouts, and ask none.
    sampling = [job for job in jobs if job.rule.name.startswith(("rollout_", "score"))]
    for setting, variables, asking in (
        ("judge.key_variable", LAYOUT.judge_keys, jobs),
        ("rollout.openai.servers", LAYOUT.server_keys, sampling),
    ):
        for variable in variables:
            told = f'"key_variable": "{variable}"'
            if any(told in str(param) for job in asking for param in job.params):
                try:
                    key_of(variable, setting)
                except AskdError as error:
                    sys.exit(f"error: {error}")


def check_gpus():
    """Stop a run whose jobs would get fewer GPUs than they ask for: Snakemake would cap them."""
    limit = workflow.global_resources.get("gpu")
    # Without a profile Snakemake knows the resource from the rules, and has no limit of it.
    if limit is None or limit.value is None:
        return
    if not any("gpu" in job.rule.resources for job in workflow.dag.needrun_jobs()):
        return
    if limit.value < CONFIG.gpus:
        sys.exit(
            f"error: a job asks for {CONFIG.gpus} GPUs (`gpus`), and Snakemake has {limit.value}; "
            f"give it more with `--resources gpu={CONFIG.gpus}`, or a cluster's profile with "
            "`--workflow-profile`."
        )
    if CONFIG.gpus and not workflow.local_exec:
        print(
            f"note: the jobs of all nodes share {limit.value} GPU (`resources`); a cluster's "
            "profile given with `--workflow-profile` leaves out the limit of profiles/default.",
            file=sys.stderr,
        )


def start_when_ready():
    """Have jobs of this machine start without a limit to their rate, as their cores limit them.

    With its limit, Snakemake 9.27 looks at all ready jobs again every second, and once more in every
    second for each job that has ended: behind 200 jobs that is a third of a core.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
