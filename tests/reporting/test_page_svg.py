"""Pictures within a page."""

from __future__ import annotations

import pytest

from askd.errors import AskdError
from askd.reporting.page.svg import inline

PICTURE = """\
<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" viewBox="0 0 72 72"
  xmlns="http://www.w3.org/2000/svg">
 <metadata>Made by a program</metadata>
 <defs><style type="text/css">*{stroke-linejoin: round}</style><path id="m1" d="M 0 0"/></defs>
 <clipPath id="c"/>
 <text>a<tspan>b</tspan> c</text>
 <use xlink:href="#m1" clip-path="url(#c)"/>
</svg>
"""


@pytest.fixture
def drawn(tmp_path):
    def drawn(text: str = PICTURE) -> str:
        (tmp_path / "x.svg").write_text(text)
        return inline(tmp_path / "x.svg", "fig", "fig-caption")

    return drawn


def test_ids_and_references_get_the_name_of_the_figure(drawn):
    text = drawn()
    assert 'id="fig-m1"' in text and 'href="#fig-m1"' in text
    assert 'clip-path="url(#fig-c)"' in text
    assert text.startswith('<svg viewBox="0 0 72 72" id="fig" role="img"')


def test_nothing_of_the_file_reaches_the_rest_of_the_page(drawn):
    text = drawn()
    assert "#fig *{stroke-linejoin: round}" in text
    assert "http" not in text and "xmlns" not in text and "Made by" not in text


def test_text_is_kept(drawn):
    assert "<text>a<tspan>b</tspan> c</text>" in drawn()


@pytest.mark.parametrize("reference", ["https://example.org/a.png", "a.png"])
def test_a_reference_to_another_file_is_refused(drawn, reference):
    with pytest.raises(AskdError, match="refers to"):
        drawn(PICTURE.replace("#m1", reference))


def test_a_picture_within_the_picture_is_kept(drawn):
    assert 'href="data:image/png;base64,AA"' in drawn(
        PICTURE.replace("#m1", "data:image/png;base64,AA")
    )


@pytest.mark.parametrize("text", ["", "<svg", "<html/>", PICTURE.replace("viewBox", "box")])
def test_what_is_no_picture_is_refused(drawn, text):
    with pytest.raises(AskdError, match=r"x\.svg: no SVG picture"):
        drawn(text)
