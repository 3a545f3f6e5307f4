"""Named targets: `snakemake all`, `snakemake sweep`, and one for each table (`table2`)."""


rule all:
    input:
        expand(f"{LAYOUT.root}/tables/{{table}}.csv", table=CONFIG.tables),
        rules.times.output,
        # Where programs are graded, the tables stand on the sandbox.
        rules.sandbox_audit.output if LAYOUT.runs_programs else [],
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
