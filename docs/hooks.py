"""Hooks of mkdocs: links from a page to files outside of docs/ lead to the repository."""

from typing import Any


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 - mkdocs passes all
    return markdown.replace("](../", f"]({config.repo_url}/blob/main/") if "/" not in page.file.src_uri else markdown
