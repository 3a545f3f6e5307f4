"""Needs a task's source; makes results/SCALE/data/TASK/{train,validation,test}.parquet."""


rule prompts:
    input:
        LAYOUT.source_files,
    output:
        multiext(f"{LAYOUT.data}/", "train.parquet", "validation.parquet", "test.parquet"),
    log:
        f"{LAYOUT.logs}/prompts/{{task}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/prompts/{{task}}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=lambda wildcards: as_json(CONFIG.tasks[wildcards.task]),
        folder=subpath(output[0], parent=True),
        code=lambda wildcards: digest("askd.tasks.prompts", CONFIG.tasks[wildcards.task].module),
    message:
        "Prompts of {wildcards.task}"
    shell:
        "python -m askd prompts --settings {params.settings:q} --output {params.folder} > {log} 2>&1"
