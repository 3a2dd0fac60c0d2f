"""Console for terminals and logs that shows text of files, museums and web pages as it is, without running it."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from artculture.utils.visible_text import visible


class PlainConsole(Console):
    """Rich's console without markup (`[bold]`, `[link=…]`), and with control characters replaced by their escapes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Rich's own movements of the cursor are control segments.
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
