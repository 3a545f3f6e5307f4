"""Prompts of public data sets: rows are drawn, mapped by their adapter, and checked."""

from __future__ import annotations

import random
from collections import Counter

from askd import entry_point
from askd.config import GRADERS, DatasetSource, DatasetTask
from askd.errors import AskdError
from askd.tasks.adapters import ADAPTERS, Example, NotGradable
from askd.tasks.references import unreadable
from askd.tasks.sources import rows_of

# Later splits are kept clear of the prompts of earlier ones.
SPLITS = ("test", "validation", "train")
SHOWN = 5


def prompts(task: DatasetTask) -> dict[str, list[dict]]:
    """Rows of the prompts tables by split.

    Training prompts that are word for word among the validation or test prompts, and validation
    prompts that are among the test prompts, are left out. What was kept and left out is printed.

    Raises:
        AskdError: a source cannot be had, lacks a column, has too few rows, or holds more
            references that cannot be read than `bad_references` allows; names source and rows.
    """
    # Now, rather than once a model has answered.
    if task.grader not in GRADERS:
        entry_point.load(task.grader)
    splits: dict[str, list[dict]] = {}
    seen: set[str] = set()
    for split in SPLITS:
        drawn = [row for source in getattr(task, split) for row in read(source, split, task.grader)]
        splits[split] = [row for row in drawn if _words(row) not in seen]
        if len(splits[split]) < len(drawn):
            print(f"{split}: {len(drawn) - len(splits[split])} prompts left out: held out as well")
        if not splits[split]:
            raise AskdError(f"tasks: all {split} prompts are held-out prompts as well.")
        seen |= {_words(row) for row in splits[split]}
    return splits


def read(source: DatasetSource, split: str, grader: str) -> list[dict]:
    """Rows of a prompts table from `source`, in the order of the source.

    The source's rows are shuffled by its seed; those that cannot be graded, or whose prompts are
    too long, are passed over, then `skip` more, and the next `size` are taken. A prompt's id holds
    the number of its row, from 0.

    Raises:
        AskdError: as `prompts`.
    """
    table = rows_of(source)
    order = list(range(len(table)))
    if source.size is not None or source.skip:
        random.Random(f"rows {source.seed}").shuffle(order)
    reasons: Counter[str] = Counter()
    examples: dict[int, Example] = {}
    wanted = None if source.size is None else source.skip + source.size
    for number in order:
        if len(examples) == wanted:
            break
        try:
            example = ADAPTERS[source.adapter](table[number])
        except NotGradable as reason:
            reasons[str(reason)] += 1
            continue
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise AskdError(
                f"{source.place}: row {number} is not of the form that adapter "
                f"{source.adapter!r} reads ({type(error).__name__}: {error})."
            ) from error
        if source.longest_prompt and len(_content(source, example)) > source.longest_prompt:
            reasons[f"prompt of more than {source.longest_prompt} characters"] += 1
        else:
            examples[number] = example
    chosen = sorted(list(examples)[source.skip :])
    if not chosen or (wanted is not None and len(examples) < wanted):
        raise AskdError(
            f"{source.place}: {len(examples)} of {len(table)} rows can be used, fewer than "
            f"skip and size ask for ({source.skip} and {source.size})."
        )
    rows = [_row(source, split, number, examples[number]) for number in chosen]
    kept = _checked(rows, source, grader)
    print(
        f"{split}: {len(kept)} of {len(table)} rows of {source.place} as {source.level_name}"
        + "".join(f"; left out: {count} ({reason})" for reason, count in reasons.items())
        + (f"; left out: {len(rows) - len(kept)} (bad reference)" if len(kept) < len(rows) else "")
    )
    return kept


def _row(source: DatasetSource, split: str, number: int, example: Example) -> dict:
    return {
        "prompt_id": f"{split}-{source.level_name}-{number:06d}",
        "level": source.level_name,
        "messages": [{"role": "user", "content": _content(source, example)}],
        "reference": example.reference,
        "response": example.response,
    }


def _content(source: DatasetSource, example: Example) -> str:
    return f"{example.prompt}\n\n{source.instruction}" if source.instruction else example.prompt


def _checked(rows: list[dict], source: DatasetSource, grader: str) -> list[dict]:
    bad = unreadable(rows, grader)
    if len(bad) > source.bad_references:
        shown = "; ".join(
            f"{prompt_id}: {reason}" for prompt_id, reason in list(bad.items())[:SHOWN]
        )
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise AskdError(
            f"{source.place}: grader {grader!r} cannot read the references of {len(bad)} rows "
            f"({shown}{more}); correct them, or let as many be left out with `bad_references`."
        )
    kept = [row for row in rows if row["prompt_id"] not in bad]
    if not kept:
        raise AskdError(f"{source.place}: no row is left.")
    return kept


def _words(row: dict) -> str:
    return " ".join(row["messages"][0]["content"].split())
