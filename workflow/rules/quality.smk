"""Needs rollouts; makes rewards (a grader's) and skewness (advantage, alpha, kappa)."""


rule grade:
    input:
        prompts=LAYOUT.training_prompts,
        rollouts=f"{LAYOUT.run}/round{{round}}/{{side}}/rollouts.parquet",
    output:
        f"{LAYOUT.run}/round{{round}}/{{side}}/rewards.parquet",
    log:
        f"{LAYOUT.logs}/grade/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/grade/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        grader=LAYOUT.grade_options,
        code=lambda wildcards: digest("askd.rewards.grade", LAYOUT.task_of(wildcards).grader_module),
    message:
        "Grade: {wildcards.pair}, {wildcards.run}, seed {wildcards.seed}, round {wildcards.round}, {wildcards.side}"
    shell:
        "python -m askd grade {params.grader} --prompts {input.prompts}"
        " --rollouts {input.rollouts} --output {output} > {log} 2>&1"


rule project:
    input:
        rewards=LAYOUT.own_rewards,
        pooled=LAYOUT.pooled_rewards,
    output:
        f"{LAYOUT.run}/round{{round}}/{{side}}/skewness.parquet",
    log:
        f"{LAYOUT.logs}/project/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/project/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=lambda wildcards: as_json(LAYOUT.advantage_of(wildcards)),
        beta=LAYOUT.beta_of,
        pooled=lambda wildcards, input: "--pooled-with" if input.pooled else "",
        code=digest("askd.rewards.project"),
    message:
        "Project: {wildcards.pair}, {wildcards.run}, seed {wildcards.seed}, round {wildcards.round}, {wildcards.side}"
    shell:
        "python -m askd project --settings {params.settings:q} --beta {params.beta}"
        " --rewards {input.rewards} {params.pooled} {input.pooled} --output {output} > {log} 2>&1"
