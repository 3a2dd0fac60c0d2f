"""The page of `artculture serve`: one file that loads nothing from elsewhere."""

from collections.abc import Sequence

from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.serving.web.loading import Example
from artculture.serving.web.served_model import ServedModel
from artculture.utils.html_page import render_page, template_environment


def serve_page(models: Sequence[ServedModel], config: ServeConfig, examples: Sequence[Example]) -> str:
    """Return the page as HTML."""
    return render_page(
        template_environment(__package__),
        "page.html",
        style="page.css",
        scripts=["results.js", "page.js"],
        images="'self' data: blob:",
        requests="'self'",
        models=[{"name": model.name, **model.facts} for model in models],
        links=config.links,
        examples=[{"title": e.title, "artist": e.artist, "culture": e.culture} for e in examples],
        settings={"megabytes": config.limits.megabytes},
    )
