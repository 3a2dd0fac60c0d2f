import json

import numpy as np
import pytest
from PIL import Image

from artculture import cli


def test_each_picture_gets_a_sheet_and_its_maps(run, pictures, tmp_path, capsys):
    (pictures / "red" / "bad.png").write_bytes(b"nothing")
    typed = [f"image=[{pictures}/red/1.png,{pictures}/blue/1.png,{pictures}/red/bad.png]", "target=red"]
    assert cli.main(["explain", f"checkpoint={run.path}", *typed]) == 1
    assert "bad.png: not a picture" in capsys.readouterr().err
    folder = tmp_path / "explanations"
    first, second = json.loads((folder / "explanations.json").read_text())["explanations"]
    assert (first["sheet"], second["sheet"], first["target"]) == ("1.png", "1-2.png", "red")
    with np.load(folder / first["maps"]) as maps:
        assert set(maps) == {"feature_map", "grad_cam", "occlusion"}
        assert all(0 <= maps[name].min() <= maps[name].max() <= 1 for name in maps)
    with Image.open(folder / "1-2.png") as sheet:
        assert sheet.width > 600


MISTAKES = {
    "methods=[gradcam]": "did you mean `grad_cam`?",
    "target=rd": "target=rd: did you mean `red`?",
    "methods=[rollout]": "has no attention rollout",
}


@pytest.mark.parametrize(("typed", "says"), MISTAKES.items())
def test_mistakes_end_in_one_clear_message(run, pictures, capsys, typed, says):
    assert cli.main(["explain", f"checkpoint={run.path}", f"image={pictures}/red/1.png", typed]) == 2
    assert says in capsys.readouterr().err
