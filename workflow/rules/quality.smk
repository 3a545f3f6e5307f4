"""Needs rollouts; makes rewards (a grader's) and skewness (advantage, alpha, kappa)."""

for group, seeds in LAYOUT.seeds.items():

    rule:
        name:
            f"grade{group}"
        input:
            prompts=LAYOUT.training_prompts,
            rollouts=expand(
                f"{LAYOUT.run}/round{{round}}/{{side}}/rollouts.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        output:
            expand(
                f"{LAYOUT.run}/round{{round}}/{{side}}/rewards.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/grade/{{pair}}_{{run}}_round{{round}}_{{side}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/grade/{{pair}}_{{run}}_round{{round}}_{{side}}{group}.tsv"
        conda:
            "../../envs/data.yaml"
        # Answers are graded by as many workers, or by a judge.
        threads: CONFIG.threads
        resources:
            **LIGHT_JOB,
        params:
            seeds=seed_options(seeds),
            grader=LAYOUT.grade_options,
            rollouts=of_job(f"{LAYOUT.run}/round{{round}}/{{side}}/rollouts.parquet"),
            output=of_job(f"{LAYOUT.run}/round{{round}}/{{side}}/rewards.parquet"),
            code=lambda wildcards: digest(
                "askd.rewards.grade", LAYOUT.task_of(wildcards).grader_module
            ),
        message:
            "Grade: {wildcards.pair}, {wildcards.run}, round {wildcards.round}, {wildcards.side}"
        shell:
            "python -m askd grade {params.seeds} {params.grader} --prompts {input.prompts}"
            " --rollouts {params.rollouts} --output {params.output} > {log} 2>&1"

    rule:
        name:
            f"project{group}"
        input:
            rewards=per_seed(LAYOUT.own_rewards, seeds),
            pooled=per_seed(LAYOUT.pooled_rewards, seeds),
        output:
            expand(
                f"{LAYOUT.run}/round{{round}}/{{side}}/skewness.parquet",
                seed=seeds,
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/project/{{pair}}_{{run}}_round{{round}}_{{side}}{group}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/project/{{pair}}_{{run}}_round{{round}}_{{side}}{group}.tsv"
        conda:
            "../../envs/data.yaml"
        resources:
            **LIGHT_JOB,
        params:
            settings=lambda wildcards: as_json(LAYOUT.advantage_of(wildcards)),
            seeds=seed_options(seeds),
            beta=LAYOUT.beta_of,
            rewards=LAYOUT.own_rewards,
            pooled=LAYOUT.pooled_option,
            output=of_job(f"{LAYOUT.run}/round{{round}}/{{side}}/skewness.parquet"),
            code=digest("askd.rewards.project"),
        message:
            "Project: {wildcards.pair}, {wildcards.run}, round {wildcards.round}, {wildcards.side}"
        shell:
            "python -m askd project --settings {params.settings:q} {params.seeds}"
            " --beta {params.beta} --rewards {params.rewards} {params.pooled}"
            " --output {params.output} > {log} 2>&1"
