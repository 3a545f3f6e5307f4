"""Needs a pair's models and prompts; makes results/SCALE/figures: Figures 1 and 2 of the paper."""

FIGURES_PAIR = CONFIG.pairs[CONFIG.figures.pair]


rule figures_data:
    input:
        teacher=f"{LAYOUT.model_folder(FIGURES_PAIR.teacher)}/manifest.json",
        student=f"{LAYOUT.model_folder(FIGURES_PAIR.student)}/manifest.json",
        prompts=f"{LAYOUT.root}/data/{FIGURES_PAIR.task}/train.parquet",
    output:
        expand(
            f"{LAYOUT.root}/figures/data/{{table}}.parquet",
            table=["tokens", "sequences", "curves"],
        ),
    log:
        f"{LAYOUT.logs}/figures_data.log",
    benchmark:
        f"{LAYOUT.benchmarks}/figures_data/all.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: CONFIG.threads
    resources:
        **MODEL_JOB,
    params:
        settings=as_json(
            {
                "rollout": CONFIG.section("rollout", CONFIG.figures.pair),
                "advantage": CONFIG.section("advantage", CONFIG.figures.pair),
                "skewness": CONFIG.section("skewness", CONFIG.figures.pair),
                "head_chunk": CONFIG.section("training", CONFIG.figures.pair).head_chunk,
                "grader": CONFIG.tasks[FIGURES_PAIR.task].grader,
                "sandbox": LAYOUT.sandbox_of(FIGURES_PAIR.task),
                "judge": LAYOUT.judge_of(FIGURES_PAIR.task),
            }
        ),
        teacher=subpath(input.teacher, parent=True),
        student=subpath(input.student, parent=True),
        folder=subpath(output[0], parent=True),
        code=digest("askd.reporting.figures.data", CONFIG.tasks[FIGURES_PAIR.task].grader_module),
    message:
        f"Outputs for the figures: {CONFIG.figures.pair}"
    shell:
        "python -m askd figures-data --settings {params.settings:q} --seed 0"
        " --teacher {params.teacher} --student {params.student} --prompts {input.prompts}"
        " --output {params.folder} > {log} 2>&1"


rule figures:
    input:
        rules.figures_data.output,
    output:
        multiext(f"{LAYOUT.root}/figures/figure1", ".svg", ".png", ".csv"),
        multiext(f"{LAYOUT.root}/figures/figure2", ".svg", ".png", ".csv"),
        f"{LAYOUT.root}/figures/facts.csv",
        f"{LAYOUT.root}/figures/captions.md",
    log:
        f"{LAYOUT.logs}/figures.log",
    benchmark:
        f"{LAYOUT.benchmarks}/figures/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(CONFIG.section("advantage", CONFIG.figures.pair)),
        data=subpath(input[0], parent=True),
        beta=CONFIG.section("skewness", CONFIG.figures.pair).beta,
        folder=subpath(output[0], parent=True),
        code=digest("askd.reporting.figures.stage"),
    message:
        "Figures"
    shell:
        "python -m askd figures --settings {params.settings:q} --data {params.data}"
        " --beta {params.beta} --output {params.folder} > {log} 2>&1"
