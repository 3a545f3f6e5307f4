"""Needs the items of all systems; makes results/SCALE/tables and the times of all stages."""


def table_items(wildcards):
    """The items of every cell. The teacher and the untrained student have one seed."""
    table = CONFIG.tables[wildcards.table]
    return [
        f"{RESULTS}/{pair}/{system}/seed{seed}/eval/{benchmark}/items.parquet"
        for pair in table.pairs
        for system in table.systems
        for seed in ([0] if system in ("teacher", "student") else seeds())
        for benchmark in table.benchmarks
    ]


def table_settings(wildcards):
    table = CONFIG.tables[wildcards.table]
    return as_json(
        {
            "name": wildcards.table,
            "table": table,
            "pairs": {name: CONFIG.pairs[name] for name in table.pairs},
            "benchmarks": {name: CONFIG.benchmarks[name] for name in table.benchmarks},
            "methods": {
                name: CONFIG.methods[name] for name in table.systems if name in CONFIG.methods
            },
            "seeds": CONFIG.seeds,
        }
    )


rule table:
    input:
        answers=table_items,
        paper=lambda wildcards: str(ROOT / CONFIG.tables[wildcards.table].paper),
    output:
        expand(
            f"{RESULTS}/tables/{{table}}.{{kind}}",
            kind=["csv", "md", "tex", "html"],
            allow_missing=True,
        ),
        tests=f"{RESULTS}/tables/{{table}}_tests.csv",
    log:
        f"{LOGS}/table/{{table}}.log",
    benchmark:
        f"{BENCHMARKS}/table/{{table}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        settings=table_settings,
        results=RESULTS,
        folder=f"{RESULTS}/tables",
        code=digest("askd.reporting.stage"),
    shell:
        "python -m askd table --settings {params.settings:q} --paper {input.paper}"
        " --results {params.results} --output {params.folder} > {log} 2>&1"
