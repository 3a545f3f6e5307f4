"""Needs models and training prompts; makes schedules, rollouts and teacher scores.

The schedule deals the prompts out to the steps of all rounds, the same for every method. The
teacher answers all prompts of a round. The student answers those of its first window, and the
train stage refreshes its outputs from there (`refresh_every`). A method whose policy samples
together with the teacher, or that has its own `refresh_every`, has student outputs of its own from
the first round on.
"""

for group, seeds in LAYOUT.seeds.items():

    rule:
        name:
            f"schedule{group}"
        input:
            prompts=LAYOUT.training_prompts,
        output:
            expand(f"{LAYOUT.shared}/schedule.parquet", seed=seeds, allow_missing=True),
        log:
            f"{LAYOUT.logs}/schedule/{{pair}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/schedule/{{pair}}{group}.tsv"
        conda:
            "../../envs/data.yaml"
        resources:
            **LIGHT_JOB,
        params:
            settings=lambda wildcards: as_json(LAYOUT.section("training", wildcards)),
            seeds=seed_options(seeds),
            rounds=CONFIG.rounds,
            output=of_job(f"{LAYOUT.shared}/schedule.parquet"),
            code=digest("askd.training.schedule"),
        message:
            "Schedule: {wildcards.pair}"
        shell:
            "python -m askd schedule --settings {params.settings:q} {params.seeds}"
            " --rounds {params.rounds} --prompts {input.prompts} --output {params.output}"
            " > {log} 2>&1"

    rule:
        name:
            f"rollout_teacher{group}"
        input:
            model=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
            prompts=LAYOUT.training_prompts,
            schedule=expand(f"{LAYOUT.shared}/schedule.parquet", seed=seeds, allow_missing=True),
            preflight=ancient(PREFLIGHT),
        output:
            expand(
                f"{LAYOUT.shared}/round{{round}}/teacher/rollouts.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/rollout_teacher/{{pair}}_round{{round}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/rollout_teacher/{{pair}}_round{{round}}{group}.tsv"
        conda:
            SAMPLING_ENVIRONMENT
        threads: CONFIG.threads
        resources:
            **TEACHER_JOB,
        params:
            settings=lambda wildcards: as_json(LAYOUT.section("rollout", wildcards)),
            seeds=seed_options(seeds),
            python=SAMPLING_PYTHON,
            model=LAYOUT.teacher,
            schedule=of_job(f"{LAYOUT.shared}/schedule.parquet"),
            steps=lambda wildcards: LAYOUT.section("training", wildcards).steps_per_round,
            output=of_job(f"{LAYOUT.shared}/round{{round}}/teacher/rollouts.parquet"),
            state=of_job(f"{LAYOUT.state}/{{pair}}/shared/seed{{seed}}/round{{round}}/teacher"),
            code=digest("askd.rollout.stage"),
        message:
            "Teacher answers: {wildcards.pair}, round {wildcards.round}"
        shell:
            "{params.python} -m askd rollout --settings {params.settings:q} {params.seeds}"
            " --stream 'teacher round {wildcards.round}' --model {params.model}"
            " --prompts {input.prompts} --schedule {params.schedule} --round {wildcards.round}"
            " --steps {params.steps} --output {params.output} --state {params.state} > {log} 2>&1"

    rule:
        name:
            f"rollout_student{group}"
        input:
            models=per_seed(
                lambda wildcards: f"{LAYOUT.sampling_student(wildcards)}/manifest.json", seeds
            ),
            prompts=LAYOUT.training_prompts,
            schedule=expand(f"{LAYOUT.shared}/schedule.parquet", seed=seeds, allow_missing=True),
            preflight=ancient(PREFLIGHT),
            teacher=LAYOUT.policy_teacher,
        output:
            expand(
                f"{LAYOUT.run}/round{{round}}/student/rollouts.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/rollout_student/{{pair}}_{{run}}_round{{round}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/rollout_student/{{pair}}_{{run}}_round{{round}}{group}.tsv"
        conda:
            SAMPLING_ENVIRONMENT
        threads: CONFIG.threads
        resources:
            **MODEL_JOB,
        params:
            settings=lambda wildcards: as_json(LAYOUT.section("rollout", wildcards)),
            seeds=seed_options(seeds),
            python=SAMPLING_PYTHON,
            model=LAYOUT.sampling_student,
            schedule=of_job(f"{LAYOUT.shared}/schedule.parquet"),
            steps=LAYOUT.window,
            policy=LAYOUT.policy_options,
            output=of_job(f"{LAYOUT.run}/round{{round}}/student/rollouts.parquet"),
            state=of_job(f"{LAYOUT.state}/{{pair}}/{{run}}/seed{{seed}}/round{{round}}/student"),
            code=digest("askd.rollout.stage"),
        message:
            "Student answers: {wildcards.pair}, {wildcards.run}, round {wildcards.round}"
        shell:
            "{params.python} -m askd rollout --settings {params.settings:q} {params.seeds}"
            " --stream 'student round {wildcards.round} step 0' --model {params.model}"
            " --prompts {input.prompts} --schedule {params.schedule} --round {wildcards.round}"
            " --steps {params.steps} {params.policy} --output {params.output}"
            " --state {params.state} > {log} 2>&1"

    rule:
        name:
            f"score{group}"
        input:
            teacher=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
            student=lambda wildcards: f"{LAYOUT.untrained_student(wildcards)}/manifest.json",
            prompts=LAYOUT.training_prompts,
            rollouts=expand(
                f"{LAYOUT.run}/round{{round}}/{{side}}/rollouts.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        output:
            expand(
                f"{LAYOUT.run}/round{{round}}/{{side}}/scores.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/score/{{pair}}_{{run}}_round{{round}}_{{side}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/score/{{pair}}_{{run}}_round{{round}}_{{side}}{group}.tsv"
        conda:
            SAMPLING_ENVIRONMENT
        threads: CONFIG.threads
        resources:
            **TEACHER_JOB,
        params:
            seeds=seed_options(seeds),
            python=SAMPLING_PYTHON,
            teacher=LAYOUT.teacher,
            student=LAYOUT.untrained_student,
            rollouts=of_job(f"{LAYOUT.run}/round{{round}}/{{side}}/rollouts.parquet"),
            settings=lambda wildcards: as_json(LAYOUT.section("rollout", wildcards)),
            head_chunk=lambda wildcards: LAYOUT.section("training", wildcards).head_chunk,
            output=of_job(f"{LAYOUT.run}/round{{round}}/{{side}}/scores.parquet"),
            code=digest("askd.rollout.stage"),
        message:
            "Score: {wildcards.pair}, {wildcards.run}, round {wildcards.round}, {wildcards.side}"
        shell:
            "{params.python} -m askd score --settings {params.settings:q} {params.seeds}"
            " --teacher {params.teacher} --student {params.student} --prompts {input.prompts}"
            " --rollouts {params.rollouts} --head-chunk {params.head_chunk}"
            " --output {params.output} > {log} 2>&1"
