"""Self-contained HTML pages from Jinja2 templates: style, script and data inline, under a content security policy."""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from artculture.utils.io import json_text

SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)


def template_environment(package: str, folder: str = "", *, autoescape: bool = True) -> jinja2.Environment:
    """Return an environment of the templates in a folder of a package; its filter `tojson` is safe inside scripts."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_function"] = json_text
    environment.policies["json.dumps_kwargs"] = {"compact": True}
    return environment


def render_page(
    environment: jinja2.Environment,
    template: str,
    *,
    style: str,
    scripts: Sequence[str] = (),
    embedded: Sequence[str] = (),
    style_attributes: bool = False,
    images: str = "data:",
    requests: str = "",
    **values: Any,
) -> str:
    """Return a page that loads nothing and runs only its own script and style, allowed by their SHA-256.

    Args:
        environment: of the templates and the other files.
        template: receives `policy`, `style`, `script` and `values`.
        style: name of the file with the style.
        scripts: names of the files of the script, in order.
        embedded: pages shown in frames of this page, whose scripts may run too.
        style_attributes: allow `style=` on elements, and with it any inline style.
        images: sources of images that the policy allows.
        requests: addresses that the script may ask; none for a page that loads nothing.
    """
    css, script = _file(environment, style), "\n".join(_file(environment, name) for name in scripts)
    foreign = [text for page in embedded for text in SCRIPT.findall(page)]
    runs = dict.fromkeys(_digest(text) for text in (script, *foreign) if text)
    allowed = {
        "default-src": "'none'",
        "script-src": " ".join(runs) or "'none'",
        "style-src": "'unsafe-inline'" if style_attributes else _digest(css),
        "img-src": images,
        "frame-src": "'self'" if embedded else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": requests} if requests else {}),
    }
    policy = "; ".join(f"{directive} {sources}" for directive, sources in allowed.items())
    inline = {"policy": policy, "style": Markup(css), "script": Markup(script)}
    return environment.get_template(template).render(**inline, **values)


def _file(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
