"""Needs nothing; makes results/SCALE/models/NAME, an ordinary Hugging Face folder."""


rule pretrain:
    output:
        expand(f"{LAYOUT.root}/models/{{model}}/{{file}}", file=MODEL_FILES, allow_missing=True),
        metrics=f"{LAYOUT.root}/models/{{model}}.metrics.jsonl",
    log:
        f"{LAYOUT.logs}/pretrain/{{model}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/pretrain/{{model}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        gpu=CONFIG.gpus,
    params:
        settings=LAYOUT.pretrain_settings,
        folder=subpath(output[0], parent=True),
        state=f"{LAYOUT.state}/models/{{model}}",
        code=lambda wildcards: digest(
            "askd.models.pretrain",
            "askd.objectives.likelihood",
            CONFIG.tasks[CONFIG.models[wildcards.model].task].module,
            CONFIG.tasks[CONFIG.models[wildcards.model].task].grader_module,
        ),
    message:
        "Pretrain {wildcards.model}"
    shell:
        "python -m askd pretrain --settings {params.settings:q} --output {params.folder}"
        " --metrics {output.metrics} --state {params.state} > {log} 2>&1"
