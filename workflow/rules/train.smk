"""Needs the tables of a round; makes the student of the next one, its log, and what it read.

`round` is here the number of rounds that the student has behind it when the job ends.
"""


rule train:
    input:
        unpack(LAYOUT.train_tables),
        student=lambda wildcards: f"{LAYOUT.beginning_student(wildcards)}/manifest.json",
        teacher=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
        prompts=LAYOUT.training_prompts,
        schedule=f"{LAYOUT.shared}/schedule.parquet",
    output:
        expand(f"{LAYOUT.trained}/model/{{file}}", file=MODEL_FILES, allow_missing=True),
        metrics=f"{LAYOUT.trained}/metrics.jsonl",
        trained_on=f"{LAYOUT.trained}/trained_on.parquet",
    log:
        f"{LAYOUT.logs}/train/{{pair}}_{{method}}_seed{{seed}}_round{{round}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/train/{{pair}}_{{method}}_seed{{seed}}_round{{round}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=LAYOUT.train_settings,
        begin=lambda wildcards: int(wildcards.round) - 1,
        student=subpath(input.student, parent=True),
        teacher=subpath(input.teacher, parent=True),
        tables=LAYOUT.train_table_options,
        folder=subpath(output.metrics, parent=True),
        state=f"{LAYOUT.state}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}/train",
        code=lambda wildcards: digest(
            "askd.training.stage",
            *LAYOUT.method_of(wildcards).objective_modules,
            LAYOUT.task_of(wildcards).grader_module,
        ),
    message:
        "Train: {wildcards.pair}, {wildcards.method}, seed {wildcards.seed}, to round {wildcards.round}"
    shell:
        "python -m askd train --settings {params.settings:q} --seed {wildcards.seed}"
        " --round {params.begin} --student {params.student} --teacher {params.teacher}"
        " --prompts {input.prompts} --schedule {input.schedule} {params.tables}"
        " --output {params.folder} --state {params.state} > {log} 2>&1"
