import pytest

from artculture import cli
from artculture.commands import doctor


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ARTCULTURE_CACHE", str(tmp_path / "cache"))
    entry = tmp_path / "cache" / "features" / "abc"
    entry.mkdir(parents=True)
    (entry / "vectors.npy").write_bytes(bytes(2000))
    return entry


def test_the_cache_is_listed_and_deleted_on_request(cache, capsys):
    assert cli.main(["clean"]) == 0
    assert "2 kB" in (shown := capsys.readouterr().out)
    assert "delete them with delete=true" in shown
    assert cli.main(["clean", "older_than=1", "delete=true"]) == 0
    assert cli.main(["clean", "kinds=pixels", "delete=true"]) == 0
    assert cache.is_dir()
    assert cli.main(["clean", "kinds=[features]", "delete=true"]) == 0
    assert not cache.exists()


def test_the_machine_is_described(cache, capsys, monkeypatch):
    monkeypatch.setattr("artculture.training.machine_speed.SECONDS", 0.001)
    monkeypatch.setattr("artculture.training.machine_speed.IMAGE_SIZE", 32)
    assert cli.main(["doctor", "network=false"]) == 0
    shown = capsys.readouterr().out
    for part in ("torch ", "CPU ", "trainer=auto", "images per second", "(fastest)", "vectors of a frozen backbone"):
        assert part in shown
    assert shown.endswith("Nothing to fix.\n")


def test_services_are_those_that_the_configs_name(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror")
    addresses = doctor._addresses()
    assert addresses["Hugging Face Hub"] == "http://mirror"
    assert {"Weights & Biases", "source=met", "source=artic"} <= addresses.keys()
