"""Prompts from JSON Lines files."""

from __future__ import annotations

import json
from pathlib import Path

from askd import entry_point
from askd.config import GRADERS, JsonlTask
from askd.errors import AskdError
from askd.mathematics.answers import reference_answer
from askd.mathematics.equality import readable
from askd.sandbox.formats import from_reference

KEYS = ("prompt", "reference", "response", "level")


def read(path: str | Path, grader: str = "arithmetic") -> list[dict]:
    """Rows of a prompts table from the JSON Lines file `path`.

    Each line is an object with the strings `prompt` and `reference`, and optionally `response`
    (a worked answer, for SFT) and `level` (the name of a subset, default "all"). For a grader that
    reads more than a text, `reference` is an object; for `code` it must be a row of tests. For
    `math` it must have an answer that can be read (`askd.mathematics.answers`). A grader of one's
    own may do without a reference.

    Raises:
        AskdError: the file is missing or empty, or a line is not such an object; names the line,
            and the row if it is its reference that cannot be read.
    """
    path = Path(path)
    try:
        # Not splitlines: JSON strings may hold other characters that end a line for Python.
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise AskdError(f"{path}: no such file.") from error
    except UnicodeDecodeError as error:
        raise AskdError(f"{path}: not UTF-8 text ({error}).") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise AskdError(f"{where} is not JSON ({error}); is the file torn?") from error
        if not isinstance(record, dict):
            raise AskdError(f"{where} is not a JSON object.")
        if "prompt" not in record:
            raise AskdError(f"{where} has no key 'prompt'.")
        if "reference" not in record and grader in GRADERS:
            raise AskdError(f"{where} has no key 'reference', which grader {grader!r} reads.")
        for key, value in record.items():
            if key not in KEYS:
                raise AskdError(f"{where}: unknown key {key!r}; known are {', '.join(KEYS)}.")
            if not isinstance(value, str) and not (key == "reference" and isinstance(value, dict)):
                raise AskdError(f"{where}: {key!r} is not a string.")
        reference = record.get("reference", "")
        if isinstance(reference, dict):
            reference = json.dumps(reference)
        if grader == "code":
            from_reference(reference, where)
        rows.append(
            {
                "prompt_id": f"{path.stem}-{number:06d}",
                "level": record.get("level", "all"),
                "messages": [{"role": "user", "content": record["prompt"]}],
                "reference": reference,
                "response": record.get("response", ""),
            }
        )
    if not rows:
        raise AskdError(f"{path}: the file is empty; expected one JSON object per line.")
    if grader == "math":
        _check_mathematics(rows, path)
    return rows


def _check_mathematics(rows: list[dict], path: Path) -> None:
    answers = [reference_answer(row["reference"]) or "" for row in rows]
    for row, is_readable in zip(rows, readable(answers), strict=True):
        if not is_readable:
            raise AskdError(
                f"{path}: row {row['prompt_id']!r}: the reference {row['reference'][:200]!r} has "
                "no answer that can be read as mathematics, as grader 'math' needs; correct or "
                "leave out its line."
            )


def prompts(task: JsonlTask) -> dict[str, list[dict]]:
    """Rows of the prompts tables by split.

    Raises:
        AskdError: a file is not as `read` wants it, or a grader of one's own cannot be loaded.
    """
    # Now, rather than once a model has answered.
    if task.grader not in GRADERS:
        entry_point.load(task.grader)
    splits = ("train", "validation", "test")
    return {split: read(getattr(task, split), task.grader) for split in splits}
