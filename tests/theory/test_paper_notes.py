"""Numbers in the documents are those of the files that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTES = " ".join((DOCS / "paper-notes.md").read_text(encoding="utf-8").split())
# From its theory on; how deep the heading is depends on the page around it.
PUBLISHED = re.split(
    r"\n#+ Theory\n", (DOCS / "results" / "nano.md").read_text(encoding="utf-8"), maxsplit=1
)[1]
NUMBER = r"-?\b\d+(?:\.\d+)?(?:e-?\d+)?"
# Up to a mark, from the end of the sentence before or the mark before.
MARKED = [
    (id_, re.split(r"\(theory: |\. |\| ", text)[-1])
    for text, id_ in re.findall(r"(.*?)\(theory: ((?:[^()]|\([^()]*\))+)\)", NOTES)
    if id_ != "Eq. 2"  # the example that explains the marks
]


def numbers(text: str) -> set[str]:
    return set(re.findall(NUMBER, text))


def test_marks_are_found():
    assert len(MARKED) >= 8
    assert ("Eq. 9", {"0.0631", "0.581"}) in [(id_, numbers(text)) for id_, text in MARKED]


@pytest.mark.parametrize(("id_", "text"), MARKED)
def test_marked_numbers_are_computed(table, id_, text):
    statement = table[id_]
    computed = f"{statement.numbers} {statement.what_holds} {statement.text}"
    measured = {number for number in numbers(text) if "." in number}
    assert measured
    assert measured <= numbers(computed)


@pytest.mark.parametrize(("id_", "text"), MARKED)
def test_marked_numbers_are_published(id_, text):
    published = PUBLISHED.split(f"- **{id_}**")[1].split("\n- **")[0]
    assert {number for number in numbers(text) if "." in number} <= numbers(published)


def test_the_time_in_the_readme_is_that_of_the_published_run():
    """Seconds of all jobs, the last row of the table of times."""
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    (seconds,) = re.findall(r"its jobs took ([\d,.]+) seconds", readme)
    published = re.search(r"\| all +\| +\d+ +\| +([\d.]+) +\|", PUBLISHED)
    assert seconds.replace(",", "") == published[1]


def power_of_average(text: str, metric: str) -> list[tuple[int, int, str]]:
    """Resolved and all comparisons, and the seeds needed, of each table and pair by AVG."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    rows = [line for line in lines if len(line) == 10 and line[1:3] == [metric, "AVG."]]
    return [(*map(int, row[7].split(" of ")), row[8]) for row in rows]


@pytest.mark.parametrize(("run", "page"), [("make full", "nano"), ("make", "power-3-seeds")])
def test_what_seeds_resolve_is_what_is_published(run, page):
    told = (DOCS / "architecture.md").read_text(encoding="utf-8")
    text = (DOCS / "results" / f"{page}.md").read_text(encoding="utf-8")
    (cells,) = re.findall(rf"^\| `{run}`, .*?\| (.*?) \| (.*?) \|$", told, re.MULTILINE)
    for metric, cell in zip(("sampled", "greedy"), cells, strict=True):
        found = power_of_average(text, metric)
        assert cell == "{} of {}".format(*(sum(row[column] for row in found) for column in (0, 1)))


def test_how_far_ten_seeds_suffice_is_what_is_published():
    told = " ".join((DOCS / "architecture.md").read_text(encoding="utf-8").split())
    text = (DOCS / "results" / "nano.md").read_text(encoding="utf-8")
    needed = [int(seeds) for *_, seeds in power_of_average(text, "sampled")]
    assert f"needs {min(needed)} to {max(needed)} seeds by the ten-seed run" in told
    enough = [seeds for seeds in needed if seeds <= 10]
    assert f"ten suffice in {len(enough)} of {len(needed)} cases" in told
    greedy = [seeds for *_, seeds in power_of_average(text, "greedy")]
    enough = [seeds for seeds in greedy if seeds.isdigit() and int(seeds) <= 10]
    assert f"only in {len(enough)} of {len(greedy)} cases do ten seeds suffice" in told
    assert "more items" in greedy
