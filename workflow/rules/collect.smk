"""Named targets: `snakemake all`, and one for each table (`snakemake table2`)."""


rule all:
    input:
        expand(f"{RESULTS}/tables/{{table}}.csv", table=CONFIG.tables),
    localrule: True


for table in CONFIG.tables:

    rule:
        name:
            table
        input:
            f"{RESULTS}/tables/{table}.csv",
        localrule: True
