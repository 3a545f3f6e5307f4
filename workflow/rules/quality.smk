"""Needs rollouts; makes rewards (a grader's) and skewness (advantage, alpha, kappa)."""


def rewards(wildcards, side):
    """Rewards of a side: teacher outputs are shared by all methods."""
    folder = SHARED if side == "teacher" else RUN
    return f"{folder}/round{{round}}/{side}/rewards.parquet"


def pooled_rewards(wildcards):
    """The other side's rewards, where the moments of both sides are pooled."""
    if CONFIG.advantage.sides == "separate":
        return []
    return rewards(wildcards, "student" if wildcards.side == "teacher" else "teacher")


rule grade:
    input:
        prompts=training_prompts,
        rollouts=f"{RUN}/round{{round}}/{{side}}/rollouts.parquet",
    output:
        f"{RUN}/round{{round}}/{{side}}/rewards.parquet",
    log:
        f"{LOGS}/grade/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.log",
    benchmark:
        f"{BENCHMARKS}/grade/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        grader=lambda wildcards: task_of(wildcards).grader,
        code=digest("askd.rewards.grade"),
    shell:
        "python -m askd grade --grader {params.grader} --prompts {input.prompts}"
        " --rollouts {input.rollouts} --output {output} > {log} 2>&1"


rule project:
    input:
        rewards=lambda wildcards: rewards(wildcards, wildcards.side),
        pooled=pooled_rewards,
    output:
        f"{RUN}/round{{round}}/{{side}}/skewness.parquet",
    log:
        f"{LOGS}/project/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.log",
    benchmark:
        f"{BENCHMARKS}/project/{{pair}}_{{run}}_seed{{seed}}_round{{round}}_{{side}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=as_json(CONFIG.advantage),
        beta=CONFIG.skewness.beta,
        pooled="--pooled-with" if CONFIG.advantage.sides == "joint" else "",
        code=digest("askd.rewards.project"),
    shell:
        "python -m askd project --settings {params.settings:q} --beta {params.beta}"
        " --rewards {input.rewards} {params.pooled} {input.pooled} --output {output} > {log} 2>&1"
