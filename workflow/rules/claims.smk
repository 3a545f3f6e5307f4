"""Needs the items of all tables, and what figures, variance and theory wrote; makes the verdicts.

Besides the verdicts on the paper's claims, a summary of one method against another.
"""

from askd.reporting.contrast_text import FILE as CONTRAST

CLAIMS_SETTINGS = as_json(
    {
        "tables": CONFIG.tables,
        "supervision": {name: method.supervision for name, method in CONFIG.methods.items()},
        "oracles": {
            pair: [name for name, method in CONFIG.methods.items() if method.reference]
            for pair in CONFIG.pairs
            if CONFIG.misleads(pair)
        },
        "seeds": CONFIG.seeds,
        "results": LAYOUT.root,
    }
)


rule claims:
    input:
        tables=expand(f"{LAYOUT.root}/tables/{{table}}.csv", table=CONFIG.tables),
        facts=[f"{LAYOUT.root}/figures/facts.csv"] if CONFIG.figures else [],
        noise=[f"{LAYOUT.root}/tables/gradient_variance.csv"] if CONFIG.estimators else [],
        theory=f"{LAYOUT.root}/tables/theory.csv",
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
        settings=CLAIMS_SETTINGS,
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.claims"),
    message:
        "Claims of the paper"
    shell:
        "python -m askd claims --settings {params.settings:q} --claims {input.claims}"
        " --output {params.output} > {log} 2>&1"


rule contrast:
    input:
        tables=expand(f"{LAYOUT.root}/tables/{{table}}.csv", table=CONFIG.tables),
        claims=ROOT / "config" / "claims.yaml",
    output:
        multiext(f"{LAYOUT.root}/{CONTRAST}", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/contrast.log",
    benchmark:
        f"{LAYOUT.benchmarks}/contrast/all.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=CLAIMS_SETTINGS,
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.reporting.contrast"),
    message:
        "ASKD against DistiLLM-2"
    shell:
        "python -m askd contrast --settings {params.settings:q} --claims {input.claims}"
        " --output {params.output} > {log} 2>&1"
