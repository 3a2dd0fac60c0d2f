import os
import signal
import socket
import threading
import time
from contextlib import suppress

import httpx
import pytest

from artculture import cli
from artculture.utils.signals import stop_on_signals

pytest.importorskip("fastapi", reason="fastapi is not installed (the `serve` extra has it)")


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def _signals():
    """The handlers that the program installs at its start."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)}
    stop_on_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def serve(port, _signals):
    """Run the command in this thread, ask it from another, and stop it by a signal; gives exit code and answers."""

    def command(*overrides, ask, stop=signal.SIGTERM):
        answers = []

        def client():
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as session:
                for _ in range(600):
                    with suppress(httpx.ConnectError):
                        session.get("/health")
                        break
                    time.sleep(0.05)
                answers.extend(one(session) for one in ask)
            os.kill(os.getpid(), stop)

        thread = threading.Thread(target=client)
        thread.start()
        code = cli.main(["serve", f"port={port}", "device=cpu", *overrides])
        thread.join()
        return code, answers

    return command


def test_a_run_is_served_with_its_index_its_examples_and_its_test_accuracy(run, serve, pictures, capsys):
    assert cli.main(["index", f"checkpoint={run.path}", "device=cpu"]) == 0
    content = (pictures / "red" / "0.png").read_bytes()
    code, (page, answered, example) = serve(
        f"checkpoint={run.path}",
        "sets=0.8",
        ask=[
            lambda client: client.get("/"),
            lambda client: client.post("/predict?details=true", files={"file": content}),
            lambda client: client.post("/predict", json={"example": 0}),
        ],
    )
    assert code == 0
    assert "answers; Ctrl-C ends it" in capsys.readouterr().out
    (model,) = answered.json()["models"]
    assert (model["model"], model["coverage"]) == (run.path.name, 0.8)
    assert model["set"]
    assert 0 <= model["unlike"] <= 1
    assert len(model["details"]["similar"]) == 6
    assert model["details"]["similar"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
    assert page.text.count("data-example=") == 12
    assert "of its test paintings right" in page.text
    assert example.status_code == 200


def test_two_checkpoints_are_side_by_side_and_a_closed_terminal_ends_the_server(run, serve, tmp_path):
    other = tmp_path / "other.ckpt"
    other.write_bytes(run.best.read_bytes())
    code, (health,) = serve(
        f"checkpoint=[{run.path},{other}]", "examples=0", ask=[lambda client: client.get("/health")], stop=signal.SIGHUP
    )
    assert code == 0
    assert [model["name"] for model in health.json()["models"]] == [run.path.name, "other"]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["checkpoint=[]"], "checkpoint is empty"),
        (["checkpoint=[a,a]"], "names one twice"),
        (["checkpoint=[a,b]", "index=c"], "index has 1 folders for 2 checkpoints"),
        (["checkpoint=a", "limits.pictures=500"], "limits.pictures is more than limits.waiting"),
        (["checkpoint=a", "limits.megabytes=500"], "limits.megabytes is more than limits.waiting_megabytes"),
        (["checkpoint=a", "port=70000"], "port"),
        (["checkpoint=nowhere.ckpt", "port=0"], "nowhere.ckpt"),
    ],
)
def test_wrong_input_is_one_message(overrides, says, capsys):
    assert cli.main(["serve", *overrides]) == 2
    assert says in capsys.readouterr().err


def test_an_index_of_another_checkpoint_is_refused_where_it_is_named(run, tmp_path, capsys):
    assert cli.main(["serve", f"checkpoint={run.path}", f"index={tmp_path}", "port=0"]) == 2
    assert "no feature index" in capsys.readouterr().err


@pytest.mark.slow
def test_an_exported_file_is_served_with_the_index_of_its_checkpoint(run, serve, pictures):
    assert cli.main(["index", f"checkpoint={run.path}", "device=cpu"]) == 0
    assert cli.main(["export", f"checkpoint={run.path}"]) == 0
    content = (pictures / "red" / "0.png").read_bytes()
    code, (answered,) = serve(
        f"checkpoint=[{run.path},{run.path / 'export' / 'model-float32.onnx'}]",
        ask=[lambda client: client.post("/predict?details=true", files={"file": content})],
    )
    assert code == 0
    torch, onnx = answered.json()["models"]
    assert onnx["model"] == f"{run.path.name} (model-float32)"
    assert onnx["set"] is None
    assert "checkpoint of one network" in onnx["details"]["maps_missing"]
    found = [[one["object_id"] for one in model["details"]["similar"]] for model in (torch, onnx)]
    assert found[0] == found[1]
    for mine, theirs in zip(torch["classes"], onnx["classes"], strict=True):
        assert theirs["probability"] == pytest.approx(mine["probability"], abs=1e-4)
