"""Needs models; makes results/SCALE/PAIR/SYSTEM/seedS/eval/BENCHMARK/{items.parquet,summary.json}.

A system is a method, or the pair's teacher or student as it was before. One job answers all
benchmarks of a task and split, with the models of all seeds.
"""

for task, split, systems, seeds in LAYOUT.evaluations:

    rule:
        name:
            f"evaluate_{task}_{split}" + ("_untrained" if "teacher" in systems else "")
        input:
            models=per_seed(
                lambda wildcards: f"{LAYOUT.evaluated_model(wildcards)}/manifest.json", seeds
            ),
            data=f"{LAYOUT.root}/data/{task}/{split}.parquet",
        output:
            expand(
                f"{LAYOUT.evaluated}/{{benchmark}}/{{file}}",
                seed=seeds,
                benchmark=LAYOUT.benchmarks_of(task, split),
                file=["items.parquet", "summary.json"],
                allow_missing=True,
            ),
        log:
            f"{LAYOUT.logs}/evaluate/{{pair}}_{{system}}_{task}_{split}.log",
        benchmark:
            f"{LAYOUT.benchmarks}/evaluate/{{pair}}_{{system}}_{task}_{split}.tsv"
        wildcard_constraints:
            pair=one_of(LAYOUT.pairs_of(task)),
            system=one_of(systems),
        conda:
            "../../envs/evaluate.yaml"
        threads: CONFIG.threads
        resources:
            **MODEL_JOB,
        params:
            settings=LAYOUT.evaluate_settings(task, split),
            seeds=seed_options(seeds),
            model=LAYOUT.evaluated_model,
            data=subpath(input.data, parent=True),
            output=of_job(LAYOUT.evaluated),
            code=digest("askd.evaluation.evaluate", CONFIG.tasks[task].grader_module),
        message:
            "Evaluate: {wildcards.pair}, {wildcards.system}"
        shell:
            "python -m askd evaluate --settings {params.settings:q} {params.seeds}"
            " --model {params.model} --data {params.data} --output {params.output} > {log} 2>&1"
