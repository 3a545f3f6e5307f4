"""Needs models and the logs of trainings; makes the noise of gradients and the training curves.

Both are of the pairs and the methods that the configuration names under `estimators`.
"""

NEAR = LAYOUT.trained.format(
    pair="{pair}", method=CONFIG.estimators.near, seed=0, round=CONFIG.rounds
)


rule variance_data:
    input:
        teacher=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
        student=lambda wildcards: f"{LAYOUT.untrained_student(wildcards)}/manifest.json",
        near=f"{NEAR}/model/manifest.json",
        prompts=LAYOUT.training_prompts,
    output:
        f"{LAYOUT.root}/{{pair}}/gradient_variance.csv",
    log:
        f"{LAYOUT.logs}/variance_data/{{pair}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/variance_data/{{pair}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=LAYOUT.variance_settings,
        teacher=subpath(input.teacher, parent=True),
        student=subpath(input.student, parent=True),
        near=subpath(input.near, parent=True),
        code=lambda wildcards: digest(
            "askd.reporting.variance",
            "askd.objectives.sampled",
            "askd.objectives.skew",
            "askd.objectives.outcome",
            CONFIG.tasks[CONFIG.pairs[wildcards.pair].task].grader_module,
        ),
    message:
        "Gradient variance: {wildcards.pair}"
    shell:
        "python -m askd variance-data --settings {params.settings:q} --seed 0"
        " --teacher {params.teacher} --student {params.student} --near {params.near}"
        " --prompts {input.prompts} --output {output} > {log} 2>&1"


rule variance:
    input:
        expand(rules.variance_data.output, pair=CONFIG.estimators.pairs),
    output:
        multiext(f"{LAYOUT.root}/tables/gradient_variance", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/variance.log",
    benchmark:
        f"{LAYOUT.benchmarks}/variance/all.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        settings=LAYOUT.variance_table_settings(),
        data=" ".join(
            f"--data {quote(path)}"
            for path in expand(rules.variance_data.output, pair=CONFIG.estimators.pairs)
        ),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.gradient_variance"),
    message:
        "Table of the gradient variance"
    shell:
        "python -m askd variance --settings {params.settings:q} {params.data}"
        " --output {params.output} > {log} 2>&1"


rule curves:
    input:
        expand(
            f"{LAYOUT.trained}/metrics.jsonl",
            pair="{pair}",
            method=CONFIG.estimators.methods,
            seed=range(CONFIG.seeds),
            round=range(1, CONFIG.rounds + 1),
        ),
    output:
        multiext(f"{LAYOUT.root}/figures/curves-{{pair}}", ".csv", ".svg", ".png"),
    log:
        f"{LAYOUT.logs}/curves/{{pair}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/curves/{{pair}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        settings=lambda wildcards: as_json(
            {
                "pair": wildcards.pair,
                "label": CONFIG.pairs[wildcards.pair].label,
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
        "Training curves: {wildcards.pair}"
    shell:
        "python -m askd curves --settings {params.settings:q} --output {params.output}"
        " > {log} 2>&1"
