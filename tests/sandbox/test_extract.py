"""The program in an answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.sandbox.extract import complete, defines, extract_code

ADD = "def add(a, b):\n    return a + b"
WRONG = "def add(a, b):\n    return a - b"
HELPER = "def twice(x):\n    return 2 * x"
USES = "def add(a, b):\n    return twice(a) - a + b"


def fenced(code: str, language: str = "python", mark: str = "```") -> str:
    return f"{mark}{language}\n{code}\n{mark}"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ADD, ADD),
        (fenced(ADD), ADD),
        (fenced(ADD, "py"), ADD),
        (fenced(ADD, "Python3"), ADD),
        (fenced(ADD, " python title=x"), ADD),
        (fenced(ADD, ""), ADD),
        (fenced(ADD, mark="~~~"), ADD),
        (fenced(ADD, mark="````"), ADD),
        (f"Sure!\n\n{fenced(ADD)}\n\nIt adds.", ADD),
        (fenced(ADD).replace("\n", "\r\n"), ADD),
        (f"```python\n{ADD}", ADD),  # cut
        ("1. Like this:\n\n   ```python\n   def add(a, b):\n       return a + b\n   ```\n", ADD),
        (f"Run\n{fenced('pip install x', 'bash')}\nthen\n{fenced(ADD)}", ADD),
        (f"{fenced(ADD)}\nOutput:\n{fenced('3', '')}", ADD),
        (f"{fenced(ADD)}\nUse it:\n{fenced('print(add(1, 2))')}", ADD),
        (f"Wrong:\n{fenced(WRONG)}\nCorrected:\n{fenced(ADD)}", ADD),
        (f"{fenced(HELPER)}\nand\n{fenced(USES)}", f"{HELPER}\n\n{USES}"),
        (f"{fenced(HELPER)}\nor simply\n{fenced(ADD)}", ADD),
        (f"{fenced(WRONG)}\n{fenced(HELPER)}\n{fenced(USES)}", f"{HELPER}\n\n{USES}"),
        (f"Here it is:\n\n{ADD}\n", f"{ADD}\n"),
        (f"Here it is:\n\nimport math\n{ADD}\n\nThis function adds.", f"import math\n{ADD}\n"),
        (f"<think>\n{fenced(WRONG)}\n</think>\n{fenced(ADD)}", ADD),
        (f"<think>a</think><think>\n{WRONG}\n</think>{ADD}", ADD),
        (f"<answer>{fenced(WRONG)}</answer> no: <answer>\n{fenced(ADD)}\n</answer>", ADD),
        (f"<think>\n{fenced(ADD)}", ""),  # cut while it thinks
        (f'```python\n{ADD}\n    """\n    ~~~\n    """\n```', f'{ADD}\n    """\n    ~~~\n    """'),
        (fenced("x = 1"), "x = 1"),
        (fenced("fn main() {}", "rust"), fenced("fn main() {}", "rust")),
        ("", ""),
        ("I cannot help.", "I cannot help."),
    ],
)
def test_the_program_of_an_answer(answer, code):
    assert extract_code(answer, "add") == code


def test_without_an_entry_point_the_last_program_counts():
    assert extract_code(f"{fenced('print(1)')}\n{fenced('print(2)')}") == "print(2)"
    assert extract_code(f"{fenced('print(1)')}\nprints\n{fenced('1', '')}") == "print(1)"


@pytest.mark.parametrize(
    ("code", "name", "expected"),
    [
        (ADD, "add", True),
        ("class Solution:\n    def add(self): pass", "Solution", True),
        ("class Solution:\n    def add(self): pass", "add", False),
        ("add = lambda a, b: a + b", "add", True),
        ("add: Callable = max", "add", True),
        ("from operator import add", "add", True),
        ("async def add(): pass", "add", True),
        ("add == 3", "add", False),
        ("def add_all(): pass", "add", False),
        ("    def add(): pass", "add", False),
    ],
)
def test_what_defines_a_name(code, name, expected):
    assert defines(code, name) is expected


PROMPT = 'import math\n\ndef twice(x):\n    return 2 * x\n\ndef add(a, b):\n    """Add."""\n'


@pytest.mark.parametrize(
    "answer",
    [
        "    return a + b\n",
        "    return a + b\n\nprint(add(1, 2))\n",
        "return a + b",
        "\n\n    return a + b",
        "```python\n    return a + b\n```",
        "```python\nreturn a + b\n```\nThat is all.",
        ADD,
        fenced(ADD),
        fenced("def add(a, b):\n    return twice(a) - a + b"),
        f"{PROMPT}    return a + b",
        fenced(f"{PROMPT}    return a + b"),
        "    if a > b:\n        return a + b\n    return b + a",
    ],
)
def test_completing_a_prompt(answer):
    space: dict = {}
    exec(complete(PROMPT, answer, "add"), space)
    assert space["add"](3, 4) == 7
    assert space["twice"](2) == 4


def test_prose_completes_nothing():
    with pytest.raises(SyntaxError):
        compile(complete(PROMPT, "I cannot help with that.", "add"), "x", "exec")


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["```", "~~~", "python", "\n", " ", ADD, "<think>", "</think>", "<answer>"])
        | st.text(max_size=5),
        max_size=30,
    ).map("".join)
)
def test_no_answer_breaks_it(text):
    assert isinstance(extract_code(text), str)
    assert isinstance(extract_code(text, "add"), str)
    assert isinstance(complete(PROMPT, text, "add"), str)


@pytest.mark.parametrize(
    "text",
    [
        "`" * 1_000_000,
        "```\n" * 200_000,
        "\x00\ud800" * 200_000,
        "(" * 1_000_000,
        "def add(" * 100_000,
        "A b " * 250_000,
        "<think>" * 100_000,
        "x = 1\n" * 200_000,
        "```python\nx" + " " * 1_000_000,
        " " * 1_000_000 + "```",
    ],
)
def test_long_answers_take_little_time(text):
    started = time.process_time()
    extract_code(text, "add")
    complete(PROMPT, text, "add")
    assert time.process_time() - started < 10
