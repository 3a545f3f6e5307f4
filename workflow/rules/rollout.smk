"""Needs models and training prompts; makes schedules, rollouts and teacher scores.

The schedule deals the prompts out to the steps of all rounds, the same for every method. The
teacher answers all prompts of a round. The student answers those of its first window, and the
train stage refreshes its outputs from there (`refresh_every`). A method whose policy
samples together with the teacher has student outputs of its own from the first round on.
"""


rule schedule:
    input:
        prompts=LAYOUT.training_prompts,
    output:
        f"{LAYOUT.shared}/schedule.parquet",
    log:
        f"{LAYOUT.logs}/schedule/{{pair}}_seed{{seed}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/schedule/{{pair}}_seed{{seed}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=lambda wildcards: as_json(LAYOUT.section("training", wildcards)),
        rounds=CONFIG.rounds,
        code=digest("askd.training.schedule"),
    message:
        "Schedule of {wildcards.pair}, seed {wildcards.seed}"
    shell:
        "python -m askd schedule --settings {params.settings:q} --seed {wildcards.seed}"
        " --rounds {params.rounds} --prompts {input.prompts} --output {output} > {log} 2>&1"


rule rollout_teacher:
    input:
        model=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
        prompts=LAYOUT.training_prompts,
        schedule=f"{LAYOUT.shared}/schedule.parquet",
    output:
        f"{LAYOUT.shared}/round{{round}}/teacher/rollouts.parquet",
    log:
        f"{LAYOUT.logs}/rollout_teacher/{{pair}}_seed{{seed}}_round{{round}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/rollout_teacher/{{pair}}_seed{{seed}}_round{{round}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=lambda wildcards: as_json(LAYOUT.section("rollout", wildcards)),
        model=subpath(input.model, parent=True),
        steps=lambda wildcards: LAYOUT.section("training", wildcards).steps_per_round,
        state=f"{LAYOUT.state}/{{pair}}/shared/seed{{seed}}/round{{round}}/teacher",
        code=digest("askd.rollout.stage"),
    message:
        "Teacher answers: {wildcards.pair}, seed {wildcards.seed}, round {wildcards.round}"
    shell:
        "python -m askd rollout --settings {params.settings:q} --seed {wildcards.seed}"
        " --stream 'teacher round {wildcards.round}' --model {params.model}"
        " --prompts {input.prompts} --schedule {input.schedule} --round {wildcards.round}"
        " --steps {params.steps} --output {output} --state {params.state} > {log} 2>&1"


rule rollout_student:
    input:
        model=lambda wildcards: f"{LAYOUT.sampling_student(wildcards)}/manifest.json",
        prompts=LAYOUT.training_prompts,
        schedule=f"{LAYOUT.shared}/schedule.parquet",
        teacher=LAYOUT.policy_teacher,
    output:
        f"{LAYOUT.run}/round{{round}}/student/rollouts.parquet",
    log:
        f"{LAYOUT.logs}/rollout_student/{{pair}}_{{run}}_seed{{seed}}_round{{round}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/rollout_student/{{pair}}_{{run}}_seed{{seed}}_round{{round}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=lambda wildcards: as_json(LAYOUT.section("rollout", wildcards)),
        model=subpath(input.model, parent=True),
        steps=LAYOUT.window,
        policy=LAYOUT.policy_options,
        state=f"{LAYOUT.state}/{{pair}}/{{run}}/seed{{seed}}/round{{round}}/student",
        code=digest("askd.rollout.stage"),
    message:
        "Student answers: {wildcards.pair}, {wildcards.run}, seed {wildcards.seed}, round {wildcards.round}"
    shell:
        "python -m askd rollout --settings {params.settings:q} --seed {wildcards.seed}"
        " --stream 'student round {wildcards.round} step 0' --model {params.model}"
        " --prompts {input.prompts} --schedule {input.schedule} --round {wildcards.round}"
        " --steps {params.steps} {params.policy} --output {output} --state {params.state} > {log} 2>&1"


rule score:
    input:
        teacher=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
        student=lambda wildcards: f"{LAYOUT.untrained_student(wildcards)}/manifest.json",
        prompts=LAYOUT.training_prompts,
        rollouts=f"{LAYOUT.run}/round{{round}}/{{side}}/rollouts.parquet",
    output:
        f"{LAYOUT.run}/round{{round}}/{{side}}/scores.parquet",
    log:
        f"{LAYOUT.logs}/score/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/score/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        teacher=subpath(input.teacher, parent=True),
        student=subpath(input.student, parent=True),
        batch_size=lambda wildcards: LAYOUT.section("rollout", wildcards).batch_size,
        head_chunk=lambda wildcards: LAYOUT.section("training", wildcards).head_chunk,
        code=digest("askd.rollout.stage"),
    message:
        "Score: {wildcards.pair}, {wildcards.run}, seed {wildcards.seed}, round {wildcards.round}, {wildcards.side}"
    shell:
        "python -m askd score --teacher {params.teacher} --student {params.student}"
        " --prompts {input.prompts} --rollouts {input.rollouts}"
        " --batch-size {params.batch_size} --head-chunk {params.head_chunk}"
        " --output {output} > {log} 2>&1"
