"""Instructions to write a word, each part of which a rule can check.

A prompt lists what is wanted, `5 letters, first b, last k`, and its worked answer is some word that
has it all, `baeok`. The reference holds the rules, and a baseline answer of middling quality, with
which a judge compares.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass

from askd.config import ErrorProcess, InstructionsTask, Level

LENGTHS = range(3, 8)
FILLING = "aeiou"
# Of the answers that all others are compared with.
BASELINE_ERRORS = ErrorProcess(noise=0.3)


@dataclass(frozen=True)
class Instruction:
    """A word is wanted of so many letters, with these ones at some places, perhaps in capitals."""

    length: int
    first: str = ""
    second: str = ""
    last: str = ""
    capitals: bool = False

    @property
    def rules(self) -> dict[str, int | str | bool]:
        """What is wanted, by name."""
        return {name: value for name, value in vars(self).items() if value}

    def __str__(self) -> str:
        words = {"length": f"{self.length} letters", "capitals": "capitals"}
        return ", ".join(words.get(name, f"{name} {value}") for name, value in self.rules.items())


def draw(task: InstructionsTask, level: Level, random_: random.Random) -> Instruction:
    """A random instruction of so many rules, of which the first is the length."""
    names = ["first", "second", "last", "capitals"]
    chosen = random_.sample(names, min(random_.choice(level.operations) - 1, len(names)))
    rules = {
        name: True if name == "capitals" else random_.choice(string.ascii_lowercase)
        for name in chosen
    }
    return Instruction(random_.choice(LENGTHS), **rules)


def message(instruction: Instruction) -> str:
    """The instruction in words."""
    return str(instruction)


def reference(instruction: Instruction) -> str:
    """The rules, and a baseline answer that breaks some of them."""
    random_ = random.Random(f"baseline {instruction}")
    baseline = answer(instruction, BASELINE_ERRORS, random_)
    return json.dumps({"rules": instruction.rules, "baseline": baseline})


def answer(instruction: Instruction, errors: ErrorProcess, random_: random.Random) -> str:
    """A word. Noise breaks one rule or another; the systematic error makes words of 5 or more
    letters one letter too short."""

    def goes_wrong() -> bool:
        return random_.random() < errors.noise

    length = instruction.length
    if length >= 5 and random_.random() < errors.systematic:
        length -= 1
    if goes_wrong():
        length += random_.choice((-1, 1))
    letters = random_.choices(FILLING, k=length)
    for place, letter in ((0, instruction.first), (1, instruction.second), (-1, instruction.last)):
        if letter:
            letters[place] = random_.choice(string.ascii_lowercase) if goes_wrong() else letter
    word = "".join(letters)
    return word.upper() if instruction.capitals != goes_wrong() else word


def broken_rules(word: str, rules: dict[str, int | str | bool]) -> list[str]:
    """The names of the rules that `word` breaks."""
    lower = word.lower()
    kept = {
        "length": len(word) == rules["length"] and word.isalpha(),
        "first": lower[:1] == rules.get("first"),
        "second": lower[1:2] == rules.get("second"),
        "last": lower[-1:] == rules.get("last"),
        "capitals": word.isupper(),
    }
    return [name for name in rules if not kept[name]]
