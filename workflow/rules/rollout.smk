"""Needs models and training prompts; makes schedules, rollouts and teacher scores.

The schedule deals the prompts out to the steps of all rounds, the same for every method. The
teacher answers all prompts of a round. The student answers those of its first window, and the
train stage refreshes its outputs from there (`training.refresh_every`).
"""


def window():
    """Steps of a round whose student outputs are sampled before the round begins."""
    return CONFIG.training.refresh_every or CONFIG.training.steps_per_round


rule schedule:
    input:
        prompts=training_prompts,
    output:
        f"{SHARED}/schedule.parquet",
    log:
        f"{LOGS}/schedule/{{pair}}_seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/schedule/{{pair}}_seed{{seed}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=as_json(CONFIG.training),
        rounds=CONFIG.rounds,
        code=digest("askd.training.schedule"),
    shell:
        "python -m askd schedule --settings {params.settings:q} --seed {wildcards.seed}"
        " --rounds {params.rounds} --prompts {input.prompts} --output {output} > {log} 2>&1"


rule rollout_teacher:
    input:
        model=lambda wildcards: manifest(teacher_folder(wildcards)),
        prompts=training_prompts,
        schedule=f"{SHARED}/schedule.parquet",
    output:
        f"{SHARED}/round{{round}}/teacher/rollouts.parquet",
    log:
        f"{LOGS}/rollout_teacher/{{pair}}_seed{{seed}}_round{{round}}.log",
    benchmark:
        f"{BENCHMARKS}/rollout_teacher/{{pair}}_seed{{seed}}_round{{round}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        gpu=CONFIG.gpus,
    params:
        settings=as_json(CONFIG.rollout),
        model=lambda wildcards: teacher_folder(wildcards),
        steps=CONFIG.training.steps_per_round,
        state=f"{STATE}/{{pair}}/shared/seed{{seed}}/round{{round}}/teacher",
        code=digest("askd.rollout.stage"),
    shell:
        "python -m askd rollout --settings {params.settings:q} --seed {wildcards.seed}"
        " --stream 'teacher round {wildcards.round}' --model {params.model}"
        " --prompts {input.prompts} --schedule {input.schedule} --round {wildcards.round}"
        " --steps {params.steps} --output {output} --state {params.state} > {log} 2>&1"


rule rollout_student:
    input:
        model=lambda wildcards: manifest(student_folder(wildcards, wildcards.run, wildcards.round)),
        prompts=training_prompts,
        schedule=f"{SHARED}/schedule.parquet",
    output:
        f"{RUN}/round{{round}}/student/rollouts.parquet",
    log:
        f"{LOGS}/rollout_student/{{pair}}_{{run}}_seed{{seed}}_round{{round}}.log",
    benchmark:
        f"{BENCHMARKS}/rollout_student/{{pair}}_{{run}}_seed{{seed}}_round{{round}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        gpu=CONFIG.gpus,
    params:
        settings=as_json(CONFIG.rollout),
        model=lambda wildcards: student_folder(wildcards, wildcards.run, wildcards.round),
        steps=window(),
        state=f"{STATE}/{{pair}}/{{run}}/seed{{seed}}/round{{round}}/student",
        code=digest("askd.rollout.stage"),
    shell:
        "python -m askd rollout --settings {params.settings:q} --seed {wildcards.seed}"
        " --stream 'student round {wildcards.round} step 0' --model {params.model}"
        " --prompts {input.prompts} --schedule {input.schedule} --round {wildcards.round}"
        " --steps {params.steps} --output {output} --state {params.state} > {log} 2>&1"


rule score:
    input:
        teacher=lambda wildcards: manifest(teacher_folder(wildcards)),
        student=lambda wildcards: manifest(model_folder(pair_of(wildcards).student)),
        prompts=training_prompts,
        rollouts=f"{RUN}/round{{round}}/{{side}}/rollouts.parquet",
    output:
        f"{RUN}/round{{round}}/{{side}}/scores.parquet",
    log:
        f"{LOGS}/score/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.log",
    benchmark:
        f"{BENCHMARKS}/score/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        gpu=CONFIG.gpus,
    params:
        teacher=lambda wildcards: teacher_folder(wildcards),
        student=lambda wildcards: model_folder(pair_of(wildcards).student),
        batch_size=CONFIG.rollout.batch_size,
        head_chunk=CONFIG.training.head_chunk,
        code=digest("askd.rollout.stage"),
    shell:
        "python -m askd score --teacher {params.teacher} --student {params.student}"
        " --prompts {input.prompts} --rollouts {input.rollouts}"
        " --batch-size {params.batch_size} --head-chunk {params.head_chunk}"
        " --output {output} > {log} 2>&1"
