"""Markup of the report: what a dataset says stays text."""

import pytest
from html_page import Element, parse

from sim_service.report.markup import Html, data_uri, element, escaped, joined, shortened

HOSTILE = [
    "</p><script>alert(1)</script>",
    '" onload="alert(1)',
    "' onclick='alert(1)",
    "<!-- ",
    "]]>",
    "&lt;script&gt;",
    "&#60;b&#62;",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</style><style>*{display:none}",
    "plain text, ünïcödé, 日本語, 👩‍🔬",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_read_back_as_it_was(text: str) -> None:
    page = element("p", element("b", text), text, title=text)
    (paragraph,) = parse(page).children
    assert isinstance(paragraph, Element)
    assert paragraph.text == text + text
    assert paragraph.attributes == {"title": text}
    assert [found.tag for found in paragraph.all()] == ["p", "b"]


def test_characters_that_spoil_others_are_replaced() -> None:
    unwanted = ["\0", "\x1b", "\x7f", "\x85", "\ud800", "\udfff", "\ufffe", "\u202e", "\u2066"]
    assert escaped("".join(unwanted)) == "\ufffd" * len(unwanted)
    assert escaped("a\tb\nc\r") == "a b c "
    escaped("".join(map(chr, range(0x110000)))).encode()  # whatever it is, it can be written


def test_content_order_and_attribute_names() -> None:
    made = joined(
        [
            element("img", src="x", alt="", class_="a", aria_label="b", data_x=None),
            element("svg", "1", Html("<b>2</b>"), viewBox="0 0 1 2", width=1.5),
        ]
    )
    assert made == '<img src="x" alt class="a" aria-label="b"><svg viewBox="0 0 1 2" width="1.5">1<b>2</b></svg>'


def test_what_is_long_is_shortened_to_the_length_asked_for() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


def test_a_data_uri_is_the_content() -> None:
    assert data_uri("image/jpeg", b"\xff\x00a") == "data:image/jpeg;base64,/wBh"
