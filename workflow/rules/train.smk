"""Needs the tables of a round; makes the student of the next one, its log, and what it read.

`round` is here the number of rounds that the student has behind it when the job ends.
"""


def train_tables(wildcards):
    """The tables that a method reads, by option of the train stage."""
    method = CONFIG.methods[wildcards.method]
    begin = int(wildcards.round) - 1
    shared = SHARED.format(**wildcards) + f"/round{begin}"
    own = RUN.format(**wildcards, run=wildcards.method) + f"/round{begin}"
    first = shared if begin == 0 else own
    pooled = first if CONFIG.advantage.sides == "joint" else shared
    tables = {}
    if "tgo" in method.terms:
        tables["teacher_rollouts"] = f"{shared}/teacher/rollouts.parquet"
        # Outputs that were sampled unwarped carry their teacher log-probabilities.
        if method.is_sampled("tgo") and not CONFIG.rollout.is_plain:
            tables["teacher_scores"] = f"{shared}/teacher/scores.parquet"
        if method.uses_rewards("tgo"):
            tables["teacher_rewards"] = f"{shared}/teacher/rewards.parquet"
            tables["teacher_skewness"] = f"{pooled}/teacher/skewness.parquet"
    if "sgo" in method.terms:
        tables["student_rollouts"] = f"{first}/student/rollouts.parquet"
        if method.is_sampled("sgo"):
            tables["student_scores"] = f"{first}/student/scores.parquet"
        if method.uses_rewards("sgo"):
            tables["student_rewards"] = f"{first}/student/rewards.parquet"
            tables["student_skewness"] = f"{first}/student/skewness.parquet"
    return tables


def train_settings(wildcards):
    return as_json(
        {
            "name": f"{wildcards.pair}, {wildcards.method}, seed {wildcards.seed}",
            "method": CONFIG.methods[wildcards.method],
            "learning_rate": CONFIG.learning_rate(wildcards.pair, wildcards.method),
            "rounds": CONFIG.rounds,
            "training": CONFIG.training,
            "rollout": CONFIG.rollout,
            "advantage": CONFIG.advantage,
            "skewness": CONFIG.skewness,
            "grader": task_of(wildcards).grader,
        }
    )


def student_at_begin(wildcards):
    return student_folder(wildcards, wildcards.method, int(wildcards.round) - 1)


rule train:
    input:
        unpack(train_tables),
        student=lambda wildcards: manifest(student_at_begin(wildcards)),
        teacher=lambda wildcards: manifest(teacher_folder(wildcards)),
        prompts=training_prompts,
        schedule=f"{SHARED}/schedule.parquet",
    output:
        expand(
            f"{RESULTS}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}/model/{{file}}",
            file=MODEL_FILES,
            allow_missing=True,
        ),
        metrics=f"{RESULTS}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}/metrics.jsonl",
        trained_on=f"{RESULTS}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}/trained_on.parquet",
    log:
        f"{LOGS}/train/{{pair}}_{{method}}_seed{{seed}}_round{{round}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{pair}}_{{method}}_seed{{seed}}_round{{round}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        gpu=CONFIG.gpus,
    params:
        settings=train_settings,
        begin=lambda wildcards: int(wildcards.round) - 1,
        student=student_at_begin,
        teacher=teacher_folder,
        tables=lambda wildcards: " ".join(
            f"--{option.replace('_', '-')} {path}"
            for option, path in train_tables(wildcards).items()
        ),
        folder=f"{RESULTS}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}",
        state=f"{STATE}/{{pair}}/{{method}}/seed{{seed}}/round{{round}}/train",
        code=lambda wildcards: digest(
            "askd.training.stage", *CONFIG.methods[wildcards.method].objective_modules
        ),
    shell:
        "python -m askd train --settings {params.settings:q} --seed {wildcards.seed}"
        " --round {params.begin} --student {params.student} --teacher {params.teacher}"
        " --prompts {input.prompts} --schedule {input.schedule} {params.tables}"
        " --output {params.folder} --state {params.state} > {log} 2>&1"
