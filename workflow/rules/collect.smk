"""Named targets: `snakemake all`, `sweep`, one for each table and one for each figure."""


rule all:
    input:
        rules.report.output,
        rules.times.output,
    localrule: True


rule sweep:
    input:
        # Where no table shows a method of the sweep for a pair, there is nothing to try.
        expand(
            rules.tune.output,
            pair=list(filter(CONFIG.swept, CONFIG.sweep.pairs if CONFIG.sweep else [])),
        ),
    localrule: True


for table in CONFIG.tables:

    rule:
        name:
            table
        input:
            f"{LAYOUT.root}/tables/{table}.csv",
        localrule: True


for figure in ["figure1", "figure2"] if CONFIG.figures else []:

    rule:
        name:
            figure
        input:
            f"{LAYOUT.root}/figures/{figure}.svg",
        localrule: True
