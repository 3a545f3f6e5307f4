"""Needs models and the logs of trainings; makes the noise of gradients and the training curves.

Both are of the pair and the methods that the configuration names under `estimators`.
"""

ESTIMATORS_PAIR = CONFIG.pairs[CONFIG.estimators.pair]
NEAR = LAYOUT.trained.format(
    pair=CONFIG.estimators.pair, method=CONFIG.estimators.near, seed=0, round=CONFIG.rounds
)


rule variance:
    input:
        teacher=f"{LAYOUT.model_folder(ESTIMATORS_PAIR.teacher)}/manifest.json",
        student=f"{LAYOUT.model_folder(ESTIMATORS_PAIR.student)}/manifest.json",
        near=f"{NEAR}/model/manifest.json",
        prompts=f"{LAYOUT.root}/data/{ESTIMATORS_PAIR.task}/train.parquet",
    output:
        multiext(f"{LAYOUT.root}/tables/gradient_variance", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/variance.log",
    benchmark:
        f"{LAYOUT.benchmarks}/variance/all.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=as_json(
            {
                "rollout": CONFIG.section("rollout", CONFIG.estimators.pair),
                "advantage": CONFIG.section("advantage", CONFIG.estimators.pair),
                "skewness": CONFIG.section("skewness", CONFIG.estimators.pair),
                "training": CONFIG.section("training", CONFIG.estimators.pair).model_dump(
                    include={"reduction", "micro_batch_size", "head_chunk"}
                ),
                "grader": CONFIG.tasks[ESTIMATORS_PAIR.task].grader,
                "sandbox": LAYOUT.sandbox_of(ESTIMATORS_PAIR.task),
                "judge": LAYOUT.judge_of(ESTIMATORS_PAIR.task),
                "prompts_per_batch": CONFIG.section(
                    "training", CONFIG.estimators.pair
                ).prompts_per_step,
            }
        ),
        teacher=subpath(input.teacher, parent=True),
        student=subpath(input.student, parent=True),
        near=subpath(input.near, parent=True),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest(
            "askd.reporting.variance",
            "askd.objectives.sampled",
            "askd.objectives.skew",
            CONFIG.tasks[ESTIMATORS_PAIR.task].grader_module,
        ),
    message:
        "Gradient variance"
    shell:
        "python -m askd variance --settings {params.settings:q} --seed 0"
        " --teacher {params.teacher} --student {params.student} --near {params.near}"
        " --prompts {input.prompts} --output {params.output} > {log} 2>&1"


rule curves:
    input:
        expand(
            f"{LAYOUT.trained}/metrics.jsonl",
            pair=CONFIG.estimators.pair,
            method=CONFIG.estimators.methods,
            seed=range(CONFIG.seeds),
            round=range(1, CONFIG.rounds + 1),
        ),
    output:
        multiext(f"{LAYOUT.root}/figures/curves", ".csv", ".svg", ".png"),
    log:
        f"{LAYOUT.logs}/curves.log",
    benchmark:
        f"{LAYOUT.benchmarks}/curves/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(
            {
                "pair": CONFIG.estimators.pair,
                "methods": {
                    name: CONFIG.methods[name].label for name in CONFIG.estimators.methods
                },
                "seeds": CONFIG.seeds,
                "rounds": CONFIG.rounds,
                "results": LAYOUT.root,
            }
        ),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.curves"),
    message:
        "Training curves"
    shell:
        "python -m askd curves --settings {params.settings:q} --output {params.output}"
        " > {log} 2>&1"
