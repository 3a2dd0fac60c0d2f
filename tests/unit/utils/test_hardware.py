import pytest

from artculture.utils import hardware
from artculture.utils.errors import InputError


@pytest.mark.parametrize(
    ("choice", "accelerator", "real"),
    [
        (32, "cpu", "32-true"),
        ("32", "gpu", "32-true"),
        ("bf16-mixed", "cpu", "bf16-mixed"),
        ("16-mixed", "gpu", "16-mixed"),
    ],
)
def test_the_real_precision(choice, accelerator, real):
    assert hardware.real_precision(choice, accelerator) == real


def test_float16_on_a_cpu_is_refused_and_not_replaced(monkeypatch):
    monkeypatch.setattr(hardware, "visible_gpus", list)
    for ask in (
        lambda: hardware.real_precision("16-mixed", "cpu"),
        lambda: hardware.check_machine("auto", "16-mixed", False),
    ):
        with pytest.raises(InputError, match=r"trainer\.precision=16-mixed needs a GPU"):
            ask()
    monkeypatch.setattr(hardware, "visible_gpus", lambda: ["0"])
    hardware.check_machine("auto", "16-mixed", False)


def test_the_memory_of_a_job_ends_at_the_limit_of_its_control_groups(tmp_path, monkeypatch):
    (info := tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:      80 kB\n")
    (own := tmp_path / "cgroup").write_text("4:memory:/old\n0::/job/step\n")
    for group, limit, used in (("job", "40960", 30720), ("job/step", "max", 20480), ("", "max", 0)):
        (folder := tmp_path / "groups" / group).mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text("anon 5\ninactive_file 10240\n")
    monkeypatch.setattr(hardware, "MEMORY_INFO", info)
    monkeypatch.setattr(hardware, "OWN_GROUP", own)
    monkeypatch.setattr(hardware, "GROUPS", tmp_path / "groups")
    assert list(hardware.memory_limits()) == [(40960, 20480)]
    assert hardware.available_memory() == 20480
    own.unlink()
    assert hardware.available_memory() == 80 * 1024
    info.unlink()
    assert hardware.available_memory() is None


def test_the_free_memory_of_a_gpu_is_what_nvidia_smi_says(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for says, found in (("echo 1024", 1 << 30), ("echo '[N/A]'", None), ("exit 6", None)):
        program.write_text(f'#!/bin/sh\n[ "$1" = --id=3 ] || exit 1\n{says}\n')
        program.chmod(0o755)
        assert hardware.free_gpu_memory("3") == found
    program.unlink()
    assert hardware.free_gpu_memory("3") is None


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        ("", ["amx_bf16", "avx2", "avx512_bf16", "avx512f"]),
        ("all", ["amx_bf16", "avx2", "avx512_bf16", "avx512f"]),
        ("AVX512_CORE_BF16", ["avx2", "avx512_bf16", "avx512f"]),
        ("AVX10_1_512", ["avx2", "avx512_bf16", "avx512f"]),
        ("AVX512_CORE", ["avx2", "avx512f"]),
        ("AVX2", ["avx2"]),
    ],
)
def test_instructions_that_onednn_may_not_use_do_not_count(monkeypatch, limit, left):
    monkeypatch.setattr(hardware, "cpu_info", lambda: {"flags": "avx2 avx512f avx512_bf16 amx_bf16"})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert sorted(hardware.cpu_flags()) == left
    assert hardware.cpu_has_bf16() == ("avx512_bf16" in left)
    assert hardware.cpu_has_amx() == ("amx_bf16" in left)
