"""Needs the merged configuration; gives CONFIG, LAYOUT, ROOT and the environment of the jobs."""

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
from askd.layout import MODEL_FILES, Layout, as_json, one_of
from askd.own_files import check_own_files
from askd.provenance import digest

TUNED = ROOT / "config" / "tuned" / f"{config.get('scale')}.yaml"
if TUNED.is_file():

    configfile: TUNED


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
ENVIRONMENT = f"export PYTHONPATH={quote(str(ROOT))} OMP_NUM_THREADS={CONFIG.threads}; "
if "conda" not in {str(method) for method in workflow.deployment_settings.deployment_method}:
    ENVIRONMENT += f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH; "
shell.prefix(f"set -euo pipefail; {ENVIRONMENT}")
