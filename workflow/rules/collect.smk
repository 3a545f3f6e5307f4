"""Named targets: `snakemake all`, `sweep`, `publish`, one for each table and one for each figure."""


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


for figure in ["figure1", "figure2"] if CONFIG.figures else []:

    rule:
        name:
            figure
        input:
            f"{LAYOUT.root}/figures/{figure}.svg",
        localrule: True


PUBLISHED = ROOT / "docs" / "results"


rule publish:
    input:
        pages=[
            *rules.claims.output[1:],
            *expand(f"{LAYOUT.root}/tables/{{table}}.md", table=CONFIG.tables),
            *(rules.variance.output[1:] if CONFIG.estimators else []),
            *rules.theory.output[1:],
            *rules.times.output[1:],
        ],
        figures=[
            *(
                expand(f"{LAYOUT.root}/figures/{{name}}.svg", name=["figure1", "figure2"])
                if CONFIG.figures
                else []
            ),
            *(rules.curves.output[1:2] if CONFIG.estimators else []),
        ],
    output:
        page=PUBLISHED / f"{CONFIG.scale}.md",
        figures=directory(PUBLISHED / f"{CONFIG.scale}-figures"),
    log:
        f"{LAYOUT.logs}/publish.log",
    conda:
        "../../envs/report.yaml"
    message:
        "Publish claims, tables, figures and times"
    shell:
        "(mkdir -p {output.figures} && for figure in {input.figures}; do"
        ' cp "$figure" {output.figures}; done && awk \'FNR == 1 && NR > 1 {{ print "" }} 1\''
        " {input.pages} > {output.page}) 2> {log}"
