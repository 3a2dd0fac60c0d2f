"""Text from files, museums and web pages, made harmless where it is shown: on a terminal, in logs, in Markdown."""

import html
import re

# Control characters except newline and tab, characters that reorder text, line separators and lone surrogates.
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Characters with a meaning in Markdown. An underscore has none inside a word.
MARKS = re.compile(r"[\\`*\[\]|#~$]|(?<![^\W_])_|_(?![^\W_])")


def visible(text: str) -> str:
    """Return the text with every control character replaced by its escape, as in `\\x1b`."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def markdown_text(text: object) -> str:
    """Return one line of Markdown that shows the text as it is: no markup, HTML or mathematics.

    A renderer may turn a bare web address into a link to what it shows.
    """
    line = html.escape(visible(" ".join(str(text).split())), quote=False)
    return MARKS.sub(r"\\\g<0>", line)


def markdown_with_bold(text: str) -> str:
    """Return one line of Markdown in which the parts between `**` are bold; spaces next to them are kept."""
    parts = []
    for part in text.split("**"):
        before, after = (
            (" " * part[:1].isspace(), " " * part[-1:].isspace()) if part.strip() else ("", " " * bool(part))
        )
        parts.append(before + markdown_text(part) + after)
    return "**".join(parts)


def markdown_code(text: object) -> str:
    """Return an inline code span of the text."""
    line = visible(" ".join(str(text).split()))
    ticks = _longer_than_in(line, shortest=1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{padding}{line}{padding}{ticks}"


def markdown_block(text: str, language: str = "") -> str:
    """Return a fenced code block that the text cannot close."""
    fence = _longer_than_in(text, shortest=3)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def _longer_than_in(text: str, shortest: int) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(shortest, longest + 1)
