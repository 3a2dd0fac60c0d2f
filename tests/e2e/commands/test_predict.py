import contextlib
import csv
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artculture import cli
from artculture.evaluation.image_sources import ImageReader
from artculture.models.checkpoint import load_classifier


def png(seed: int, size: tuple[int, int] = (50, 60)) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def museum():
    """A web server with one picture, one page, one endless and one silent address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            if path == "/silent.png":
                time.sleep(1.5)
            if path == "/moved.png":
                self.send_response(302)
                self.send_header("Location", "/good.png")
                self.end_headers()
                return
            bodies = {"/good.png": png(1), "/page.jpg": b"\n<!DOCTYPE html><html>", "/endless.png": png(1) * 60}
            self.send_response(200 if path in bodies else 404)
            # A client hangs up where a picture is too large or it has waited long enough.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.end_headers()
                self.wfile.write(bodies.get(path, b""))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def predict(run, capsys):
    """`artculture predict` with JSON lines; gives the exit code and the rows by name."""

    def command(images: str, *more: str) -> tuple[int, dict[str, dict]]:
        capsys.readouterr()
        code = cli.main(["predict", f"checkpoint={run.best}", f"images={images}", "format=jsonl", *more])
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return code, {row["image"]: row for row in rows}

    return command


# In float32 the batches differ from the run's; measured: 3e-7 apart.
def test_it_says_what_the_run_s_own_predictions_say(run, predict, pictures):
    code, rows = predict(str(pictures), "top=9", "batch_size=5")
    stored = pd.read_csv(run.predictions, dtype={"object_id": str})
    expected = stored[["p_blue", "p_green", "p_red"]].to_numpy()
    assert (code, len(rows)) == (0, 42)
    assert load_classifier(run.best).temperature != 1.0
    for ident, shares in zip(stored["object_id"], expected, strict=True):
        said = {p["class"]: p["probability"] for p in rows[str(pictures / f"{ident}.png")]["predictions"]}
        assert [said[name] for name in ("blue", "green", "red")] == pytest.approx(shares, abs=1e-5)


def test_bfloat16_moves_probabilities_in_the_second_decimal_place(run, predict, pictures):
    (_, exact), (code, half) = (
        predict(str(pictures), "top=9", f"precision={each}") for each in ("float32", "bfloat16")
    )
    assert code == 0
    said = [
        {p["class"]: p["probability"] for p in rows[name]["predictions"]} for name in exact for rows in (exact, half)
    ]
    apart = [abs(one[key] - other[key]) for one, other in zip(said[::2], said[1::2], strict=True) for key in one]
    assert 0 < max(apart) < 0.1


def test_the_likeliest_come_first(predict, pictures):
    _, rows = predict(str(pictures / "red" / "3.png"), "top=2")
    (row,) = rows.values()
    assert [set(said) for said in row["predictions"]] == [{"class", "probability"}] * 2
    assert row["predictions"][0]["probability"] >= row["predictions"][1]["probability"]


def test_globs_lists_and_odd_names(predict, pictures, tmp_path):
    odd = tmp_path / "it's one, (1) [a]=&.png"
    odd.write_bytes(png(2))
    assert list(predict(str(odd))[1]) == [str(odd)]
    assert len(predict(f"{pictures}/**/1*.png")[1]) == 3 * 5
    assert len(predict(f"[{pictures}/red/1.png,{pictures}/red]")[1]) == 14


def test_names_come_from_stdin(predict, pictures, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{pictures}/red/1.png\n\n{pictures}/blue/2.png\n"))
    assert list(predict("-")[1]) == [f"{pictures}/red/1.png", f"{pictures}/blue/2.png"]


def _spoil(folder) -> dict[str, str]:
    (folder / "page.jpg").write_bytes(b"<html><body>not here</body></html>")
    (folder / "zero.png").touch()
    (folder / "short.png").write_bytes(png(3)[:2000])
    (folder / "notes.png").write_bytes(b"hello")
    return {"page.jpg": "a web page", "zero.png": "zero bytes", "short.png": "truncated", "notes.png": "not a picture"}


def test_bad_pictures_are_said_and_the_rest_continue(predict, pictures):
    reasons = _spoil(pictures / "red")
    code, rows = predict(str(pictures / "red"), "batch_size=3")
    assert (code, len(rows)) == (1, 18)
    for name, reason in reasons.items():
        assert reason in rows[str(pictures / "red" / name)]["error"]
    assert sum("predictions" in row for row in rows.values()) == 14


def test_a_bomb_does_not_go_off(predict, pictures, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    code, rows = predict(str(pictures / "red" / "0.png"))
    assert code == 1
    assert "decompression bomb" in next(iter(rows.values()))["error"]


WEB = {
    "good.png": None,
    "good.png?size=1&format=a,b": None,
    "moved.png": None,
    "gone.png": "404",
    "page.jpg": "a web page",
    "endless.png": "more than 0.5 MB",
    "silent.png": "no answer within 0.5 s",
}


@pytest.mark.parametrize(("address", "reason"), WEB.items())
def test_addresses(predict, museum, address, reason):
    code, rows = predict(f"{museum}/{address}", "timeout=0.5", "largest_download=0.5")
    row = rows[f"{museum}/{address}"]
    assert code == (1 if reason else 0)
    assert reason in row["error"] if reason else len(row["predictions"]) == 3


def test_a_server_that_is_not_there(predict):
    code, rows = predict("http://127.0.0.1:9/a.png")
    assert code == 1
    assert "can't be downloaded" in rows["http://127.0.0.1:9/a.png"]["error"]


def test_stderr_names_what_failed_and_says_the_speed(run, pictures, capsys):
    _spoil(pictures / "red")
    assert cli.main(["predict", f"checkpoint={run.best}", f"images={pictures}/red"]) == 1
    captured = capsys.readouterr()
    assert f"artculture: {pictures}/red/zero.png: zero bytes\n" in captured.err
    assert "14 pictures in" in captured.err
    assert captured.err.endswith("images/s, 4 can't be read\n")
    assert str(pictures / "red" / "5.png") in captured.out
    assert "%" in captured.out


def test_csv_has_a_row_a_picture_and_lands_whole(run, pictures, tmp_path, capsys):
    _spoil(pictures / "red")
    typed = [f"images={pictures}/red", "format=csv", "output=out.csv", "top=2"]
    assert cli.main(["predict", f"checkpoint={run.best}", *typed]) == 1
    assert capsys.readouterr().out == ""
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "class_1", "probability_1", "class_2", "probability_2", "error"]
    bad = next(row for row in rows if row["image"].endswith("zero.png"))
    assert (bad["class_1"], bad["error"]) == ("", "zero bytes")
    assert float(rows[0]["probability_1"]) >= float(rows[0]["probability_2"]) > 0


def test_a_stopped_command_continues_with_the_same_result(run, pictures, tmp_path, capsys, monkeypatch):
    _spoil(pictures / "red")
    typed = ["predict", f"checkpoint={run.best}", f"images={pictures}", "format=parquet", "batch_size=5", "top=2"]
    assert cli.main([*typed, "output=whole.parquet"]) == 1
    reads, pixels = [], ImageReader.pixels_for

    def stops_at_the_20th(reader, source, kinds):
        reads.append(source)
        if len(reads) == 20:
            raise KeyboardInterrupt
        return pixels(reader, source, kinds)

    with monkeypatch.context() as patch:
        patch.setattr(ImageReader, "pixels_for", stops_at_the_20th)
        assert cli.main([*typed, "output=out.parquet"]) == 130
    assert not (tmp_path / "out.parquet").exists()
    capsys.readouterr()
    assert cli.main([*typed, "output=out.parquet"]) == 1
    assert "continuing after 15 of 46 pictures" in capsys.readouterr().err
    assert pd.read_parquet("out.parquet").equals(pd.read_parquet("whole.parquet"))
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name or ".lock" in path.name] == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("output=taken.csv", "output=taken.csv exists"),
        ("output=maps overwrite=true", "output=maps is a folder"),
        ("overlay=maps", "overlay=maps holds a.png"),
        ("overlay={pictures}/red overwrite=true", "is the folder of pictures that are read"),
    ],
)
def test_nothing_is_replaced_before_it_is_asked_for(run, pictures, tmp_path, capsys, typed, said):
    (tmp_path / "taken.csv").write_text("precious")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "a.png").write_text("precious")
    more = typed.format(pictures=pictures).split()
    assert cli.main(["predict", "checkpoint=none.ckpt", f"images={pictures}/red", "format=csv", *more]) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "taken.csv").read_text() == (tmp_path / "maps" / "a.png").read_text() == "precious"


def test_overlays_are_written_each_under_its_own_name(run, pictures, tmp_path):
    pytest.importorskip("artculture.analysis.saliency.feature_maps")
    typed = [f"images=[{pictures}/red/1.png,{pictures}/blue/1.png]", "overlay=maps"]
    assert cli.main(["predict", f"checkpoint={run.best}", *typed]) == 0
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["1-2.png", "1.png"]


MISTAKES = {
    "checkpoint=a": ["images is missing"],
    "checkpoint=a images=nowhere/": ["images: nowhere/: no such file or folder"],
    "checkpoint=a images=*.xyz": ["*.xyz: matches nothing"],
    "checkpoint=a images=[]": ["images is empty"],
    "checkpoint=a images=x format=json": ["format=json", "did you mean `jsonl`?"],
    "checkpoint=a images=x top=0": ["top=0"],
    "checkpoint=a images=x format=parquet": ["format parquet needs a file"],
    "checkpoint=a imges=x": ["no key `imges`: did you mean `images`?"],
    "checkpoint=a images=http://x/a.png": ["no checkpoint at a"],
}


@pytest.mark.parametrize(("typed", "says"), MISTAKES.items())
def test_mistakes_end_in_one_clear_message(typed, says, capsys):
    assert cli.main(["predict", *typed.split()]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in says)
