"""Hardware detection, without importing torch where possible."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.utils.errors import InputError

if TYPE_CHECKING:
    import torch

MEMORY_INFO, OWN_GROUP, GROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def visible_gpus() -> list[str]:
    """Return the ids of the NVIDIA GPUs visible to this process, as CUDA_VISIBLE_DEVICES lists them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [part.strip() for part in chosen.split(",") if part.strip() and part.strip() != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return []
    return [line.strip() for line in listed.splitlines() if line.strip()]


def free_gpu_memory(gpu: str) -> int | None:
    """Return the free memory of an NVIDIA GPU in bytes; None if unknown.

    Args:
        gpu: its id, as `visible_gpus` returns it.
    """
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return int(listed) << 20
    except (subprocess.SubprocessError, OSError, ValueError):
        return None


def cpu_info() -> dict[str, str]:
    """Return what Linux says of the first CPU (`model name`, `flags`, …); {} on other systems."""
    info = Path("/proc/cpuinfo")
    first = info.read_text().partition("\n\n")[0].splitlines() if info.is_file() else []
    pairs = (line.partition(":") for line in first)
    return {name.strip(): value.strip() for name, _, value in pairs}


def cpu_flags() -> set[str]:
    """Return the instructions of this CPU that torch may use, as Linux names them; none on other systems."""
    flags = set(cpu_info().get("flags", "").split())
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()  # documented by oneDNN; kernels leave out what is beyond it
    if most not in ("", "ALL", "DEFAULT") and "AMX" not in most:
        flags -= {flag for flag in flags if flag.startswith("amx")}
        if not any(name in most for name in ("BF16", "FP16", "AVX10")):
            flags.discard("avx512_bf16")
        if not any(name in most for name in ("AVX512", "AVX10")):
            flags -= {flag for flag in flags if flag.startswith("avx512")}
    return flags


def cpu_has_bf16() -> bool:
    """Return whether this CPU multiplies bfloat16 natively (AVX512-BF16 or AMX); False if not on Linux."""
    return bool({"avx512_bf16", "amx_bf16"} & cpu_flags())


def cpu_has_amx() -> bool:
    """Return whether this CPU multiplies matrices of bfloat16 in one instruction (AMX); False if not on Linux."""
    return "amx_bf16" in cpu_flags()


def cpu_name() -> str:
    """Return the name of the CPU."""
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def best_precision(accelerator: str) -> str:
    """Return `bf16-mixed` if the hardware supports it natively, else `32-true`.

    Args:
        accelerator: the resolved accelerator, `cpu` or `gpu`.
    """
    if accelerator != "gpu":
        return "bf16-mixed" if cpu_has_bf16() else "32-true"
    import torch

    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"


def real_precision(choice: str | int, accelerator: str) -> str:
    """Resolve `trainer.precision` to the precision used, as Lightning names it.

    Args:
        choice: `auto`, `32`, `bf16-mixed` or `16-mixed`.
        accelerator: the resolved accelerator, `cpu` or `gpu`.

    Raises:
        InputError: `16-mixed` on a CPU, where Lightning would use bf16-mixed.
    """
    if choice == "auto":
        return best_precision(accelerator)
    if choice == "16-mixed" and accelerator != "gpu":
        raise InputError("trainer.precision=16-mixed needs a GPU, and this machine has none; use bf16-mixed or 32")
    return "32-true" if str(choice) == "32" else str(choice)


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Make malloc keep large freed blocks for reuse instead of returning them to the kernel (glibc only).

    Otherwise each training step on the CPU maps and clears its activations again: a third of VGG-16's time. The user's
    settings (`MALLOC_*`, `GLIBC_TUNABLES`) take precedence.
    """
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # of <malloc.h>
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, -1)
    mallopt(m_top_pad, 1 << 26)


def check_machine(accelerator: str, precision: str | int, compiles: bool) -> None:
    """Check that a required GPU or compiler exists.

    Args:
        accelerator, precision, compiles: the choices of the `trainer` group.

    Raises:
        InputError: it does not exist.
    """
    if accelerator == "gpu" and not visible_gpus():
        raise InputError("trainer.accelerator=gpu, but no NVIDIA GPU is visible; use trainer=auto or trainer=cpu")
    if precision == "16-mixed":
        real_precision(precision, "gpu" if visible_gpus() else "cpu")
    if accelerator == "mps" and not _has_mps():
        raise InputError("trainer.accelerator=mps needs macOS on Apple silicon; use trainer=auto or trainer=cpu")
    compilers = (os.environ.get("CXX"), "g++", "clang++", "cl")
    if compiles and not any(shutil.which(name) for name in compilers if name):
        raise InputError("trainer.compile=true, but there is no C++ compiler: install g++, or omit trainer.compile")


def _has_mps() -> bool:
    if platform.system() != "Darwin":
        return False
    import torch

    return torch.backends.mps.is_available()


def real_accelerator(choice: str) -> str:
    """Resolve an accelerator to `cpu`, `gpu` or `mps`; `auto` is an NVIDIA GPU if available, else the CPU."""
    if choice != "auto":
        return choice
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def device_label(device: str, count: int) -> str:
    """Return a device name with the number of devices if there are several: `2 x NVIDIA H100`."""
    return device if count == 1 else f"{count} x {device}"


def peak_memory(accelerator: str) -> int | None:
    """Return the peak memory of this process in bytes: of the GPU if it uses one, else of the host.

    None if the platform does not report it (Windows).
    """
    if accelerator == "gpu":
        import torch

        # Reserved, not allocated memory: a CUDA graph keeps the memory pool of its tensors.
        return int(torch.cuda.max_memory_reserved())
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def total_memory() -> int | None:
    """Return the bytes of main memory of the machine; None if the platform does not say."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def available_memory() -> int | None:
    """Return the bytes of memory that Linux can give to new allocations without swapping; None on other systems."""
    found = _number(MEMORY_INFO, r"^MemAvailable:\s+(\d+) kB")
    return None if found is None else min([1024 * found, *(limit - used for limit, used in memory_limits())])


def memory_limits() -> Iterator[tuple[int, int]]:
    """Yield the limit of each control group (version 2) that this process is in, and what is used of it, in bytes.

    Containers and batch systems limit a job by them.
    """
    own = re.search(r"^0::/(.*)$", OWN_GROUP.read_text(), re.MULTILINE) if OWN_GROUP.is_file() else None
    folder = GROUPS / (own[1] if own else "")
    for group in (folder, *(parent for parent in folder.parents if parent.is_relative_to(GROUPS))):
        limit, used = _number(group / "memory.max"), _number(group / "memory.current")
        if limit is not None and used is not None:
            # Files in the page cache count as used, and give way.
            yield limit, used - (_number(group / "memory.stat", r"^inactive_file (\d+)") or 0)


def _number(file: Path, pattern: str = r"^(\d+)$") -> int | None:
    found = re.search(pattern, file.read_text(), re.MULTILINE) if file.is_file() else None
    return None if found is None else int(found[1])


def wait_for(device: "torch.device") -> None:
    """Wait until all work on a GPU has finished."""
    if device.type != "cpu":
        import torch

        torch.accelerator.synchronize(device)


def checked_accelerator(choice: str) -> str:
    """Resolve the `device` of a command to `cpu` or `gpu`.

    Raises:
        InputError: `gpu` is chosen, but there is none.
    """
    if choice == "gpu" and real_accelerator("auto") != "gpu":
        raise InputError("device=gpu, but no GPU is visible; use device=auto or device=cpu")
    return real_accelerator(choice)
