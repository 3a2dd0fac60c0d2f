"""The page of `artculture serve`: one file that loads nothing from elsewhere."""

from collections.abc import Sequence

from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.serving.web.loading import Example
from artculture.serving.web.served_model import ServedModel
from artculture.utils.html_page import render_page, template_environment


def serve_page(models: Sequence[ServedModel], config: ServeConfig, examples: Sequence[Example]) -> str:
    """Return the page as HTML."""
    words = models[0].model.words
    question = "Which culture painted this?" if words.are_cultures else f"Which {words.one} is this?"
    named = [{"name": served.name, "many": served.model.words.many, **served.facts} for served in models]
    return render_page(
        template_environment(__package__),
        "page.html",
        style="page.css",
        scripts=["results.js", "page.js"],
        images="'self' data: blob:",
        requests="'self'",
        question=question,
        models=named,
        links=config.links,
        examples=[{"title": example.title, "artist": example.artist} for example in examples],
        settings={"megabytes": config.limits.megabytes},
    )
