"""Needs the tables of a round; makes the student of the next one, its log, and what it read.

`round` is here the number of rounds that the student has behind it when the job ends.
"""

for group, seeds in LAYOUT.seeds.items():

    rule:
        name:
            f"train{group}"
        input:
            unpack(per_seed(LAYOUT.train_tables, seeds)),
            students=per_seed(
                lambda wildcards: f"{LAYOUT.beginning_student(wildcards)}/manifest.json", seeds
            ),
            teacher=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
            prompts=LAYOUT.training_prompts,
            schedule=expand(f"{LAYOUT.shared}/schedule.parquet", seed=seeds, allow_missing=True),
        output:
            expand(
                f"{LAYOUT.trained}/{{file}}",
                seed=seeds,
                file=[
                    *(f"model/{file}" for file in MODEL_FILES),
                    "metrics.jsonl",
                    "trained_on.parquet",
                ],
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/train/{{pair}}_{{method}}_round{{round}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/train/{{pair}}_{{method}}_round{{round}}{group}.tsv"
        conda:
            "../../envs/train.yaml"
        threads: CONFIG.threads
        resources:
            **MODEL_JOB,
        params:
            settings=LAYOUT.train_settings,
            seeds=seed_options(seeds),
            begin=lambda wildcards: int(wildcards.round) - 1,
            student=LAYOUT.beginning_student,
            teacher=LAYOUT.teacher,
            schedule=of_job(f"{LAYOUT.shared}/schedule.parquet"),
            tables=LAYOUT.train_table_options,
            folder=of_job(LAYOUT.trained),
            state=of_job(f"{LAYOUT.state}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}/train"),
            code=lambda wildcards: digest(
                "askd.training.stage",
                *LAYOUT.method_of(wildcards).objective_modules,
                LAYOUT.task_of(wildcards).grader_module,
            ),
        message:
            "Train: {wildcards.pair}, {wildcards.method}, to round {wildcards.round}"
        shell:
            "python -m askd train --settings {params.settings:q} {params.seeds}"
            " --round {params.begin} --student {params.student} --teacher {params.teacher}"
            " --prompts {input.prompts} --schedule {params.schedule} {params.tables}"
            " --output {params.folder} --state {params.state} > {log} 2>&1"
