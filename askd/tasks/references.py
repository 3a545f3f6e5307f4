"""Whether graders can read the references of prompts."""

from __future__ import annotations

from collections.abc import Sequence

from askd.mathematics.answers import reference_answer
from askd.mathematics.equality import readable
from askd.sandbox.formats import from_reference
from askd.sandbox.result import BadTests


def unreadable(rows: Sequence[dict], grader: str) -> dict[str, str]:
    """Why the references of rows of a prompts table cannot be read by `grader`, by prompt id.

    Programs are not run. Only `math` and `code` read more than a text.
    """
    if grader == "math":
        answers = [reference_answer(row["reference"]) or "" for row in rows]
        return {
            row["prompt_id"]: f"no answer that can be read in {row['reference'][:200]!r}"
            for row, is_readable in zip(rows, readable(answers), strict=True)
            if not is_readable
        }
    found = {}
    for row in rows if grader == "code" else ():
        try:
            from_reference(row["reference"], row["prompt_id"])
        except BadTests as error:
            found[row["prompt_id"]] = str(error).removeprefix(f"{row['prompt_id']}: ")
    return found
