"""Needs the configuration only; makes results/SCALE/plan.{md,csv} and plan_jobs.csv: what a run costs.

Where jobs have run, the report compares the estimate with what they took. Their benchmark files are
no input, or the plan would first run whatever is out of date.
"""

PLANNED = f"{LAYOUT.root}/plan"
TIMES = [path.stat().st_mtime for path in Path(LAYOUT.benchmarks).glob("*/*.tsv")]


rule plan_report:
    output:
        f"{PLANNED}.md",
        f"{PLANNED}.csv",
        f"{PLANNED}_jobs.csv",
    log:
        f"{LAYOUT.logs}/plan.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        settings=as_json(config),
        prefix=subpath(output[0], strip_suffix=".md"),
        measured=f"{len(TIMES)} {max(TIMES, default=0)}",
        code=digest("askd.reporting.plan.stage"),
    message:
        "Plan of the run"
    shell:
        "python -m askd plan --settings {params.settings:q} --output {params.prefix} > {log} 2>&1"


rule plan:
    input:
        rules.plan_report.output[0],
    log:
        f"{LAYOUT.logs}/plan_print.log",
    localrule: True
    conda:
        "../../envs/data.yaml"
    message:
        "The plan"
    shell:
        "cat {input} 2> {log}"
