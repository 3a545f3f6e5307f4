"""Needs nothing; makes the table of the paper's statements and what computation says of them."""


rule theory:
    output:
        multiext(f"{LAYOUT.root}/tables/theory", ".csv", ".md"),
    log:
        f"{LAYOUT.logs}/theory.log",
    benchmark:
        f"{LAYOUT.benchmarks}/theory/all.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        **LIGHT_JOB,
    params:
        output=subpath(output[0], strip_suffix=".csv"),
        code=digest("askd.theory.stage"),
    message:
        "Theory"
    shell:
        "python -m askd theory --output {params.output} > {log} 2>&1"
