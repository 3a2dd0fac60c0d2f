import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from artculture.utils import diagnosis


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_any_answer_of_a_service_counts_and_none_is_to_fix(server):
    there, gone = diagnosis.services({"There": server, "Gone": "http://127.0.0.1:9"}, timeout=5)
    assert there.value.endswith("answers (403)")
    assert there.fix == ""
    assert "does not answer (ConnectError)" in gone.value
    assert gone.fix == "Gone needs a connection to 127.0.0.1:9"


@pytest.mark.parametrize("address", ["http://alice:s3cret@127.0.0.1:9", "http://alice:s3cret@127.0.0.1:port"])
def test_a_password_in_an_address_is_not_shown(address):
    (finding,) = diagnosis.services({"Mirror": address}, timeout=5)
    assert "does not answer" in finding.value
    assert "s3cret" not in finding.value + finding.fix


def test_a_package_that_is_missing_is_to_fix(monkeypatch):
    monkeypatch.setattr(diagnosis, "PACKAGES", ("torch", "no-such-package"))
    found = {finding.name: finding for finding in diagnosis.versions()}
    assert found["torch"].fix == ""
    assert found["no-such-package"].fix == "pip install no-such-package"


def test_extras_are_those_whose_packages_are_there(monkeypatch):
    monkeypatch.setattr(diagnosis, "_installed", lambda package: package != "optuna")
    present, missing = diagnosis.extras().value.split("; not installed: ")
    assert "search" in missing
    assert "ray" in present
    assert "dev" not in present + missing


def test_a_nearly_full_disk_is_to_fix(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1e9}))
    finding = diagnosis.disk("the cache", tmp_path / "not" / "there")
    assert finding.value == "1.0 GB"
    assert finding.fix


def test_the_processor_is_named_without_linux(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    assert "cores" in diagnosis.processor().value
