import html
import re

import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from artculture.utils.visible_text import markdown_block, markdown_code, markdown_text, markdown_with_bold, visible

HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[a](javascript:alert(1)) ![b](http://127.0.0.1/c)",
    "a | b\n\n# c\n```\n<script>d</script>",
    "`</code><script>`e`` ``` \\` f",
    "$\\href{javascript:alert(1)}{g}$ **h** __i__ ~~j~~ head_lr=1",
    "<!-- k --> &lt;l&gt; http://m \\<script>",
]


def tags(page):
    return set(re.findall(r"<\s*/?\s*([a-zA-Z!][\w-]*)", page))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_none_of_its_markup(text):
    rendered = markdown2html_mistune(f"| a |\n|---|\n| {markdown_text(text)} |\n\n- {markdown_text(text)}\n")
    rendered = re.sub(r'<a href="(http://[^"]+)">(http://[^<]+)</a>', r"\2", rendered)  # a bare address
    assert tags(rendered) == {"table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    (item,) = re.findall(r"<li>(.*?)</li>", rendered, re.DOTALL)
    assert html.unescape(item) == " ".join(text.split())


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_not_ended_by_its_text(text):
    assert tags(markdown2html_mistune(f"a {markdown_code(text)} b")) == {"p", "code"}
    assert tags(markdown2html_mistune(markdown_block(text) + "\n\nb")) == {"pre", "code", "p"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("a\rb\x9b31m", "a\\rb\\x9b31m"),
        ("exe.\u202egpj", "exe.\\u202egpj"),
        ("\udcff.jpg", "\\udcff.jpg"),
        ("Œuvre\tde\n画", "Œuvre\tde\n画"),
    ],
)
def test_control_characters_are_shown_as_escapes(text, shown):
    assert visible(text) == shown


def test_spaces_next_to_bold_text_are_kept():
    assert markdown_with_bold("**Bold** and  *this*, then **bold**: x") == "**Bold** and \\*this\\*, then **bold**: x"
