"""Needs the models of a pair and its training prompts; makes the report that lets it be distilled.

A pair that is refused stops here, before anything is sampled. Rollouts need the report but do not
depend on its age: a check that is edited is made anew, and changes no result.
"""

PREFLIGHT = f"{LAYOUT.root}/{{pair}}/preflight.json"


rule preflight:
    input:
        teacher=lambda wildcards: f"{LAYOUT.teacher(wildcards)}/manifest.json",
        student=lambda wildcards: f"{LAYOUT.untrained_student(wildcards)}/manifest.json",
        prompts=LAYOUT.training_prompts,
    output:
        PREFLIGHT,
    log:
        f"{LAYOUT.logs}/preflight/{{pair}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/preflight/{{pair}}.tsv"
    conda:
        "../../envs/rollout.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        teacher=subpath(input.teacher, parent=True),
        student=subpath(input.student, parent=True),
        rollout=LAYOUT.check_options,
        micro_batch=lambda wildcards: LAYOUT.section("training", wildcards).micro_batch_size,
        head_chunk=lambda wildcards: LAYOUT.section("training", wildcards).head_chunk,
        precision=lambda wildcards: precision_options(LAYOUT.section("training", wildcards)),
        results=subpath(output[0], ancestor=2),
        code=digest("askd.models.preflight.check"),
    message:
        "Check the pair: {wildcards.pair}"
    shell:
        "python -m askd check {params.teacher} {params.student} --prompts {input.prompts}"
        " {params.rollout}"
        " --micro-batch {params.micro_batch} --head-chunk {params.head_chunk} {params.precision}"
        " --results {params.results} --output {output} > {log} 2>&1"
