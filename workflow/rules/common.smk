"""Needs the merged configuration; gives CONFIG, LAYOUT, ROOT and the environments of the jobs."""

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
# What every job with a model asks for.
MODEL_JOB = {
    "gpu": CONFIG.gpus,
    "mem_mb": CONFIG.memory_mb,
    "runtime": CONFIG.runtime_minutes,
}


wildcard_constraints:
    **LAYOUT.wildcard_constraints,


# Without conda, jobs run in the interpreter that runs snakemake, whatever PATH says.
CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}
ENVIRONMENT = f"export PYTHONPATH={quote(str(ROOT))} OMP_NUM_THREADS={CONFIG.threads}; "
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
