"""Instructions to complete a word, each part of which a rule can check.

A prompt shows a pattern and asks for lower or upper case, `upper b.k.`; its worked answer keeps the
letters and puts a vowel for each dot, `BOKE`. The reference holds the rules, and a baseline answer
of middling quality, with which a judge compares.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from askd.config import ErrorProcess, InstructionsTask, Level

CONSONANTS = "bcdfghjklmnpqrstvwxyz"
VOWELS = "aeiou"
GAP = "."
# Of the answers that all others are compared with.
BASELINE_ERRORS = ErrorProcess(noise=0.15)


@dataclass(frozen=True)
class Instruction:
    """A pattern of consonants and gaps, and the case that is wanted."""

    pattern: str
    case: str

    def __str__(self) -> str:
        return f"{self.case} {self.pattern}"


def draw(task: InstructionsTask, level: Level, random_: random.Random) -> Instruction:
    """A random instruction; the level's operations are the places of the pattern."""
    places = random_.choice(level.operations)
    pattern = "".join(
        GAP if random_.random() < 0.4 else random_.choice(CONSONANTS) for _ in range(places)
    )
    return Instruction(pattern, random_.choice(("lower", "upper")))


def message(instruction: Instruction) -> str:
    """The case and the pattern."""
    return str(instruction)


def reference(instruction: Instruction) -> str:
    """The rules, and a baseline answer that breaks at least one of them.

    An answer without a fault thus wins in both orders: it is worth 1 and counts as correct.
    """
    random_ = random.Random(f"baseline {instruction}")
    rules = vars(instruction)
    baseline = answer(instruction, BASELINE_ERRORS, random_)
    while not broken_rules(baseline, rules):
        baseline = answer(instruction, BASELINE_ERRORS, random_)
    return json.dumps({"rules": rules, "baseline": baseline})


def answer(instruction: Instruction, errors: ErrorProcess, random_: random.Random) -> str:
    """A word. Noise exchanges a letter; the systematic error leaves out the last letter of words of
    5 or more."""
    letters = []
    for letter in instruction.pattern:
        if random_.random() < errors.noise:
            letters.append(random_.choice(CONSONANTS))
        else:
            letters.append(random_.choice(VOWELS) if letter == GAP else letter)
    if len(letters) >= 5 and random_.random() < errors.systematic:
        letters.pop()
    word = "".join(letters)
    return word.upper() if instruction.case == "upper" else word


def broken_rules(word: str, rules: dict[str, str]) -> int:
    """In how many places `word` is not what `rules` want; a wrong case is one more."""
    pattern = rules["pattern"]
    wrong = abs(len(word) - len(pattern))
    for wanted, letter in zip(pattern, word.lower(), strict=False):
        wrong += letter not in VOWELS if wanted == GAP else letter != wanted
    return wrong + (word != (word.upper() if rules["case"] == "upper" else word.lower()))
