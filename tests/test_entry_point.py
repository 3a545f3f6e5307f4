"""Functions of one's own: where their files are looked for, and what is said when they are not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from askd import entry_point, provenance
from askd.errors import AskdError
from askd.provenance import digest


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes files into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        provenance._tree.cache_clear()
        provenance._imports.cache_clear()
        provenance._code.cache_clear()
        return tmp_path

    yield write
    write()


def refusal(name: str) -> str:
    with pytest.raises(AskdError) as error:
        entry_point.load(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_function_in_a_folder(own):
    own(deep__mine="from deep.other import LIMIT\n\n\ndef f():\n    return LIMIT\n")
    own(deep__other="LIMIT = 3\n")
    assert entry_point.load("deep.mine:f")() == 3
    # Once for each process: a training grades at every step.
    assert entry_point.load("deep.mine:f") is entry_point.load("deep.mine:f")


def test_a_file_is_not_hidden_by_a_library_and_hides_none(own):
    own(json="def dumps(*_):\n    return 'mine'\n")
    library = sys.modules["json"]
    assert entry_point.load("json:dumps")() == "mine"
    assert sys.modules["json"] is library


def test_a_file_that_is_not_there(own):
    folder = own()
    message = refusal("rewards.mine:score")
    assert message.startswith(
        "rewards.mine:score: no file rewards/mine.py in the working directory"
    )
    assert str(folder) in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:\n", "cannot be loaded (SyntaxError: "),
        (
            "x = 1\nimport no_such_package\n",
            "No module named 'no_such_package', at line 2 of broken",
        ),
        ("score = 3\n", "has no function 'score'; known are none."),
        ("def scores():\n    pass\n", "has no function 'score'; did you mean 'scores'?"),
    ],
)
def test_a_file_that_is_wrong(own, text, reason):
    own(broken=text)
    assert reason in refusal("broken:score")


def test_its_digest_follows_the_file_and_what_it_imports(own):
    own(mine="from helper import LIMIT\nimport numpy\n", helper="LIMIT = 3\n")
    before = digest("askd.rewards.grade", "mine")
    own(mine="from helper import LIMIT\nimport numpy\n# A comment.\n")
    assert digest("askd.rewards.grade", "mine") == before
    own(helper="LIMIT = 4\n")
    edited = digest("askd.rewards.grade", "mine")
    assert edited != before
    own(mine="import helper\n")
    assert digest("askd.rewards.grade", "mine") != edited


def test_a_folder_by_the_name_of_a_library_is_none_of_askds(own):
    before = digest("askd.training.stage")
    own(torch__nn="EDITED = 1\n", torch____init__="", pydantic="EDITED = 1\n")
    assert digest("askd.training.stage") == before


def test_a_file_that_is_not_python_has_no_digest(own):
    own(mine="def f(:\n")
    with pytest.raises(AskdError, match=r"mine\.py: not Python"):
        digest("mine")
