"""Needs models; makes
results/SCALE/PAIR/SYSTEM/seedS/eval/evalplus/BENCHMARK/{items.parquet,summary.json} and
results/SCALE/tables/evalplus.{csv,md}: `snakemake evalplus`.

Our rollout engine samples, and our sandbox and evalplus judge, in the environment that it shares
with `agreement`.
"""

from askd.layout import UNTRAINED

EVALPLUS_PROBLEMS = f"{LAYOUT.root}/data/evalplus/{{benchmark}}.jsonl"
EVALPLUS = f"{LAYOUT.evaluated}/evalplus/{{benchmark}}"
EVALPLUS_PYTHON = "python"
if not CONDA and (ROOT / CONFIG.evalplus.python).is_file():
    EVALPLUS_PYTHON = quote(str(ROOT / CONFIG.evalplus.python))


rule evalplus_problems:
    input:
        LAYOUT.evalplus_file,
    output:
        problems=EVALPLUS_PROBLEMS,
        source=f"{LAYOUT.root}/data/evalplus/{{benchmark}}.source.json",
    log:
        f"{LAYOUT.logs}/evalplus_problems/{{benchmark}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/evalplus_problems/{{benchmark}}.tsv"
    wildcard_constraints:
        benchmark=one_of(CONFIG.evalplus.benchmarks),
    conda:
        "../../envs/agreement.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=LAYOUT.evalplus_problems_settings,
        code=digest("askd.evaluation.evalplus_problems"),
    message:
        "Problems of {wildcards.benchmark}"
    shell:
        "python -m askd evalplus-problems --settings {params.settings:q}"
        " --output {output.problems} > {log} 2>&1"


for systems, seeds in LAYOUT.evalplus_systems:

    rule:
        name:
            "evalplus_run" + ("_untrained" if systems[0] in UNTRAINED else "")
        input:
            models=per_seed(
                lambda wildcards: f"{LAYOUT.evaluated_model(wildcards)}/manifest.json", seeds
            ),
            problems=expand(EVALPLUS_PROBLEMS, benchmark=CONFIG.evalplus.benchmarks),
        output:
            expand(
                f"{EVALPLUS}/{{file}}",
                seed=seeds,
                benchmark=CONFIG.evalplus.benchmarks,
                file=["items.parquet", "summary.json"],
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/evalplus/{{pair}}_{{system}}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/evalplus/{{pair}}_{{system}}.tsv"
        wildcard_constraints:
            system=one_of(systems),
        conda:
            "../../envs/agreement.yaml"
        threads: CONFIG.threads
        resources:
            **MODEL_JOB,
        params:
            settings=LAYOUT.evalplus_settings,
            python=EVALPLUS_PYTHON,
            seeds=seed_options(seeds),
            model=LAYOUT.evaluated_model,
            data=f"{LAYOUT.root}/data/evalplus",
            output=of_job(f"{LAYOUT.evaluated}/evalplus"),
            code=digest("askd.evaluation.evalplus_benchmarks"),
        message:
            "evalplus: {wildcards.pair}, {wildcards.system}"
        shell:
            "{params.python} -m askd evalplus --settings {params.settings:q} {params.seeds}"
            " --model {params.model} --data {params.data} --output {params.output} > {log} 2>&1"


rule evalplus:
    input:
        [
            expand(
                f"{EVALPLUS}/items.parquet",
                pair=CONFIG.evalplus.pairs,
                system=systems,
                seed=seeds,
                benchmark=CONFIG.evalplus.benchmarks,
            )
            for systems, seeds in LAYOUT.evalplus_systems
        ],
    output:
        multiext(f"{LAYOUT.root}/tables/evalplus", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/evalplus.log",
    benchmark:
        f"{LAYOUT.benchmarks}/evalplus_table/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(
            {
                "pairs": CONFIG.evalplus.pairs,
                "systems": {
                    system: seeds
                    for systems, seeds in LAYOUT.evalplus_systems
                    for system in systems
                },
                "benchmarks": list(CONFIG.evalplus.benchmarks),
                "results": LAYOUT.root,
            }
        ),
        benchmarks=f"{LAYOUT.benchmarks}/evalplus",
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.evalplus_table"),
    message:
        "Scores beside evalplus"
    shell:
        "python -m askd evalplus-table --settings {params.settings:q}"
        " --benchmarks {params.benchmarks} --output {params.output} 2>&1 | tee {log}"
