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
        (f"Here it is:\n\n{ADD}\n", ADD),
        (f"Here it is:\n\nimport math\n{ADD}\n\nThis function adds.", f"import math\n{ADD}"),
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


DOCUMENTED = (
    'def add(a, b):\n    """Add.\n\n    ```{}\n    add(1, 2)\n    ```\n    """\n    return a + b'
)
HEADER = "def add(a: dict[int, int] = {}):  # adds"
STUB = "def add(a, b):\n    pass"
COMMENT = "# it'''s"
OPEN_STRING = '"""'
IMPORT = "from x import (\n    twice,\n)"
FUTURE = "from __future__ import annotations"
FUTURE_USES = f"{FUTURE}\n{USES}"
EXAMPLE = "a = 1\nprint(a)"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        # Fences as models write them.
        ("1. ```python\n   def add(a, b):\n       return a + b\n   ```", ADD),
        ("- ```py\n  def add(a, b):\n      return a + b\n  ```", ADD),
        ("> ```python\n> def add(a, b):\n>     return a + b\n> ```", ADD),
        ("```python\n    def add(a, b):\n        return a + b\n```", ADD),
        (fenced(ADD, "python:add.py"), ADD),
        (fenced(ADD, "{.python .numberLines}"), ADD),
        (f"The code: ```python\n{ADD}\n```", ADD),
        (f"```python\n{ADD}```\nIt adds.", ADD),
        (f"```python\n{ADD}\n``` That is all.\nIt adds.", ADD),
        (f"```python\nimport math\n\n```python\n{ADD}\n```", ADD),
        (f"````markdown\n# Adding\n{fenced(ADD)}\n````", ADD),
        (f"```markdown\n# Adding\n{fenced(ADD)}\n```\nDone.", ADD),
        (f"{ADD}\n```\nThis adds them.", ADD),  # the prompt opened the fence
        (f"{ADD}\n```\nFor example:\n{fenced('print(add(1, 2))')}", ADD),
        (fenced(ADD).replace("\n", "\r"), ADD),
        # Fences in strings are part of the program, if the string ends.
        (fenced(DOCUMENTED.format("")), DOCUMENTED.format("")),
        (f"First:\n{fenced(DOCUMENTED.format('python'))}\nIt adds.", DOCUMENTED.format("python")),
        (f"{fenced(OPEN_STRING)}\nbroken, so\n{fenced(ADD)}", ADD),
        (f"{fenced(COMMENT)}\nis a comment\n{fenced(ADD)}", ADD),
        # Explanations repeat parts of the program.
        (f"{fenced(ADD)}\nThe header:\n{fenced(HEADER)}\nis plain.", ADD),
        (f"{fenced(ADD)}\nas in\n{fenced(STUB)}", ADD),
        (f"{fenced('def add(a, b): ...')}\nis\n{fenced(ADD)}", ADD),
        (f"{fenced(ADD, '')}\nUse it:\n{fenced('print(add(1, 2))')}", ADD),
        (f"{fenced(ADD)}\n{fenced('assert add(1, 2) == 4')}", ADD),
        # Helpers, and what is none.
        (f"{fenced(USES)}\nwith\n{fenced(HELPER)}", f"{HELPER}\n\n{USES}"),
        (f"{fenced('import math')}\n{fenced(ADD)}", ADD),
        (f"{fenced('from x import *')}\n{fenced(ADD)}", f"from x import *\n\n{ADD}"),
        (f"{fenced(IMPORT)}\n{fenced(USES)}", f"{IMPORT}\n\n{USES}"),
        (f"Say\n{fenced(EXAMPLE)}\nThen\n{fenced(ADD)}", ADD),
        (
            f"{fenced(HELPER)}\n{fenced(FUTURE_USES)}",
            f"{FUTURE}\n{HELPER}\n\n{USES}",
        ),
        # Thinking and answers.
        (f"thought\n</think>\n{fenced(ADD)}", ADD),
        (f"<think>a</think>{fenced(ADD)}\n<think>\n{fenced(WRONG)}", ADD),
        (f"{fenced(WRONG)}\n<answer>\n{fenced(ADD)}", ADD),
        # Code without fences.
        (f"Sure.\n\n{ADD}\n\nNote that it is short", ADD),
        (f"Sure.\n\n{ADD}\n\n**Explanation**\n- it adds", ADD),
        (f"Sure.\n\n{ADD}\n\nExplanation:\nHere is more", ADD),
        (f"{WRONG}\n\nNo, that is wrong.\n\n{ADD}", ADD),
    ],
)
def test_the_program_of_an_odd_answer(answer, code):
    assert extract_code(answer, "add") == code


FIRST_LINE = "a, b = map(int, input().split())"
SCRIPT = f"{FIRST_LINE}\nprint(a + b)"
TWICE = "print(twice(int(input())))"
MAIN = "def main():\n    a, b = map(int, input().split())\n    print(a + b)"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (SCRIPT, SCRIPT),
        (f"Here it is:\n\n{SCRIPT}", SCRIPT),
        (f"{SCRIPT}\n```\nThis reads two numbers.", SCRIPT),
        (fenced(SCRIPT, ""), SCRIPT),
        (f"{fenced('print(1)')}\n{fenced('print(2)')}", "print(2)"),
        (f"{fenced('print(1)')}\nprints\n{fenced('1', '')}", "print(1)"),
        (f"{fenced('print(input())')}\nbetter:\n{fenced(SCRIPT)}", SCRIPT),
        (f"{fenced(SCRIPT)}\nSo\n{fenced('print(1 + 2)')}\nis 3.", SCRIPT),
        (f"{fenced(SCRIPT)}\nHere\n{fenced(FIRST_LINE)}\nreads.", SCRIPT),
        (f"{fenced(SCRIPT, '')}\nInput:\n{fenced('3 4', '')}\nOutput:\n{fenced('7', '')}", SCRIPT),
        (f"{fenced(HELPER)}\n{fenced(TWICE)}", f"{HELPER}\n\n{TWICE}"),
        (f"{fenced(MAIN)}\nand call it:\n{fenced('main()')}", f"{MAIN}\n\nmain()"),
        (f"{fenced('n = input()')}\nthen\n{fenced('print(n)')}", "n = input()\n\nprint(n)"),
    ],
)
def test_without_an_entry_point_it_is_a_script(answer, code):
    assert extract_code(answer) == code


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
        "Sure:\n```python\n    return a + b\n```",
        "   return a + b",  # as tokenizers that drop a leading space leave it
        "total = a\n    return total + b",
        "if a > b:\n        return a + b\n    return b + a",
        "total = a\nif total:\n    total += b\nreturn total\n\ndef other(): pass",
        "    return a + b\n```\nThis adds.",
        "    return a + b\n\n\ndef add(a, b):\n    return 0\n",
        '    text = """\nx\n"""\n    return a + b\nx = """',
        "<think>\nreturn 0\n</think>\n    return a + b",
        " Here it is:\n```python\n    return a + b\n```",
        fenced("from __future__ import annotations\ndef add(a: List, b): return a + b"),
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
        st.sampled_from(
            ["```", "~~~", "python", "\n", " ", ADD, '"""', "- ", "<think>", "</think>", "<answer>"]
        )
        | st.text(max_size=5),
        max_size=30,
    ).map("".join)
)
def test_no_answer_breaks_it(text):
    assert isinstance(extract_code(text), str)
    assert isinstance(extract_code(text, "add"), str)
    assert isinstance(complete(PROMPT, text, "add"), str)


LONG = 250_000


@pytest.mark.parametrize(
    "text",
    [
        "`" * LONG,
        "```\n" * (LONG // 4),
        "```python\n" * (LONG // 10),
        "\x00\ud800" * (LONG // 2),
        "(" * LONG,
        "def add(" * (LONG // 8),
        "def add(\n" * (LONG // 9),
        "def add(a): pass\n" * (LONG // 17),
        "A b " * (LONG // 4),
        "a, " * (LONG // 3),
        "a ," + " " * LONG + "!",
        "<think>" * (LONG // 7),
        "<answer></answer>" * (LONG // 17),
        "x = 1\n" * (LONG // 6),
        "```python\nx" + " " * LONG,
        "```" + " " * LONG + "`",
        " " * LONG + "```",
        "\n" * LONG,
        "'" + "\\" * LONG,
        'x = """' + 'a""' * (LONG // 3),
        '```python\n"""\n```\n' * (LONG // 18),
        "f(" + ")" * LONG + "x",
        "for " + ": " * (LONG // 2) + "x",
        "".join(f"```py\nimport b{n}\n```\n" for n in range(LONG // 24))
        + "```py\ndef add(): "
        + " ".join(f"b{n}" for n in range(LONG // 24)),
        "".join(f"```py\ndef b{n}(): b{n + 1}\n```\n" for n in range(LONG // 30))
        + "```py\ndef add(): b0",
    ],
)
def test_long_answers_take_little_time(text):
    started = time.process_time()
    extract_code(text, "add")
    extract_code(text)
    complete(PROMPT, text, "add")
    assert time.process_time() - started < 5
