import subprocess
import sys

import pytest

from artculture import cli


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("-m hydra/launcher=joblib seed=0,1", "launcher.parallel=4"),
        ("-m hydra/launcher=submitit_local seed=0,1", "launcher=slurm"),
        ("-m hydra.launcher.n_jobs=4 seed=0,1", "launcher.parallel=4"),
        ("-m hydra/sweeper=optuna seed=0,1", "artculture search"),
        ("-m hydra.sweeper.n_trials=4 seed=0,1", "artculture search"),
        (
            "-m method.head_lr=interval(0.1,0.2)",
            "'search.space.method.head_lr={low: 0.1, high: 0.2}'",
        ),
        ("hydra.run.dir=there", "study.root=… and study.name=…"),
        ("-m hydra.sweep.dir=there seed=0,1", "study.root=… and study.name=…"),
        ("-m hydra.sweep.subdir=there seed=0,1", "study.root=… and study.name=…"),
        ("hydra.output_subdir=there", "study.root=… and study.name=…"),
        ("hydra.job.chdir=true", "study.root=… and study.name=…"),
    ],
)
def test_a_setting_of_hydra_names_the_one_to_use(capsys, tmp_path, typed, says):
    assert cli.main(["train", *typed.split(" "), "plan=true"]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "typed",
    [
        "-m hydra/launcher=artculture hydra/sweeper=artculture seed=0,1",
        "-m seed=range(0,2)",
        "hydra.mode=MULTIRUN +hydra.sweeper.params.seed=[0,1]",
        "-m method.head_lr=choice(0.1,0.2)",
    ],
)
def test_what_is_ours_stays(capsys, typed):
    assert cli.main(["train", *typed.split(" "), "plan=true"]) == 0
    assert "2 of 2 runs to train" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"name: scratch\n  bad: [1\n",
        b"{",
        b"\xff\xfe name",
        b"- a\n",
        b"",
        b"a: ${nowhere}\n",
        b"defaults: [nowhere]\n",
    ],
)
def test_a_broken_option_of_the_user_is_wrong_input(capsys, tmp_path, content):
    (tmp_path / "mine" / "method").mkdir(parents=True)
    (tmp_path / "mine" / "method" / "broken.yaml").write_bytes(content)
    assert cli.main(["train", "--config-dir", str(tmp_path / "mine"), "method=broken", "plan=true"]) == 2
    assert "ARTCULTURE_DEBUG" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "typed", "not_offered"),
    [
        ("train", "search=optuna", "search"),
        ("evaluate", "archtecture=alexnet", "architecture"),
        ("predict", "methd=scratch", "method"),
        ("fetch", "nonsense=1", "architecture"),
    ],
)
def test_hints_offer_only_what_the_command_takes(capsys, command, typed, not_offered):
    assert cli.main([command, typed]) == 2
    error = capsys.readouterr().err
    assert f"no key `{typed.partition('=')[0]}`" in error
    assert not_offered not in error.partition(":")[2].partition(":")[2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("artculture se", ["search"]),
        ("artculture ", ["train", "fetch", "predict"]),
        ("artculture train meth", ["method=", "method."]),
        ("artculture train method=s", ["method=scratch"]),
        ("artculture predict architecture=", []),
    ],
)
def test_the_shell_completes_commands_options_and_keys(capsys, monkeypatch, line, words):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert cli.main(["-sc", "query=bash"]) == 0
    offered = capsys.readouterr().out.split()
    assert set(words) <= set(offered)


@pytest.mark.parametrize("command", [[], ["train"], ["predict"]])
@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_the_completion_script_is_of_the_whole_command(capsys, command):
    assert cli.main([*command, "-sc", "install=bash"]) == 0
    script = capsys.readouterr().out
    assert script.rstrip().endswith("hydra_bash_completion artculture")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
