"""Who knows the right answers in a claim's comparisons: oracles are left out, all else is said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from askd.reporting.claims_measured import Measured
from askd.reporting.claims_paper import Contrast
from askd.reporting.claims_text import points

# Methods by pair.
Oracles = Mapping[str, Collection[str]]

_SEEN = {"rewards": "rewards", "worked answers": "worked answers", "none": "nothing"}
_ORACLE = "to which worked answers without the systematic errors of the teacher are an oracle"


def split(
    compared: Sequence[Contrast], are_run: Collection[Contrast], oracles: Oracles
) -> tuple[list[Contrast], list[Contrast]]:
    """The comparisons that decide a claim, and those that are left out because of an oracle.

    `oracles` are, by pair, the methods that train on answers which are right where the teacher errs
    systematically. A comparison with one of them is left out, whatever comes of it, unless no other
    comparison of the claim is among `are_run`.
    """
    left_out = [one for one in compared if _knowing(one, oracles) is not None]
    deciding = [one for one in compared if one not in left_out]
    if not any(one in are_run for one in deciding):
        return list(compared), []
    return deciding, left_out


def supervision_note(
    deciding: Sequence[Measured],
    left_out: Sequence[Contrast],
    measured_left_out: Sequence[Measured],
    oracles: Oracles,
    supervision: Mapping[str, str],
) -> str:
    """Sentences on what one side of a comparison sees of the right answers and the other does not.

    `supervision` is what each method sees (`Method.supervision`); models that are not trained here
    see nothing. Empty where both sides always see the same.
    """
    run = [one.contrast for one in deciding]
    sentences = [_seen(run, supervision)]
    if left_out:
        sentences.append(
            f"Comparisons that are left out of the verdict: {len(left_out)}, with "
            f"{_places(left_out, oracles)}, {_ORACLE}."
        )
        if measured_left_out:
            weakest = min(measured_left_out, key=lambda one: one.test.difference)
            effect, low, high = (
                points(number).replace("-", "−")
                for number in (weakest.test.difference, weakest.test.ci_low, weakest.test.ci_high)
            )
            sentences.append(
                f"The weakest of them is {weakest.contrast}: {effect} [{low}, {high}]."
            )
    elif kept := [one for one in run if _knowing(one, oracles) is not None]:
        sentences.append(f"It is decided by comparisons with {_places(kept, oracles)}, {_ORACLE}.")
    return " ".join(filter(None, sentences))


def _knowing(contrast: Contrast, oracles: Oracles) -> str | None:
    """The side that is an oracle on the pair, if the other one is none."""
    knowing = [
        name
        for name in (contrast.method, contrast.against)
        if name in oracles.get(contrast.pair, ())
    ]
    return knowing[0] if len(knowing) == 1 else None


def _places(compared: Iterable[Contrast], oracles: Oracles) -> str:
    """The oracles of each pair, such as `sft and kd on PAIR`."""
    names: dict[str, dict[str | None, None]] = {}
    for one in compared:
        names.setdefault(one.pair, {})[_knowing(one, oracles)] = None
    return "; ".join(f"{_listed(own)} on {pair}" for pair, own in names.items())


def _seen(compared: Iterable[Contrast], supervision: Mapping[str, str]) -> str:
    """Who sees what, of the comparisons whose sides do not see the same."""
    systems: dict[str, dict[str, None]] = {seen: {} for seen in _SEEN}
    for one in compared:
        sides = {name: supervision.get(name, "none") for name in (one.method, one.against)}
        if len(set(sides.values())) > 1:
            for name, seen in sides.items():
                systems[seen][name] = None
    parts = [f"{_SEEN[seen]} by {_listed(names)}" for seen, names in systems.items() if names]
    return f"Seen of the right answers: {'; '.join(parts)}." if parts else ""


def _listed(names: Iterable[str | None]) -> str:
    *others, last = map(str, names)
    return f"{', '.join(others)} and {last}" if others else last
