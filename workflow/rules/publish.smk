"""Needs results; makes the pages of docs/results: `snakemake publish`, and one for each audit."""

from os.path import relpath

from askd.reporting.headings import in_order, table_heading

PUBLISHED = ROOT / "docs" / "results"


# As the reader would write it; the configuration's own files are no part of it.
CONFIGFILES = [relpath(path, ROOT) for path in workflow.overwrite_configfiles]
CONFIGFILE_OPTION = ["--configfile", *CONFIGFILES] if CONFIGFILES else []


def part(name, path, title=None):
    """A page that a stage wrote, as a part of the published one."""
    return {"name": name, "path": path, "title": title}


def figure(name, title, caption=None):
    """A figure of it."""
    path = f"{LAYOUT.root}/figures/{name}.png"
    return {"name": name, "path": path, "title": title, "caption": caption}


PUBLISHED_FIGURES = [
    *([figure("figure1", "Figure 1"), figure("figure2", "Figure 2")] if CONFIG.figures else []),
    *(
        [
            figure(
                "curves",
                "Training curves",
                f"Training curves on {CONFIG.pairs[CONFIG.estimators.pair].label}.",
            )
        ]
        if CONFIG.estimators
        else []
    ),
]
PUBLISHED_PARTS = [
    *([part("claims", rules.claims.output[1])] if PAGE_PAPER else []),
    *(
        part(
            name,
            f"{LAYOUT.root}/tables/{name}.md",
            table_heading(name, CONFIG.tables[name].title),
        )
        for name in in_order(CONFIG.tables)
    ),
    *PUBLISHED_FIGURES,
    *([part("gradient-variance", rules.variance.output[1])] if CONFIG.estimators else []),
    *([part("theory", rules.theory.output[1])] if PAGE_PAPER else []),
    *([part("sweep", rules.sweep_table.output[1])] if TRIES else []),
    *([part("budget", rules.budget.output[1])] if PAGE_SETTINGS.runs else []),
    part("times", rules.times.output[1], "Time per stage"),
    part("plan", rules.plan_report.output[0]),
    part("provenance", rules.report.output.provenance),
]


rule publish:
    input:
        [one["path"] for one in PUBLISHED_PARTS],
        [f"{LAYOUT.root}/figures/captions.md"] if CONFIG.figures else [],
    output:
        PUBLISHED / f"{CONFIG.scale}.md",
        [PUBLISHED / f"{CONFIG.scale}-{one['name']}.png" for one in PUBLISHED_FIGURES],
    log:
        f"{LAYOUT.logs}/publish.log",
    conda:
        "../../envs/report.yaml"
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
        "python -m askd publish --settings {params.settings:q} --output {output[0]} > {log} 2>&1"


if CONFIG.agreement and CONFIG.lm_eval:

    rule publish_agreement:
        input:
            rules.agreement.output[1],
            rules.lm_eval.output[1],
        output:
            PUBLISHED / "agreement.md",
        log:
            f"{LAYOUT.logs}/publish_agreement.log",
        conda:
            "../../envs/report.yaml"
        params:
            command=" ".join(["snakemake publish_agreement", *CONFIGFILE_OPTION]),
        message:
            "Publish the agreement with lm-eval and evalplus"
        shell:
            "{{ echo 'Written by `{params.command}`.';"
            " awk 'FNR == 1 {{ print \"\" }} 1' {input}; }} > {output} 2> {log}"


rule publish_sandbox_audit:
    input:
        f"{LAYOUT.root}/tables/sandbox_audit.md",
    output:
        PUBLISHED / "sandbox_audit.md",
    log:
        f"{LAYOUT.logs}/publish_sandbox_audit.log",
    conda:
        "../../envs/report.yaml"
    params:
        command=" ".join(["snakemake publish_sandbox_audit", *CONFIGFILE_OPTION]),
    message:
        "Publish the audit of the sandbox"
    shell:
        "{{ printf 'Written by `%s`.\\n\\n' '{params.command}'; cat {input}; }} > {output} 2> {log}"
