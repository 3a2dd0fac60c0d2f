"""What the machine offers, found without importing torch where that is enough."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.utils.errors import InputError

if TYPE_CHECKING:
    import torch


def visible_gpus() -> list[str]:
    """Ids of the NVIDIA GPUs this process may use, as CUDA_VISIBLE_DEVICES writes them."""
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


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 natively (AVX512-BF16 or AMX); only Linux tells."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return False
    flags = next((line for line in info.read_text().splitlines() if line.startswith("flags")), "")
    return bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))


def best_precision(accelerator: str) -> str:
    """`bf16-mixed` where the hardware gains from it, else `32-true`.

    Args:
        accelerator: `cpu` or `gpu`, as really used.
    """
    if accelerator != "gpu":
        return "bf16-mixed" if cpu_has_bf16() else "32-true"
    import torch

    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"


def real_precision(choice: str | int, accelerator: str) -> str:
    """Return the precision that is really trained in, as Lightning names it, for a choice of `trainer.precision`.

    Args:
        choice: `auto`, `32`, `bf16-mixed` or `16-mixed`.
        accelerator: `cpu` or `gpu`, as really used.

    Raises:
        InputError: `16-mixed` on a CPU, for which Lightning would take bf16-mixed.
    """
    if choice == "auto":
        return best_precision(accelerator)
    if choice == "16-mixed" and accelerator != "gpu":
        raise InputError("trainer.precision=16-mixed needs a GPU, and this machine has none; use bf16-mixed or 32")
    return "32-true" if str(choice) == "32" else str(choice)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Have malloc keep large freed blocks for reuse instead of returning them to the kernel (glibc only).

    Without it each step of a CPU training maps and clears its activations again: a third of VGG-16's time. Settings of
    the user's own (`MALLOC_*`, `GLIBC_TUNABLES`) win.
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
    """Check that there is a GPU, and a compiler, where they are needed.

    Args:
        accelerator, precision, compiles: the choices of the `trainer` group.

    Raises:
        InputError: there is none.
    """
    if accelerator == "gpu" and not visible_gpus():
        raise InputError("trainer.accelerator=gpu, but no NVIDIA GPU can be seen; use trainer=auto or trainer=cpu")
    if precision == "16-mixed":
        real_precision(precision, "gpu" if visible_gpus() else "cpu")
    if accelerator == "mps" and not _has_mps():
        raise InputError("trainer.accelerator=mps needs macOS on Apple silicon; use trainer=auto or trainer=cpu")
    compilers = (os.environ.get("CXX"), "g++", "clang++", "cl")
    if compiles and not any(shutil.which(name) for name in compilers if name):
        raise InputError(
            "trainer.compile=true, but there is no C++ compiler: install g++, or leave trainer.compile out"
        )


def _has_mps() -> bool:
    if platform.system() != "Darwin":
        return False
    import torch

    return torch.backends.mps.is_available()


def real_accelerator(choice: str) -> str:
    """`cpu`, `gpu` or `mps` for a choice of these or `auto`, which takes an NVIDIA GPU or else the CPU."""
    if choice != "auto":
        return choice
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def device_label(device: str, count: int) -> str:
    """A device's name, with how many of them share the work where there are several: `2 x NVIDIA H100`."""
    return device if count == 1 else f"{count} x {device}"


def peak_memory(accelerator: str) -> int | None:
    """The most memory this process has held so far, bytes: of the GPU where it uses one, else of the machine.

    None where the platform does not tell (Windows).
    """
    if accelerator == "gpu":
        import torch

        # Not what is allocated: a graph keeps what its tensors have left.
        return int(torch.cuda.max_memory_reserved())
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def wait_for(device: "torch.device") -> None:
    """Wait until a GPU has done what it was given."""
    if device.type != "cpu":
        import torch

        torch.accelerator.synchronize(device)


def checked_accelerator(choice: str) -> str:
    """`cpu` or `gpu` for the choice of a command's `device`.

    Raises:
        InputError: `gpu`, and there is none.
    """
    if choice == "gpu" and real_accelerator("auto") != "gpu":
        raise InputError("device=gpu, but no GPU can be seen; use device=auto or device=cpu")
    return real_accelerator(choice)
