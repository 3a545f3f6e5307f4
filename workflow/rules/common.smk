"""Needs the merged configuration; gives CONFIG, path patterns and helpers to all rules."""

import json
import sys
from pathlib import Path

ROOT = Path(workflow.current_basedir).parent.parent
sys.path.insert(0, str(ROOT))

from askd.config import Config, validate
from askd.errors import AskdError
from askd.provenance import digest

TUNED = ROOT / "config" / "tuned" / f"{config['scale']}.yaml"
if TUNED.is_file():

    configfile: TUNED


try:
    CONFIG = validate(Config, config, "configuration")
except AskdError as error:
    sys.exit(f"error: {error}")

RESULTS = f"{CONFIG.results}/{CONFIG.scale}"
DATA = f"{RESULTS}/data/{{task}}"
RUN = f"{RESULTS}/{{pair}}/{{run}}/seed{{seed}}"
SHARED = f"{RESULTS}/{{pair}}/shared/seed{{seed}}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
STATE = f"{RESULTS}/state"
MODEL_FILES = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "manifest.json",
]


def one_of(names):
    """A wildcard constraint that lets through just these names."""
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "(?!)"


wildcard_constraints:
    task=one_of(CONFIG.tasks),
    model=one_of(CONFIG.models),
    pair=one_of(CONFIG.pairs),
    method=one_of(CONFIG.methods),
    run=one_of(["shared", *CONFIG.methods]),
    system=one_of(["teacher", "student", *CONFIG.methods]),
    side="teacher|student",
    seed=r"\d+",
    round=r"\d+",
    table=one_of(CONFIG.tables),


# Without conda, rules run in the interpreter that runs snakemake, whatever PATH says.
ENVIRONMENT = f"export PYTHONPATH={ROOT} OMP_NUM_THREADS={CONFIG.threads}; "
if "conda" not in {str(method) for method in workflow.deployment_settings.deployment_method}:
    ENVIRONMENT += f"export PATH={Path(sys.executable).parent}:$PATH; "
shell.prefix(f"set -euo pipefail; {ENVIRONMENT}")


def as_json(value):
    """A part of the configuration as a stage's --settings."""
    return json.dumps(value, default=lambda model: model.model_dump(mode="json"))


def pair_of(wildcards):
    return CONFIG.pairs[wildcards.pair]


def task_of(wildcards):
    return CONFIG.tasks[pair_of(wildcards).task]


def data_of(wildcards):
    return f"{RESULTS}/data/{pair_of(wildcards).task}"


def training_prompts(wildcards):
    return f"{data_of(wildcards)}/train.parquet"


def model_folder(name):
    return f"{RESULTS}/models/{name}"


def teacher_folder(wildcards):
    return model_folder(pair_of(wildcards).teacher)


def student_folder(wildcards, run, round_):
    """The student of a run as it is when `round_` begins."""
    if int(round_) == 0:
        return model_folder(pair_of(wildcards).student)
    return f"{RESULTS}/{wildcards.pair}/{run}/seed{wildcards.seed}/round{round_}/model"


def manifest(folder):
    return f"{folder}/manifest.json"


def seeds():
    return range(CONFIG.seeds)
