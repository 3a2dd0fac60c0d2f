"""Content security policy of the report."""

import base64
import hashlib
from collections.abc import Sequence
from html.parser import HTMLParser


class _Scripts(HTMLParser):
    """Parser that collects the inline scripts of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data


def policy(pages: Sequence[str]) -> str:
    """Return a policy that loads nothing and runs only the scripts of the embedded pages, by their SHA-256."""
    parser = _Scripts()
    for page in pages:
        parser.feed(page)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in parser.texts if text]
    scripts = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(digests)) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
