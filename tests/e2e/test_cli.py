import signal
import subprocess
import sys

import pytest

import artculture
from artculture import cli
from artculture.config.validation import config_folder
from artculture.utils.errors import InputError, WorkError


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


HELP = """
import sys
import artculture.cli as cli
assert cli.main(["--help"]) == 0
heavy = {"torch", "torchvision", "lightning", "hydra", "omegaconf", "pandas", "numpy", "pydantic", "wandb", "PIL"}
sys.exit(f"imported: {heavy & set(sys.modules)}" if heavy & set(sys.modules) else 0)
"""


def test_help_lists_the_commands_and_imports_nothing_heavy():
    done = fresh(HELP)
    assert (done.returncode, done.stderr) == (0, "")
    for command in cli.COMMANDS:
        assert f"\n  {command} " in done.stdout


CHECK = """
import sys
from artculture import cli
code = cli.main(["train", "architecture=resnet5"])
heavy = {"torch", "torchvision", "lightning", "pandas", "wandb"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else code)
"""


def test_a_typing_mistake_is_answered_before_anything_heavy_is_imported():
    done = fresh(CHECK)
    assert (done.returncode, done.stderr) == (2, "artculture: architecture=resnet5: did you mean `resnet50`?\n")


STUDY = """
import sys
import artculture.studies.study
heavy = {"torch", "torchvision", "torchmetrics", "lightning", "scipy", "matplotlib", "wandb"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


def test_a_study_is_planned_before_torch_is_imported():
    done = fresh(STUDY)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "artculture", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"artculture {artculture.__version__}\n"


@pytest.mark.parametrize("argv", [["-h"], ["--help"], ["help"]])
def test_help_is_well(argv, capsys):
    assert cli.main(argv) == 0
    assert "usage: artculture <command>" in capsys.readouterr().out


def test_nothing_typed_shows_the_usage_and_is_wrong(capsys):
    assert cli.main([]) == 2
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "hint"), [("trian", "did you mean `train`?"), ("zzz", "choose from: analyze,")])
def test_an_unknown_command(typed, hint, capsys):
    assert cli.main([typed]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"artculture: no command `{typed}`: {hint}")


@pytest.mark.parametrize("typed", ["../train", "artculture", "__init__", ""])
def test_only_listed_commands_are_imported(typed, capsys):
    assert cli.main([typed]) == 2
    assert "no command" in capsys.readouterr().err


ENDS = [
    (InputError("data.root=x: no such folder"), 2, "artculture: data.root=x: no such folder\n"),
    (WorkError("row 3 failed"), 1, "artculture: row 3 failed\n"),
    (ZeroDivisionError("oh"), 1, "artculture: ZeroDivisionError: oh (ARTCULTURE_DEBUG=1 shows where)\n"),
    (KeyboardInterrupt(), 130, "\ninterrupted; run the same command to continue\n"),
]


@pytest.fixture
def command(monkeypatch):
    """Replace what `artculture train` does."""

    def replace(what):
        monkeypatch.setattr("artculture.commands.train.run", what)

    return replace


@pytest.mark.parametrize(("error", "code", "message"), ENDS, ids=lambda end: type(end).__name__)
def test_each_end_has_its_code_and_one_message(command, capsys, error, code, message):
    def fail(argv):
        raise error

    command(fail)
    assert cli.main(["train"]) == code
    assert capsys.readouterr().err == message


def test_debugging_shows_the_traceback(command, capsys, monkeypatch):
    def fail(argv):
        raise InputError("wrong")

    command(fail)
    monkeypatch.setenv("ARTCULTURE_DEBUG", "1")
    assert cli.main(["train"]) == 2
    message = capsys.readouterr().err
    assert "Traceback" in message
    assert message.endswith("artculture: wrong\n")


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_s_own_code_is_handed_on(command, code):
    command(lambda _: code)
    assert cli.main(["train"]) == code


def test_arguments_reach_the_command(command):
    got = []
    command(lambda argv: got.extend(argv) or 0)
    cli.main(["train", "-m", "seed=0,1"])
    assert got == ["-m", "seed=0,1"]


TALKER = """
import sys
import artculture.commands.train as train
from artculture import cli
train.run = lambda argv: [sys.stdout.write("a line of the table\\n") for _ in range(100_000)] and 0
sys.exit(cli.main(["train"]))
"""


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    (tmp_path / "talker.py").write_text(TALKER)
    command = f"{sys.executable} talker.py | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a line of the table\n", "")


MISTAKES = {
    "architecture=resnet5": ["architecture=resnet5: did you mean `resnet50`?"],
    "architecture=null": ["architecture=null: name one option", "resnet50"],
    "architecture=[resnet50,alexnet]": ["name one option"],
    "-m architecture=glob(x*)": ["architecture=glob(x*): name one option", "alexnet"],
    "-m architecture=resnet50,alexnett": ["architecture=alexnett: did you mean `alexnet`?"],
    "row=table3": ["row=table3", "resnet50_step_scratch"],
    "architecture.wieghts=auto": ["no key `architecture.wieghts`: did you mean `architecture.weights`?"],
    "+lr=0.1": ["no key `lr`"],
    "+trainer.batch_size=3": ["no key `trainer.batch_size`: did you mean `data.batch_size`?"],
    "++data.rot=x": ["no key `data.rot`: did you mean `data.root`?"],
    "batch_size=8": ["no key `batch_size`"],
    "seed": ["`seed` is not key=value"],
    "seed=[1": ["`seed=[1` is not key=value"],
    "~scheduler": ["scheduler: is missing"],
    "scheduler=step scheduler.warmup_epochs=3": ["`scheduler.warmup_epochs` is not among the keys"],
    "+scheduler.warmup_epochs=3": ["scheduler.warmup_epochs has no meaning for scheduler=plateau"],
    "study.name=r resume=outputs/r/resnet50-seed=1": ["resume=outputs/r/resnet50-seed=1: no such checkpoint"],
    "architecture=timm": ["architecture.name is missing; give it as architecture.name=…"],
    "data=folder": ["data.root is missing; give it as data.root=…"],
    "trainer.max_epochs=three": ["trainer.max_epochs=three: should be a valid integer"],
    "hydra.foo=3": ["hydra.foo"],
    "seed='${nothing}'": ["nothing"],
    "study=table2 architecture=alexnet": ["set `architecture` themselves", "-m"],
    "-m seed=0,1 trainer.max_epochs=0": ["trainer.max_epochs=0: should be greater than 0"],
    "-m seed=0,0": ["2 entries of the grid are the same run"],
}


@pytest.fixture
def no_work(monkeypatch):
    """What must not be reached when something typed is wrong."""
    for place in (
        "training.run.train_run",
        "training.job.write_job",
        "studies.study.prepare_runs",
        "studies.study.execute_runs",
    ):
        monkeypatch.setattr(f"artculture.{place}", lambda *_, **__: pytest.fail("work began"))


@pytest.mark.parametrize(("typed", "says"), MISTAKES.items())
def test_mistakes_end_in_one_clear_message_before_any_work(typed, says, capsys, no_work, tmp_path):
    assert cli.main(["train", *typed.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for part in says:
        assert part in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) <= 3
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_are_listed_at_once(capsys, no_work):
    typed = ["architecture=resnet5", "method=transfre", "+lr=0.1", "trainer.max_epochs=0", "data.split=no", "seed=x"]
    assert cli.main(["train", *typed]) == 2
    message = capsys.readouterr().err
    for part in ("`resnet50`", "`transfer`", "no key `lr`", "trainer.max_epochs=0", "data.split=no", "seed=x"):
        assert part in message


def test_all_mistakes_of_all_rows_are_listed(capsys, no_work):
    assert cli.main(["train", "-m", "trainer.max_epochs=0,3", "optimizer.momentum=0.9,1.5"]) == 2
    message = capsys.readouterr().err
    assert "trainer.max_epochs=0" in message
    assert "optimizer.momentum=1.5" in message


@pytest.mark.parametrize(
    ("flags", "shows"),
    [
        (["--help"], "architecture  resnet50, alexnet"),
        (["--cfg", "job"], "max_epochs: ${oc.select:data.epochs,"),
        (["--hydra-help"], "--multirun"),
    ],
)
def test_hydra_s_flags_show_and_do_no_work(flags, shows, capsys, no_work):
    assert cli.main(["train", *flags]) == 0
    assert shows in capsys.readouterr().out


def test_compare_asks_for_a_study(capsys):
    assert cli.main(["compare"]) == 2
    assert capsys.readouterr().err == "artculture: study.name is missing; give it as study.name=…\n"


def test_compare_says_that_a_study_has_no_runs(capsys):
    assert cli.main(["compare", "study.name=nope"]) == 2
    assert "no runs in outputs/nope" in capsys.readouterr().err


def test_options_of_one_s_own_are_taken_from_config_dir(tmp_path, capsys):
    (tmp_path / "mine" / "augment").mkdir(parents=True)
    shipped = config_folder() / "augment" / "none.yaml"
    (tmp_path / "mine" / "augment" / "gentle.yaml").write_text(
        shipped.read_text().replace("name: none", "name: gentle")
    )
    flags = ["--config-dir", str(tmp_path / "mine")]
    assert cli.main(["train", "augment=gentle", *flags, "--cfg", "job"]) == 0
    assert "name: gentle" in capsys.readouterr().out
    assert cli.main(["train", "augment=gentel", *flags]) == 2
    assert "did you mean `gentle`?" in capsys.readouterr().err


def test_a_signal_before_anything_listens_ends_in_order():
    code = (
        "import sys, time; from artculture import cli; sys.argv[1:] = ['train']\n"
        "cli.import_module = lambda _: (print('up', flush=True), time.sleep(60)); cli.entry()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 75
    assert said == "artculture: interrupted by SIGTERM; run the same command to continue\n"
