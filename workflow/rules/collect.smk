"""Named targets: `snakemake all`, `sweep`, `publish`, one for each table and one for each figure."""

from os.path import relpath


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


PUBLISHED = ROOT / "docs" / "results"
PUBLISHED_FIGURES = [
    *(["figure1", "figure2"] if CONFIG.figures else []),
    *(["curves"] if CONFIG.estimators else []),
]


# As the reader would write it; the configuration's own files are no part of it.
CONFIGFILES = [relpath(path, ROOT) for path in workflow.overwrite_configfiles]
CONFIGFILE_OPTION = ["--configfile", *CONFIGFILES] if CONFIGFILES else []


rule publish:
    input:
        pages=[
            *(rules.claims.output[1:] if PAGE_PAPER else []),
            *expand(f"{LAYOUT.root}/tables/{{table}}.md", table=CONFIG.tables),
            *(rules.variance.output[1:] if CONFIG.estimators else []),
            *(rules.theory.output[1:] if PAGE_PAPER else []),
            *rules.times.output[1:],
            rules.plan_report.output[0],
        ],
        figures=expand(f"{LAYOUT.root}/figures/{{name}}.png", name=PUBLISHED_FIGURES),
    output:
        page=PUBLISHED / f"{CONFIG.scale}.md",
        figures=[PUBLISHED / f"{CONFIG.scale}-{name}.png" for name in PUBLISHED_FIGURES],
    log:
        f"{LAYOUT.logs}/publish.log",
    conda:
        "../../envs/report.yaml"
    params:
        prefix=subpath(output.page, strip_suffix=".md"),
        command=" ".join(["snakemake publish", *CONFIGFILE_OPTION]),
    message:
        "Publish claims, tables, figures, times and the plan"
    shell:
        "(for figure in {input.figures}; do"
        ' cp "$figure" {params.prefix}-$(basename "$figure"); done'
        " && {{ echo 'Written by `{params.command}`.';"
        " awk 'FNR == 1 {{ print \"\" }} 1' {input.pages}; }} > {output.page}) 2> {log}"


if CONFIG.agreement and CONFIG.lm_eval:

    rule publish_agreement:
        input:
            rules.agreement_tables.output[1],
            rules.lm_eval.output[1],
        output:
            PUBLISHED / "agreement.md",
        log:
            f"{LAYOUT.logs}/publish_agreement.log",
        conda:
            "../../envs/report.yaml"
        params:
            command=" ".join(["snakemake publish_agreement", *CONFIGFILE_OPTION]),
            benchmark=f"{LAYOUT.benchmarks}/agreement/all.tsv",
        message:
            "Publish the agreement with lm-eval and evalplus"
        shell:
            "{{ echo 'Written by `{params.command}`. The agreement took'"
            " $(awk 'NR == 2 {{ print int($1 + 0.5) }}' {params.benchmark}) 'seconds.';"
            " awk 'FNR == 1 {{ print \"\" }} 1' {input}; }} > {output} 2> {log}"
