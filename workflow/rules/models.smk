"""Needs nothing; makes results/SCALE/models/NAME, an ordinary Hugging Face folder."""


def pretrain_settings(wildcards):
    model = CONFIG.models[wildcards.model]
    return as_json({"name": wildcards.model, "model": model, "task": CONFIG.tasks[model.task]})


rule pretrain:
    output:
        expand(f"{RESULTS}/models/{{model}}/{{file}}", file=MODEL_FILES, allow_missing=True),
        metrics=f"{RESULTS}/models/{{model}}.metrics.jsonl",
    log:
        f"{LOGS}/pretrain/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{model}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        gpu=CONFIG.gpus,
    params:
        settings=pretrain_settings,
        folder=f"{RESULTS}/models/{{model}}",
        state=f"{STATE}/models/{{model}}",
        code=digest("askd.models.pretrain", "askd.objectives.likelihood"),
    shell:
        "python -m askd pretrain --settings {params.settings:q} --output {params.folder}"
        " --metrics {output.metrics} --state {params.state} > {log} 2>&1"
