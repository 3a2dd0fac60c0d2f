"""Pictures of the report, the map and the review page for the README: `make screenshots`, after `make grid`."""

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from tests.browser import open_browser

from artculture import cli
from artculture.analysis.loading import own_data, run_of
from artculture.data.selection import whole_manifest
from artculture.report.study_data import read_study
from artculture.utils.io import replacing

FOLDER = Path(__file__).parent / "images"
LARGEST = 150_000  # bytes
SIZE = (1280, 800)


def main(study: Path) -> None:
    """Write `report.webp`, `map.webp` and `review.webp` from a study of the sample that is analysed and reported."""
    with TemporaryDirectory() as folder:
        pages = dict(_pages(study, Path(folder)))
        with open_browser(Path(folder) / "profile") as browser:
            browser.set_window_size(*SIZE)
            for name, page in pages.items():
                file = FOLDER / f"{name}.webp"
                _write(_screenshot(browser, page), file)
                sys.stdout.write(f"{file} ({file.stat().st_size / 1000:.0f} kB)\n")


def _pages(study: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    analysed = read_study(study).analysed
    if analysed is None or not (study / "report.html").is_file():
        sys.exit(f"no analysed study with a report in {study}: `make grid` makes outputs/table2")
    yield "report", study / "report.html"
    yield "map", analysed.analysis / "painting_map.html"
    choice, _ = own_data(analysed.directory.best, run_of(analysed.directory.best))
    collection = folder / "sample"
    shutil.copytree(whole_manifest(choice).root, collection)
    if cli.main(["curate", f"root={collection}"]) != 0:
        sys.exit("curate failed: see its message above")
    yield "review", collection / "review.html"


def _screenshot(browser: Any, page: Path) -> Image.Image:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.resolve().as_uri())
    WebDriverWait(browser, 60).until(lambda one: one.execute_script("return document.readyState") == "complete")
    WebDriverWait(browser, 60).until(
        lambda one: one.execute_script("return [...document.images].slice(0, 12).every((image) => image.complete)")
    )
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def _write(picture: Image.Image, file: Path) -> None:
    """Write a picture as WebP, of the best quality that keeps it small."""
    FOLDER.mkdir(exist_ok=True)
    for quality in range(90, 20, -10):
        with replacing(file) as temporary:
            picture.save(temporary, "WEBP", quality=quality, method=6)
        if file.stat().st_size <= LARGEST:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/table2"))
