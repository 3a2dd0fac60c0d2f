import subprocess
import sys

import pytest

# Closes, breaks or restricts a standard stream, then writes to both and says by its exit code that it got to the end.
PROGRAM = r"""
import sys, time
from artculture.utils.streams import keep_streams
keep_streams(stdout=STDOUT)
for _ in range(3):
    print("90 % \xb7 gut \u2026 \udcff", flush=True)
    print("90 % \xb7 gut \u2026", file=sys.stderr)
    time.sleep(0.2)
sys.exit(7)
"""


def shell(line, stdout=True):
    program = PROGRAM.replace("STDOUT", str(stdout))
    return subprocess.run(["bash", "-c", line, "bash", sys.executable, program], capture_output=True, text=True)


@pytest.mark.parametrize(
    "line",
    [
        '"$1" -c "$2" | head -0; exit ${PIPESTATUS[0]}',
        '"$1" -c "$2" 2>&1 | head -1; exit ${PIPESTATUS[0]}',
        '"$1" -c "$2" >&-',
        '"$1" -c "$2" 2>&-',
        '"$1" -c "$2" >&- 2>&- <&-',
        'PYTHONIOENCODING=ascii "$1" -c "$2"',
        'PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C "$1" -c "$2"',
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_no_loss_of_a_stream_ends_the_work(line):
    assert shell(line).returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_a_command_may_stop_where_its_reader_does():
    assert shell('"$1" -c "$2" 2>/dev/null | head -1; exit ${PIPESTATUS[0]}', stdout=False).returncode != 7


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_what_an_encoding_lacks_is_escaped():
    assert shell('PYTHONIOENCODING=ascii "$1" -c "$2"').stdout.splitlines()[0] == r"90 % \xb7 gut \u2026 \udcff"


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_a_file_opened_later_does_not_become_a_closed_stream(tmp_path):
    program = "from artculture.utils.streams import keep_streams as k; k(); f = open('f', 'w'); print('out'); f.close()"
    subprocess.run(["bash", "-c", '"$0" -c "$1" >&- <&-', sys.executable, program], cwd=tmp_path, check=True)
    assert (tmp_path / "f").read_text() == ""
