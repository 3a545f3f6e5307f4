"""Needs the outputs of all other reports; makes the table of the sweep and results/SCALE/report.html.

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
        params:
            settings=as_json(
                {
                    "pairs": {name: pair.label for name, pair in CONFIG.pairs.items()},
                    "methods": {name: CONFIG.methods[name].label for name in CONFIG.sweep.methods},
                    "sweep": CONFIG.sweep,
                    "seeds": CONFIG.seeds,
                    "rounds": CONFIG.rounds,
                    "training": CONFIG.training,
                    "rollout": CONFIG.rollout,
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


rule report:
    input:
        tables=expand("{table}{ending}", table=PAGE_TABLES, ending=[".csv", ".html"]),
        claims=rules.claims.output if PAGE_PAPER else [],
        theory=rules.theory.output if PAGE_PAPER else [],
        times=rules.times.output,
        figures=rules.figures.output if CONFIG.figures else [],
        variance=rules.variance.output if CONFIG.estimators else [],
        curves=(
            expand(rules.curves.output, pair=CONFIG.estimators.pairs) if CONFIG.estimators else []
        ),
        audit=rules.sandbox_audit.output if PAGE_PROGRAMS else [],
        sweep=rules.sweep_table.output if TRIES else [],
        models=[f"{LAYOUT.model_folder(name)}/manifest.json" for name in PAGE_SETTINGS.models],
        templates=sorted((ROOT / "askd" / "reporting" / "page" / "templates").iterdir()),
    output:
        f"{LAYOUT.root}/report.html",
    log:
        f"{LAYOUT.logs}/report.log",
    benchmark:
        f"{LAYOUT.benchmarks}/report/all.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        settings=as_json(PAGE_SETTINGS),
        code=digest("askd.reporting.page.page"),
    message:
        "Report: one page of all results"
    shell:
        "python -m askd report --settings {params.settings:q} --output {output} > {log} 2>&1"
