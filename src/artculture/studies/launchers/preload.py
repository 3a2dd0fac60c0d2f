"""Imports of a training run, made once in the fork server that the runs of a study are forked from."""

import contextlib
import ctypes
import gc
from importlib import import_module

from artculture.utils.garbage import collect_garbage_rarely
from artculture.utils.quick_imports import lean_torchmetrics

CUDA_ERROR_NOT_INITIALIZED = 3


def cuda_is_initialized() -> bool:
    """Return whether this process has used the CUDA driver: a process forked from it can't use a GPU then."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    code: int = driver.cuDeviceGetCount(ctypes.byref(ctypes.c_int()))
    return code != CUDA_ERROR_NOT_INITIALIZED


collect_garbage_rarely()
# An import that fails here fails again in the run's process, which reports it.
with contextlib.suppress(Exception), lean_torchmetrics():
    for name in ("commands.run", "training.distributed.process_group", "training.run"):
        import_module(f"artculture.{name}")
FORKABLE = not cuda_is_initialized()
gc.freeze()  # a collection in a run's process would copy the memory that all runs share
