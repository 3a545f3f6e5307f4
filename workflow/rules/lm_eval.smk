"""Needs models; makes results/SCALE/PAIR/SYSTEM/seedS/eval/lm_eval/TASK/{items.parquet,summary.json}
and results/SCALE/tables/lm_eval.{csv,md}: `snakemake lm_eval`.

lm-eval itself prompts, samples and grades, in the environment that it shares with `agreement`.
"""

from askd.layout import UNTRAINED

LM_EVAL = f"{LAYOUT.evaluated}/lm_eval/{{task}}"
LM_EVAL_PYTHON = "python"
if not CONDA and (ROOT / CONFIG.lm_eval.python).is_file():
    LM_EVAL_PYTHON = quote(str(ROOT / CONFIG.lm_eval.python))

for systems, seeds in LAYOUT.lm_eval_systems:

    rule:
        name:
            "lm_eval_run" + ("_untrained" if systems[0] in UNTRAINED else "")
        input:
            models=per_seed(
                lambda wildcards: f"{LAYOUT.evaluated_model(wildcards)}/manifest.json", seeds
            ),
            data=[
                f"{LAYOUT.root}/data/{benchmark.task}/{benchmark.split}.parquet"
                for benchmark in map(CONFIG.benchmarks.get, CONFIG.lm_eval.benchmarks)
            ],
            files=[path for files in CONFIG.lm_eval.files.values() for path in files.values()],
        output:
            expand(
                f"{LM_EVAL}/{{file}}",
                seed=seeds,
                task=LAYOUT.lm_eval_names,
                file=["items.parquet", "summary.json"],
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/lm_eval/{{pair}}_{{system}}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/lm_eval/{{pair}}_{{system}}.tsv"
        wildcard_constraints:
            system=one_of(systems),
        conda:
            "../../envs/agreement.yaml"
        threads: CONFIG.threads
        resources:
            **MODEL_JOB,
        params:
            settings=LAYOUT.lm_eval_settings,
            python=LM_EVAL_PYTHON,
            seeds=seed_options(seeds),
            model=LAYOUT.evaluated_model,
            data=f"{LAYOUT.root}/data",
            output=of_job(f"{LAYOUT.evaluated}/lm_eval"),
            code=digest("askd.evaluation.lm_eval_benchmarks"),
        message:
            "lm-eval: {wildcards.pair}, {wildcards.system}"
        shell:
            "{params.python} -m askd lm-eval --settings {params.settings:q} {params.seeds}"
            " --model {params.model} --data {params.data} --output {params.output} > {log} 2>&1"


rule lm_eval:
    input:
        [
            expand(
                path,
                pair=CONFIG.lm_eval.pairs,
                system=systems,
                seed=seeds,
                task=tasks,
            )
            for systems, seeds in LAYOUT.lm_eval_systems
            for path, tasks in (
                (f"{LM_EVAL}/items.parquet", LAYOUT.lm_eval_names),
                # Ours, which stand beside them.
                (f"{LAYOUT.evaluated}/{{task}}/items.parquet", LAYOUT.lm_eval_ours),
            )
        ],
    output:
        multiext(f"{LAYOUT.root}/tables/lm_eval", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/lm_eval_table.log",
    benchmark:
        f"{LAYOUT.benchmarks}/lm_eval_table/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(
            {
                "pairs": CONFIG.lm_eval.pairs,
                "systems": {
                    system: seeds
                    for systems, seeds in LAYOUT.lm_eval_systems
                    for system in systems
                },
                "tasks": LAYOUT.lm_eval_names,
                "benchmarks": LAYOUT.lm_eval_ours,
                "results": LAYOUT.root,
            }
        ),
        benchmarks=f"{LAYOUT.benchmarks}/lm_eval",
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.lm_eval_table"),
    message:
        "Scores by lm-eval"
    shell:
        "python -m askd lm-eval-table --settings {params.settings:q}"
        " --benchmarks {params.benchmarks} --output {params.output} 2>&1 | tee {log}"
