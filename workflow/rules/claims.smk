"""Needs the items of all tables, and figures/facts.csv; makes the verdicts on the paper's claims."""


rule claims:
    input:
        tables=expand(f"{LAYOUT.root}/tables/{{table}}.csv", table=CONFIG.tables),
        facts=[f"{LAYOUT.root}/figures/facts.csv"] if CONFIG.figures else [],
        claims=ROOT / "config" / "claims.yaml",
        paper=sorted((ROOT / "config" / "paper_tables").glob("*.csv")),
    output:
        multiext(f"{LAYOUT.root}/claims", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/claims.log",
    benchmark:
        f"{LAYOUT.benchmarks}/claims/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(
            {
                "tables": CONFIG.tables,
                "methods": list(CONFIG.methods),
                "seeds": CONFIG.seeds,
                "results": LAYOUT.root,
            }
        ),
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.claims"),
    message:
        "Claims of the paper"
    shell:
        "python -m askd claims --settings {params.settings:q} --claims {input.claims}"
        " --output {params.output} > {log} 2>&1"
