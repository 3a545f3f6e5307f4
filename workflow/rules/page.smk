"""Needs the outputs of all other reports; makes the tables of the sweep and of what trainings used,
and results/SCALE/report.html.

What the configuration does not ask for (figures, estimators, a sweep) is no input, and the page
leaves it out.
"""

from hashlib import sha256

from askd.reporting.page.settings import page_settings

PAGE_TABLES = [f"{LAYOUT.root}/tables/{table}" for table in CONFIG.tables]
PAGE_SETTINGS = page_settings(CONFIG)
# Claims and statements are the paper's, and say nothing of a run that shows no table of it.
PAGE_PAPER = any(table.paper for table in CONFIG.tables.values())
PAGE_PROGRAMS = any(task.grader == "code" for task in PAGE_SETTINGS.tasks.values())
TRIES = [
    path
    for pair in (CONFIG.sweep.pairs if CONFIG.sweep else [])
    if (path := TUNED / f"{pair}.csv").is_file()
]


if TRIES:

    rule sweep_table:
        output:
            multiext(f"{LAYOUT.root}/tables/sweep", ".csv", ".md"),
        log:
            f"{LAYOUT.logs}/sweep_table.log",
        benchmark:
            f"{LAYOUT.benchmarks}/sweep_table/all.tsv"
        conda:
            "../../envs/report.yaml"
        resources:
            **LIGHT_JOB,
        params:
            settings=as_json(
                {
                    "pairs": {name: pair.label for name, pair in CONFIG.pairs.items()},
                    "methods": {name: CONFIG.methods[name].label for name in CONFIG.sweep.methods},
                    "sweep": CONFIG.sweep,
                    "seeds": CONFIG.seeds,
                    "rounds": CONFIG.rounds,
                    "sections": {name: CONFIG.sections(name) for name in CONFIG.sweep.pairs},
                }
            ),
            # No input, or every report would first run the sweep, which makes these files.
            tries=" ".join(f"--tries {quote(str(path))}" for path in TRIES),
            content=[sha256(path.read_bytes()).hexdigest() for path in TRIES],
            output=subpath(output[0], strip_suffix=".csv"),
            code=digest("askd.reporting.sweep_table"),
        message:
            "Table of the sweep"
        shell:
            "python -m askd sweep-table --settings {params.settings:q} {params.tries}"
            " --output {params.output} > {log} 2>&1"


if PAGE_SETTINGS.runs:

    rule budget:
        input:
            [
                f"{LAYOUT.trained}/trained_on.parquet".format(
                    pair=run.pair, method=run.method, seed=seed, round=round_
                )
                for run in PAGE_SETTINGS.runs
                for seed in range(CONFIG.seeds)
                for round_ in range(1, CONFIG.rounds + 1)
            ],
        output:
            multiext(f"{LAYOUT.root}/tables/budget", ".csv", ".md"),
        log:
            f"{LAYOUT.logs}/budget.log",
        benchmark:
            f"{LAYOUT.benchmarks}/budget/all.tsv"
        conda:
            "../../envs/report.yaml"
        resources:
            **LIGHT_JOB,
        params:
            settings=as_json(
                {
                    "pairs": {name: pair.label for name, pair in PAGE_SETTINGS.pairs.items()},
                    "methods": {
                        name: method.label for name, method in PAGE_SETTINGS.methods.items()
                    },
                    "trained": [
                        {"pair": run.pair, "method": run.method} for run in PAGE_SETTINGS.runs
                    ],
                    "seeds": CONFIG.seeds,
                    "rounds": CONFIG.rounds,
                    "results": LAYOUT.root,
                }
            ),
            output=subpath(output[0], strip_suffix=".csv"),
            code=digest("askd.reporting.budget"),
        message:
            "What a training step uses"
        shell:
            "python -m askd budget --settings {params.settings:q} --output {params.output}"
            " > {log} 2>&1"


# What the page shows, beside the times of all that.
REPORTED = {
    "tables": expand("{table}{ending}", table=PAGE_TABLES, ending=[".csv", ".html"]),
    "claims": rules.claims.output if PAGE_PAPER else [],
    "contrast": rules.contrast.output if PAGE_PAPER else [],
    "power": rules.power.output,
    "answers": rules.answers.output,
    "theory": rules.theory.output if PAGE_PAPER else [],
    "figures": rules.figures.output if CONFIG.figures else [],
    "variance": rules.variance.output if CONFIG.estimators else [],
    "curves": (
        expand(rules.curves.output, pair=CONFIG.estimators.pairs) if CONFIG.estimators else []
    ),
    "budget": rules.budget.output if PAGE_SETTINGS.runs else [],
    "audit": rules.sandbox_audit.output if PAGE_PROGRAMS else [],
    "sweep": rules.sweep_table.output if TRIES else [],
}


rule times:
    input:
        **REPORTED,
    output:
        multiext(f"{LAYOUT.root}/times", ".csv", ".md", ".json"),
    log:
        f"{LAYOUT.logs}/times.log",
    benchmark:
        f"{LAYOUT.benchmarks}/times/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        benchmarks=LAYOUT.benchmarks,
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.times"),
    message:
        "Times of all stages"
    shell:
        "python -m askd times --benchmarks {params.benchmarks} --output {params.output}"
        " > {log} 2>&1"


rule report:
    input:
        **REPORTED,
        times=rules.times.output,
        models=[f"{LAYOUT.model_folder(name)}/manifest.json" for name in PAGE_SETTINGS.models],
        templates=sorted((ROOT / "askd" / "reporting" / "page" / "templates").iterdir()),
    output:
        page=f"{LAYOUT.root}/report.html",
        provenance=f"{LAYOUT.root}/provenance.md",
    log:
        f"{LAYOUT.logs}/report.log",
    benchmark:
        f"{LAYOUT.benchmarks}/report/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(PAGE_SETTINGS),
        code=digest("askd.reporting.page.page"),
    message:
        "Report: one page of all results"
    shell:
        "python -m askd report --settings {params.settings:q} --output {output.page} > {log} 2>&1"
