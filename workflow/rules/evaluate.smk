"""Needs a model; makes results/SCALE/PAIR/SYSTEM/seedS/eval/BENCHMARK/{items.parquet,summary.json}.

A system is a method, or the pair's teacher or student as it was before. One job answers all
benchmarks of a task and split, so that the model is loaded once.
"""

for task, split in LAYOUT.evaluations:

    rule:
        name:
            f"evaluate_{task}_{split}"
        input:
            model=lambda wildcards: f"{LAYOUT.evaluated_model(wildcards)}/manifest.json",
            data=f"{LAYOUT.root}/data/{task}/{split}.parquet",
        output:
            expand(
                f"{LAYOUT.evaluated}/{{benchmark}}/{{file}}",
                benchmark=LAYOUT.benchmarks_of(task, split),
                file=["items.parquet", "summary.json"],
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/evaluate/{{pair}}_{{system}}_seed{{seed}}_{task}_{split}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/evaluate/{{pair}}_{{system}}_seed{{seed}}_{task}_{split}.tsv"
        wildcard_constraints:
            pair=one_of(LAYOUT.pairs_of(task)),
        conda:
            "../../envs/evaluate.yaml"
        threads: CONFIG.threads
        resources:
            gpu=CONFIG.gpus,
        params:
            settings=LAYOUT.evaluate_settings(task, split),
            model=subpath(input.model, parent=True),
            data=subpath(input.data, parent=True),
            folder=subpath(output[0], ancestor=2),
            code=digest("askd.evaluation.evaluate", CONFIG.tasks[task].grader_module),
        message:
            "Evaluate: {wildcards.pair}, {wildcards.system}, seed {wildcards.seed}"
        shell:
            "python -m askd evaluate --settings {params.settings:q} --seed {wildcards.seed}"
            " --model {params.model} --data {params.data} --output {params.folder} > {log} 2>&1"
