"""Needs a task's source; makes results/SCALE/data/TASK/{train,validation,test}.parquet."""


def prompt_files(wildcards):
    """The user's own files of a task that is not generated."""
    task = CONFIG.tasks[wildcards.task]
    return [] if task.kind == "arithmetic" else [task.train, task.validation, task.test]


rule prompts:
    input:
        prompt_files,
    output:
        expand(
            f"{DATA}/{{split}}.parquet", split=["train", "validation", "test"], allow_missing=True
        ),
    log:
        f"{LOGS}/prompts/{{task}}.log",
    benchmark:
        f"{BENCHMARKS}/prompts/{{task}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=lambda wildcards: as_json(CONFIG.tasks[wildcards.task]),
        folder=DATA,
        code=digest("askd.tasks.prompts"),
    shell:
        "python -m askd prompts --settings {params.settings:q} --output {params.folder} > {log} 2>&1"
