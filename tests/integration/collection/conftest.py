from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from artculture.cli import main
from tests.unit.museum_servers import MetServer, many_places, serving

QUICK = ["source.rate=2000", "source.start_rate=2000", "source.backoff=0.01", "source.timeout=5"]


@pytest.fixture(scope="session")
def met() -> Iterator[MetServer]:
    with serving(MetServer(many_places(44))) as server:
        yield server


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., int]:
    """`artculture fetch` on a folder of the test, from museums that allow more than the real ones."""

    def run(*overrides: str, root: Path = tmp_path / "met") -> int:
        sources = next((o for o in overrides if o.startswith("source=")), "source=met").removeprefix("source=")
        limits = [f"museums.{name}.rate_limit=2000" for name in sources.strip("[]").split(",")]
        return main(["fetch", f"root={root}", *QUICK, *limits, *overrides])

    return run
