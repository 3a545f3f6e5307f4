"""The command line: one command for each stage."""

from __future__ import annotations

import gc
import sys

import typer

from askd.commands import data, evaluation, models, reports, rollouts, sources, training
from askd.errors import AskdError

app = typer.Typer(
    name="askd",
    help="Distil a large language model into a small one, with skewness that follows quality.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (models, data, sources, rollouts, training, evaluation, reports):
    app.add_typer(group.app)


def main() -> None:
    """Run a command; bad input is one sentence on standard error and exit code 1."""
    # The objects of torch and transformers stay; at the default threshold the collector walks them
    # again and again, most of all while they are imported.
    gc.set_threshold(50_000, 20, 50)
    try:
        app()
    except AskdError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        gc.freeze()  # The interpreter's end walks them once more, for a second and a half.


if __name__ == "__main__":
    main()
