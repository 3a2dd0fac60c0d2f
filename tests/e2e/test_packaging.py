"""The built wheel, unpacked where no checkout is: the same commands and configs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(unpacked: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-m", "artculture", *arguments]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)


def test_the_wheel_holds_configs_plugins_and_pages(unpacked: Path):
    assert (unpacked / "artculture/conf/study/table2.yaml").is_file()
    assert (unpacked / "hydra_plugins/artculture_study/plugins.py").is_file()
    assert not (unpacked / "hydra_plugins/__init__.py").exists()
    assert (unpacked / "artculture/py.typed").is_file()
    assert list(unpacked.glob("artculture-*.dist-info/licenses/LICENSE"))
    templates = {path.name for path in (unpacked / "artculture/report/templates").iterdir()}
    assert templates == {"report.html.j2", "report.md.j2", "report.css"}


def test_the_wheel_composes_a_study_in_an_empty_folder(unpacked: Path, tmp_path: Path):
    shown = run(unpacked, tmp_path, "train", "--cfg", "job", "study=table2")
    assert shown.returncode == 0, shown.stderr
    assert "name: table2" in shown.stdout
    where = run(unpacked, tmp_path, "train", "--info", "searchpath")
    assert str(unpacked / "artculture" / "conf") in where.stdout.replace("\n", "")
