import logging
from pathlib import Path

import pytest

from artculture import cli
from artculture.utils.logging import configure_logging
from artculture.utils.secrets import HidingFormatter, environment_secrets, hidden, secrets_in, without_secrets

SECRETS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "HF_TOKEN": "hf_abcdefghijklmnopqrstuvwxyz012345",
    "MET_SECRET": "sesame-open-now",
    "MUSEUM_PASSWORD": "correct horse battery",
}


@pytest.fixture(autouse=True)
def _at_hand(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", SECRETS)
def test_values_of_the_environment_are_hidden(name):
    assert hidden(f"asked with {SECRETS[name]}!") == "asked with ***!"


TEXTS = {
    "https://me:pass@museum.example/a": "https://***@museum.example/a",
    "postgresql://token@host/db": "postgresql://***@host/db",
    "https://museum.example/a?api_key=abc&x=1": "https://museum.example/a?api_key=***",
    "https://user:p@ss:w@host/a": "https://***@host/a",
    "see https://user:p/a?b#c@host:80/a now": "see https://***@host:80/a now",
    "abfs://container@account.dfs.example/a": "abfs://container@account.dfs.example/a",
    "http://[::1]:80/a@b": "http://[::1]:80/a@b",
    "https://h/a@b/c?page=2&page_size=3&query[x]=y": "https://h/a@b/c?page=2&page_size=3&query[x]=y",
    "https://h/a?token=abc": "https://h/a?token=***",
    "'https://h/a?w=8&X-Amz-Signature=abc' x": "'https://h/a?w=8&X-Amz-Signature=***' x",
    "root=az://h/a?sv=1&sig=a%2Fb%3D": "root=az://h/a?sv=***&sig=***",
    "https://h/a#access_token=abc": "https://h/a#access_token=***",
    "Authorization: Bearer abc.def-ghi": "Authorization: ***",
    "{'Authorization': 'Basic YTpi'}": "{'Authorization': '***'}",
    "Cookie: session=abc; id=1": "Cookie: ***",
    "sent Bearer abc123def456ghi": "sent Bearer ***",
    "with ghp_0123456789abcdefghijABCDEFGHIJ012345": "with ***",
    "X-Api-Key: abc": "X-Api-Key: ***",
    "The Bearer of Good News; basic training of 12 recruits": "The Bearer of Good News; basic training of 12 recruits",
    "logger.wandb.api_key=abc": "logger.wandb.api_key=***",
    "my.password='a b, c' x": "my.password=*** x",
    '{"access_token": "a b"}': '{"access_token": ***}',
    "no key `logger.api_key`: did you mean `logger.tags`?": "no key `logger.api_key`: did you mean `logger.tags`?",
    "unexpected token: x": "unexpected token: x",
    "study.name=monkey turkey=1 a@b.example": "study.name=monkey turkey=1 a@b.example",
}


@pytest.mark.parametrize(("text", "shown"), TEXTS.items())
def test_what_a_text_calls_secret_is_hidden(text, shown):
    assert hidden(text) == shown


def test_short_values_paths_and_other_variables_are_no_secrets():
    environment = {"A_KEY": "short", "KEYBOARD": "qwertyqwerty", "MY_KEY": __file__, "PWD": str(Path(__file__).parent)}
    assert environment_secrets(environment) == {}


COMMON = {
    "GITHUB_PAT": "0123456789ab",
    "DATABASE_URL": "postgresql://me:p@ss:word@db/x",
    "HTTPS_PROXY": "http://me:longpassword@proxy:3128",
    "AWS_SECRET_ACCESS_KEY": "/wJalrXUtnFEMI/K7MDENG",
    "AWS_ACCESS_KEY_ID": "AKIA0123456789ABCDEF",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=bcdefgh",
    "PGPASSWORD": "longpassword",
    "SSHPASS": "longpassword",
    "SENTRY_DSN": "https://0123456789@host/1",
}


@pytest.mark.parametrize("name", COMMON)
def test_common_variables_of_secrets_are_known(monkeypatch, name):
    monkeypatch.setenv(name, COMMON[name])
    assert COMMON[name] not in hidden(f"asked with {COMMON[name]}!")
    password = COMMON[name].removeprefix("postgresql://me:").partition("@db")[0]
    assert password not in hidden(f"asked with {password}!")


def test_nested_values():
    value = {"a": [1, None, {"b": f"x {SECRETS['HF_TOKEN']}"}], "c": True}
    assert without_secrets(value) == {"a": [1, None, {"b": "x ***"}], "c": True}
    assert list(secrets_in(value)) == [("a.b", "the value of HF_TOKEN")]


def test_a_log_with_its_traceback_hides_them():
    try:
        raise ValueError(SECRETS["HF_TOKEN"])
    except ValueError as error:
        record = logging.LogRecord("a", 30, "f", 1, "key %s", (SECRETS["MET_SECRET"],), (ValueError, error, None))
    shown = HidingFormatter("%(message)s").format(record)
    assert shown == "key ***\nValueError: ***"


def test_our_logs_go_through_it(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    configure_logging()
    logging.getLogger("artculture").warning("sent %s", SECRETS["HF_TOKEN"])
    assert capsys.readouterr().err == "sent ***\n"


TYPED = [
    "+logger.wandb.api_key=topsecretvalue",
    "logger.wandb.api_key=topsecretvalue",
    "WANDB_API_KEY=topsecretvalue",
    "logger.wandb.entity=[api_key=topsecretvalue]",
    "data.root=https://me:topsecretvalue@museum.example/a",
    "data.root=s3://museum/a?X-Amz-Signature=topsecretvalue",
    "study.title=hf_topsecretvaluetopsecretvaluetopsecret",
    f"logger.wandb.tags=['{SECRETS['MUSEUM_PASSWORD']}']",
    f"study.title={SECRETS['WANDB_API_KEY']}",
    "study.title=${oc.env:HF_TOKEN}",
]


@pytest.mark.parametrize("typed", TYPED)
def test_a_typed_secret_is_refused_and_not_repeated(train, tmp_path, capsys, typed):
    assert train(typed, logger="wandb_offline") == 2
    said = "".join(capsys.readouterr())
    assert said.startswith("artculture: ")
    assert not any(secret in said for secret in ["topsecretvalue", *SECRETS.values()])
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("debug", ["0", "1"])
def test_an_error_of_any_kind_hides_them(monkeypatch, capsys, debug):
    def fail(*_):
        raise RuntimeError(f"401 for https://me:{SECRETS['MET_SECRET']}@museum.example")

    monkeypatch.setenv("ARTCULTURE_DEBUG", debug)
    monkeypatch.setattr(cli, "import_module", fail)
    assert cli.main(["train"]) == 1
    assert SECRETS["MET_SECRET"] not in "".join(capsys.readouterr())


def test_a_whole_training_and_its_report_write_none_of_them(train, tmp_path, capfd):
    assert train("trainer.max_epochs=1", logger="wandb_offline") == 0
    assert cli.main(["report", "study.name=default"]) == 0
    written = [path.read_bytes() for path in (tmp_path / "outputs").rglob("*") if path.is_file()]
    said = "".join(capfd.readouterr()).encode()
    assert len(written) > 15
    for secret in SECRETS.values():
        assert not any(secret.encode() in content for content in [*written, said])
