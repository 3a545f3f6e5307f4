"""Needs a model; makes results/SCALE/PAIR/SYSTEM/seedS/eval/BENCHMARK/{items.parquet,summary.json}.

A system is a method, or the pair's teacher or student as it was before. One job answers all
benchmarks of a task, so that the model is loaded once.
"""


def evaluated_model(wildcards):
    if wildcards.system == "teacher":
        return teacher_folder(wildcards)
    if wildcards.system == "student":
        return student_folder(wildcards, "student", 0)
    return student_folder(wildcards, wildcards.system, CONFIG.rounds)


def benchmarks_of(task):
    return {
        name: benchmark for name, benchmark in CONFIG.benchmarks.items() if benchmark.task == task
    }


for task in sorted({pair.task for pair in CONFIG.pairs.values()}):

    rule:
        name:
            f"evaluate_{task}"
        input:
            model=lambda wildcards: manifest(evaluated_model(wildcards)),
            data=[
                f"{RESULTS}/data/{task}/{split}.parquet"
                for split in sorted(
                    {benchmark.split for benchmark in benchmarks_of(task).values()}
                )
            ],
        output:
            expand(
                f"{RESULTS}/{{pair}}/{{system}}/seed{{seed}}/eval/{{benchmark}}/{{file}}",
                benchmark=benchmarks_of(task),
                file=["items.parquet", "summary.json"],
                allow_missing=True,
            ),
        log:
            f"{LOGS}/evaluate/{{pair}}_{{system}}_seed{{seed}}.log",
        benchmark:
            f"{BENCHMARKS}/evaluate/{{pair}}_{{system}}_seed{{seed}}.tsv"
        wildcard_constraints:
            pair=one_of(name for name, pair in CONFIG.pairs.items() if pair.task == task),
        conda:
            "../../envs/evaluate.yaml"
        threads: CONFIG.threads
        resources:
            gpu=CONFIG.gpus,
        params:
            settings=as_json(
                {
                    "evaluation": CONFIG.evaluation,
                    "rollout": CONFIG.rollout,
                    "benchmarks": benchmarks_of(task),
                    "grader": CONFIG.tasks[task].grader,
                }
            ),
            model=evaluated_model,
            data=f"{RESULTS}/data/{task}",
            folder=f"{RESULTS}/{{pair}}/{{system}}/seed{{seed}}/eval",
            code=digest("askd.evaluation.evaluate"),
        shell:
            "python -m askd evaluate --settings {params.settings:q} --seed {wildcards.seed}"
            " --model {params.model} --data {params.data} --output {params.folder} > {log} 2>&1"
