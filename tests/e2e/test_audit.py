import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

AUDIT = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner=off", "-s", "osv"]
PINS = Path(__file__).parents[2] / "constraints.txt"


@pytest.fixture
def service():
    """A vulnerability service on this machine that knows of one hole: in `holey` 1.0."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hole = {
                "id": "HOLE-1",
                "summary": "runs anything",
                "affected": [
                    {
                        "package": {"name": "holey", "ecosystem": "PyPI"},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
                        "versions": ["1.0"],
                    }
                ],
            }
            body = json.dumps({"vulns": [hole]} if asked["package"]["name"] == "holey" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(*more):
    return subprocess.run([*AUDIT, *map(str, more)], capture_output=True, text=True)


def test_a_pin_with_a_known_hole_is_found(service, tmp_path):
    (tmp_path / "pins.txt").write_text("sound==3.1\nholey==1.0\n")
    done = audit("--osv-url", service, "-r", tmp_path / "pins.txt")
    assert done.returncode == 1, done.stderr
    assert "HOLE-1" in done.stdout


@pytest.mark.slow
def test_all_pins_can_be_asked_about(service):
    done = audit("--osv-url", service, "-r", PINS)
    assert done.returncode == 0, done.stderr
    assert "No known vulnerabilities found" in done.stderr


@pytest.mark.slow
def test_no_pin_has_a_known_hole():
    done = audit("-r", PINS)
    if done.returncode and "ConnectionError" in done.stderr:
        pytest.skip(f"the vulnerability service can't be reached: {done.stderr.strip().splitlines()[-1][:200]}")
    assert done.returncode == 0, done.stdout + done.stderr
