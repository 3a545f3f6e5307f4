"""Needs the items of all systems; makes results/SCALE/tables, the audit and the choice of settings."""

# What the stages that read all tables are told of them.
ALL_TABLES = {
    "tables": CONFIG.tables,
    "pairs": {name: pair.label for name, pair in CONFIG.pairs.items()},
    "benchmarks": {name: benchmark.label for name, benchmark in CONFIG.benchmarks.items()},
    "seeds": CONFIG.seeds,
    "results": LAYOUT.root,
}


rule table:
    input:
        answers=LAYOUT.table_items,
        paper=lambda wildcards: [
            str(ROOT / path) for path in [CONFIG.tables[wildcards.table].paper] if path
        ],
        audit=LAYOUT.table_audit,
    output:
        multiext(f"{LAYOUT.root}/tables/{{table}}", ".csv", ".md", ".tex", ".html", "_tests.csv"),
    log:
        f"{LAYOUT.logs}/table/{{table}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/table/{{table}}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=LAYOUT.table_settings,
        folder=subpath(output[0], parent=True),
        paper=lambda wildcards, input: f"--paper {input.paper}" if input.paper else "",
        audit=lambda wildcards, input: f"--audit {input.audit}" if input.audit else "",
        code=digest("askd.reporting.stage"),
    message:
        "Table {wildcards.table}"
    shell:
        "python -m askd table --settings {params.settings:q} {params.paper}"
        " --output {params.folder} {params.audit} > {log} 2>&1"


rule power:
    input:
        expand(f"{LAYOUT.root}/tables/{{table}}.csv", table=CONFIG.tables),
    output:
        multiext(f"{LAYOUT.root}/tables/power", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/power.log",
    benchmark:
        f"{LAYOUT.benchmarks}/power/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(ALL_TABLES),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.power"),
    message:
        "Which differences the tables resolve"
    shell:
        "python -m askd power --settings {params.settings:q} --output {params.output}"
        " > {log} 2>&1"


rule answers:
    input:
        expand(f"{LAYOUT.root}/tables/{{table}}.csv", table=CONFIG.tables),
    output:
        multiext(f"{LAYOUT.root}/tables/answers", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/answers.log",
    benchmark:
        f"{LAYOUT.benchmarks}/answers/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(
            {
                **ALL_TABLES,
                "methods": {name: method.label for name, method in CONFIG.methods.items()},
            }
        ),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.answers"),
    message:
        "Answers that were not read, and how the judge did"
    shell:
        "python -m askd answers --settings {params.settings:q} --output {params.output}"
        " > {log} 2>&1"


rule sandbox_audit:
    output:
        multiext(f"{LAYOUT.root}/tables/sandbox_audit", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/sandbox_audit.log",
    benchmark:
        f"{LAYOUT.benchmarks}/sandbox_audit/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(CONFIG.sandbox),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.sandbox_audit"),
    message:
        "Audit of the sandbox"
    shell:
        "python -m askd audit --settings {params.settings:q} --output {params.output}"
        " > {log} 2>&1"


rule tune:
    input:
        LAYOUT.sweep_items,
    output:
        tries=TUNED / "{pair}.csv",
        tuned=TUNED / "{pair}.yaml",
    log:
        f"{LAYOUT.logs}/tune/{{pair}}.log",
    benchmark:
        f"{LAYOUT.benchmarks}/tune/{{pair}}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=LAYOUT.tune_settings,
        code=digest("askd.reporting.sweep"),
    message:
        "Choose settings on validation prompts: {wildcards.pair}"
    shell:
        "python -m askd tune --settings {params.settings:q}"
        " --tries {output.tries} --tuned {output.tuned} > {log} 2>&1"
