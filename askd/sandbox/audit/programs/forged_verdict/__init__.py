"""Programs that want to pass without the answer."""

from askd.sandbox.audit.programs.forged_verdict import (
    channel,
    exceptions,
    output,
    patches,
    scripts,
    values,
)

CASES = [
    *output.CASES,
    *channel.CASES,
    *patches.CASES,
    *values.CASES,
    *exceptions.CASES,
    *scripts.CASES,
]
