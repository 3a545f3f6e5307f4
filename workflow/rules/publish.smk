"""Needs results; makes the pages of docs/results: `publish`, and rules for what stands alone there."""

from os.path import relpath

from askd.reporting.headings import in_order, table_heading
from askd.reporting.publish import Part, PublishedFigure

PUBLISHED = ROOT / "docs" / "results"


# As the reader would write it; the configuration's own files are no part of it.
CONFIGFILES = [relpath(path, ROOT) for path in workflow.overwrite_configfiles]
CONFIGFILE_OPTION = ["--configfile", *CONFIGFILES] if CONFIGFILES else []


FIGURES = f"{LAYOUT.root}/figures"
PUBLISHED_FIGURES = [
    *(
        PublishedFigure(
            name=f"figure{number}",
            path=f"{FIGURES}/figure{number}.png",
            title=f"Figure {number}",
        )
        for number in ([1, 2] if CONFIG.figures else [])
    ),
    *(
        PublishedFigure(
            name=f"curves-{pair}",
            path=f"{FIGURES}/curves-{pair}.png",
            title=f"Training curves, {CONFIG.pairs[pair].label}",
            caption=f"Training curves on {CONFIG.pairs[pair].label}.",
        )
        for pair in (CONFIG.estimators.pairs if CONFIG.estimators else [])
    ),
]
PUBLISHED_PARTS = [
    *([Part(name="claims", path=rules.claims.output[1])] if PAGE_PAPER else []),
    *([Part(name="contrast", path=rules.contrast.output[1])] if PAGE_PAPER else []),
    *(
        Part(
            name=name,
            path=f"{LAYOUT.root}/tables/{name}.md",
            title=table_heading(name, CONFIG.tables[name].title),
        )
        for name in in_order(CONFIG.tables)
    ),
    Part(name="power", path=rules.power.output[1]),
    Part(name="answers", path=rules.answers.output[1]),
    *PUBLISHED_FIGURES,
    *([Part(name="gradient-variance", path=rules.variance.output[1])] if CONFIG.estimators else []),
    *([Part(name="theory", path=rules.theory.output[1])] if PAGE_PAPER else []),
    *([Part(name="sweep", path=rules.sweep_table.output[1])] if TRIES else []),
    *([Part(name="budget", path=rules.budget.output[1])] if PAGE_SETTINGS.runs else []),
    Part(name="times", path=rules.times.output[1], title="Time per stage"),
    Part(name="plan", path=rules.plan_report.output[0]),
    Part(name="provenance", path=rules.report.output.provenance),
]


rule publish:
    input:
        parts=[one.path for one in PUBLISHED_PARTS],
        captions=[f"{FIGURES}/captions.md"] if CONFIG.figures else [],
    output:
        page=PUBLISHED / f"{CONFIG.scale}.md",
        figures=[PUBLISHED / f"{CONFIG.scale}-{one.name}.png" for one in PUBLISHED_FIGURES],
    log:
        f"{LAYOUT.logs}/publish.log",
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        settings=as_json(
            {
                "scale": CONFIG.scale,
                "command": " ".join(["snakemake publish", *CONFIGFILE_OPTION]),
                "parts": PUBLISHED_PARTS,
            }
        ),
        code=digest("askd.reporting.publish"),
    message:
        "Publish results, times, the plan and what they were made with"
    shell:
        "python -m askd publish --settings {params.settings:q} --output {output.page} > {log} 2>&1"


if CONFIG.agreement and CONFIG.lm_eval:

    rule publish_agreement:
        input:
            rules.agreement_tables.output[1],
            rules.lm_eval.output[1],
            *(rules.evalplus.output[1:] if CONFIG.evalplus else []),
        output:
            PUBLISHED / "agreement.md",
        log:
            f"{LAYOUT.logs}/publish_agreement.log",
        conda:
            "../../envs/report.yaml"
        resources:
            **LIGHT_JOB,
        params:
            command=" ".join(["snakemake publish_agreement", *CONFIGFILE_OPTION]),
            benchmark=f"{LAYOUT.benchmarks}/agreement/all.tsv",
        message:
            "Publish the agreement with lm-eval and evalplus"
        shell:
            "{{ echo 'Written by `{params.command}`. The agreement took'"
            " $(awk 'NR == 2 {{ print int($1 + 0.5) }}' {params.benchmark}) 'seconds.';"
            " awk 'FNR == 1 {{ print \"\" }} 1' {input}; }} > {output} 2> {log}"


rule publish_power:
    input:
        rules.power.output[1],
    output:
        PUBLISHED / f"power-{CONFIG.seeds}-seeds.md",
    log:
        f"{LAYOUT.logs}/publish_power.log",
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        command=" ".join(["snakemake publish_power", *CONFIGFILE_OPTION]),
    message:
        "Publish which differences the tables resolve"
    shell:
        "{{ printf 'Written by `%s`.\\n\\n' '{params.command}'; cat {input}; }} > {output} 2> {log}"


rule publish_sandbox_audit:
    input:
        f"{LAYOUT.root}/tables/sandbox_audit.md",
    output:
        PUBLISHED / "sandbox_audit.md",
    log:
        f"{LAYOUT.logs}/publish_sandbox_audit.log",
    conda:
        "../../envs/report.yaml"
    resources:
        **LIGHT_JOB,
    params:
        command=" ".join(["snakemake publish_sandbox_audit", *CONFIGFILE_OPTION]),
    message:
        "Publish the audit of the sandbox"
    shell:
        "{{ printf 'Written by `%s`.\\n\\n' '{params.command}'; cat {input}; }} > {output} 2> {log}"
