"""Needs two models and prompts; makes results/SCALE/tables/agreement.{csv,md}: `snakemake agreement`.

That target then fails where a difference has no known reason, so that the tables are there to read.
lm-eval and evalplus bring many packages along, so this stage has an environment of its own.
"""

AGREEMENT = {"math": CONFIG.agreement.math, "code": CONFIG.agreement.code}
AGREEMENT_BENCHMARKS = {
    name: CONFIG.benchmarks[answered.benchmark] for name, answered in AGREEMENT.items()
}
AGREEMENT_MODELS = {
    name: LAYOUT.model_folder(answered.model) for name, answered in AGREEMENT.items()
}
AGREEMENT_PROMPTS = {
    name: f"{LAYOUT.data.format(task=benchmark.task)}/{benchmark.split}.parquet"
    for name, benchmark in AGREEMENT_BENCHMARKS.items()
}
SOLVER = CONFIG.agreement.humaneval
SOLVER_MODEL = SOLVER and LAYOUT.model_folder(SOLVER.model)
EVALUATE_PYTHON = "python"
if not CONDA and (ROOT / CONFIG.agreement.python).is_file():
    EVALUATE_PYTHON = quote(str(ROOT / CONFIG.agreement.python))


rule agreement_tables:
    input:
        models=[f"{folder}/manifest.json" for folder in AGREEMENT_MODELS.values()],
        prompts=AGREEMENT_PROMPTS.values(),
        solver=f"{SOLVER_MODEL}/manifest.json" if SOLVER else [],
        samples=CONFIG.agreement.humaneval_samples or [],
        tasks=[
            sorted((ROOT / "askd" / "evaluation" / folder).iterdir())
            for folder in ("written", "lm_eval_tasks")
        ],
    output:
        multiext(f"{LAYOUT.root}/tables/agreement", ".csv", ".md", ".samples.jsonl"),
    log:
        f"{LAYOUT.logs}/agreement.log",
    benchmark:
        f"{LAYOUT.benchmarks}/agreement/all.tsv"
    conda:
        "../../envs/agreement.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=as_json(
            {
                "items": CONFIG.agreement.items,
                "rollout": CONFIG.rollout,
                "sandbox": CONFIG.sandbox,
                **AGREEMENT_BENCHMARKS,
                "code_task": CONFIG.tasks[AGREEMENT_BENCHMARKS["code"].task],
                **({"humaneval_max_new_tokens": SOLVER.max_new_tokens} if SOLVER else {}),
            }
        ),
        python=EVALUATE_PYTHON,
        models=AGREEMENT_MODELS,
        prompts=AGREEMENT_PROMPTS,
        solver=f"--humaneval-model {SOLVER_MODEL}" if SOLVER else "",
        samples=lambda wildcards, input: (
            f"--humaneval-samples {quote(input.samples)}" if input.samples else ""
        ),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.agreement"),
    message:
        "Agreement with lm-eval and evalplus"
    shell:
        "{params.python} -m askd agreement --settings {params.settings:q}"
        " --math-model {params.models[math]} --math-prompts {params.prompts[math]}"
        " --code-model {params.models[code]} --code-prompts {params.prompts[code]}"
        " {params.solver} {params.samples} --output {params.output} > {log} 2>&1"


# Without outputs, so that it checks whenever it is asked.
rule agreement:
    input:
        rules.agreement_tables.output[0],
    log:
        f"{LAYOUT.logs}/agreement_check.log",
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    message:
        "Are all differences explained?"
    shell:
        "python -m askd agreement-check --table {input} 2>&1 | tee {log}"
