"""The notebooks of the paper's story: bare in git, and whole when they are run on a study."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Figures of each for the cultures below; geography and regions are left out, because one of them has no place.
FIGURES = {"1_data": 4, "2_results": 6, "3_inside_the_model": 10, "4_your_own_trainer": 1}
CULTURES = ("American", "Dutch", "French", "Indian", "Japanese", "<script>alert(1)</script>")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_the_story_has_its_parts():
    assert [path.stem for path in NOTEBOOKS] == list(FIGURES)


@each
def test_outputs_are_stripped(path):
    left = [cell.id for cell in code(path) if cell.outputs or cell.execution_count is not None]
    assert left == []


@each
def test_the_file_is_a_valid_notebook_of_this_format_and_of_no_one_s_machine(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert max(Counter(cell.id for cell in notebook.cells).values()) == 1
    assert dict(notebook.metadata["language_info"]) == {"name": "python"}
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"alt"}  # nbconvert's, of a cell's figures
    assert not re.search(r"/(home|root|Users|work|tmp)/", path.read_text(encoding="utf-8"))


@each
def test_lines_are_wrapped_and_cells_short(path):
    cells = read(path).cells
    assert [line for cell in cells for line in cell.source.splitlines() if len(line) > 120] == []
    assert max(len(cell.source.splitlines()) for cell in code(path)) <= 30


def test_all_open_a_study_by_the_same_first_cell():
    assert len({code(path)[0].source for path in NOTEBOOKS}) == 1


def exported(notebook: Any) -> str:
    """Return the page that `make notebooks` writes."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="page", extra_template_basedirs=[str(FOLDER)])
    page, _ = exporter.from_notebook_node(notebook)
    return str(page)


def test_an_exported_page_runs_no_script_and_loads_nothing():
    attack = "<script>alert(1)</script><img src=http://127.0.0.1/a>"
    output = nbformat.v4.new_output("display_data", {"text/html": attack})
    page = exported(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=[output])]))
    policy = page.index("<meta content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline';")
    assert policy < page.index('http-equiv="Content-Security-Policy"') < page.index("<title>") < page.index("<script")
    assert page.count("<script") == 1
    makefile = (FOLDER.parent / "Makefile").read_text(encoding="utf-8")
    assert "--template page" in makefile


@each
def test_an_exported_notebook_opens_without_a_network(path):
    page = exported(read(path))
    assert re.findall(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)\s*=\s*[\"']?(?:https?:)?//[^>]*>", page) == []
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", page) == []


@pytest.fixture
def museum(tmp_path: Path) -> Path:
    """Pictures of five of the paper's cultures, distinguished by a tint; a third of them leaves of albums."""
    rng, root, rows = np.random.default_rng(0), tmp_path / "museum", []
    (root / "images").mkdir(parents=True)
    for label, culture in enumerate(CULTURES):
        tint = 60 * np.array([np.cos(label), np.sin(label), np.cos(2 * label)])
        for index in range(15):
            name = f"images/{label}-{index}.png"
            noise = rng.normal(120, 50, (48, 48 + 3 * index, 3)) + tint
            Image.fromarray(noise.clip(0, 255).astype("uint8")).save(root / name)
            group = f"{culture}-album" if index < 3 else f"{culture}-{index}"
            rows.append((f"{culture}-{index}", "met", name, culture, f"Picture *{index}*", group))
    table = pd.DataFrame(rows, columns=["object_id", "source", "image", "culture", "title", "group"])
    table.to_csv(root / "manifest.csv", index=False)
    return root


@pytest.fixture
def study(train, museum, monkeypatch) -> Path:
    usual = [f"data.root={museum}", "data.fractions=[0.5,0.25,0.25]", "trainer.max_epochs=2", "study.name=tiny"]
    for seed in (0, 1):
        assert train(*usual, f"seed={seed}") == 0
    monkeypatch.setenv("ARTCULTURE_STUDY", "outputs/tiny")
    return museum.parent / "outputs" / "tiny"


def execute(path: Path, folder: Path) -> Any:
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    return NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.slow
def test_all_run_on_a_study(study, tmp_path):
    for path in NOTEBOOKS:
        notebook = execute(path, tmp_path)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        drawn = [output for output in outputs if "image/png" in output.get("data", {})]
        assert len(drawn) == FIGURES[path.stem], path.name
        assert [output.text for output in outputs if output.output_type == "stream"] == [], path.name
        assert "<script" not in exported(notebook)


@pytest.mark.slow
def test_a_study_that_is_not_there_is_said_at_once(tmp_path, monkeypatch):
    from nbclient.exceptions import CellExecutionError

    monkeypatch.setenv("ARTCULTURE_STUDY", "outputs/nowhere")
    with pytest.raises(CellExecutionError, match="no finished run in outputs/nowhere: `make grid` makes"):
        execute(NOTEBOOKS[0], tmp_path)
