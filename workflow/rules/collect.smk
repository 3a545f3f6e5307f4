"""Named targets: `snakemake all`, `snakemake sweep`, and one for each table (`table2`)."""


rule all:
    input:
        rules.report.output,
        rules.times.output,
    localrule: True


rule sweep:
    input:
        rules.tune.output,
    localrule: True


for table in CONFIG.tables:

    rule:
        name:
            table
        input:
            f"{LAYOUT.root}/tables/{table}.csv",
        localrule: True
