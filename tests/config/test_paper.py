"""config/paper.yaml says of each setting where it comes from."""

import re
from pathlib import Path

import pytest
import yaml

TEXT = (Path(__file__).resolve().parents[2] / "config/paper.yaml").read_text()
LINES = TEXT.splitlines()
# The paper (a section, table or figure), the configuration that it follows, or our choice.
SOURCE = re.compile(r"#.*(§|Table|Figure|DistiLLM-2|\b[Oo]urs\b)")
SETTINGS = (
    "seeds",
    "rounds",
    "gpus",
    "threads",
    "memory_mb",
    "runtime_minutes",
    "light_memory_mb",
    "light_runtime_minutes",
    "rollout",
    "training",
    "advantage",
    "skewness",
    "evaluation",
    "sandbox",
    "judge",
)


def comment_of(key: yaml.Node) -> str:
    """The comment behind the key's line, with the one on the lines directly above."""
    line = key.start_mark.line
    found = [LINES[line]]
    while LINES[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, LINES[line])
    return " ".join(found)


def leaves(node: yaml.Node, comment: str, name: str):
    """Name and comments of each value below `node`: its own, and those of what it lies in."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            # Keys on the line of a mapping in braces share its comment.
            yield from leaves(value, f"{comment} {comment_of(key)}", f"{name}.{key.value}")
    else:
        yield name, comment


def settings() -> dict[str, str]:
    document = {key.value: (key, value) for key, value in yaml.compose(TEXT).value}
    found = {}
    for name in SETTINGS:
        key, value = document[name]
        found |= dict(leaves(value, comment_of(key), name))
    for pair, value in document["pairs"][1].value:
        own = {key.value: (key, part) for key, part in value.value}["settings"]
        found |= dict(leaves(own[1], "", f"pairs.{pair.value}"))
    return found


@pytest.mark.parametrize(("name", "comment"), settings().items(), ids=settings())
def test_each_setting_says_where_it_comes_from(name, comment):
    assert SOURCE.search(comment), f"{name} has no source in its comment"


def test_no_setting_that_changes_a_student_is_left_to_the_defaults():
    """What the library of this project takes by default is no value of the paper."""
    from askd.config import Lora, Training

    own = yaml.safe_load(TEXT)["training"]
    assert Training.model_fields.keys() == own.keys()
    assert Lora.model_fields.keys() == own["lora"].keys()
