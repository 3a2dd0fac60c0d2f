"""Imports of a training run, made once in the fork server that the runs of a study are forked from."""

import contextlib
import ctypes
import gc

from artculture.cli import quick_to_import
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


quick_to_import()
# An import that fails here fails again in the run's process, which reports it.
with contextlib.suppress(Exception), lean_torchmetrics():
    import artculture.commands.run
    import artculture.training.distributed.process_group
    import artculture.training.run  # noqa: F401
FORKABLE = not cuda_is_initialized()
gc.freeze()  # a collection in a run's process would copy the memory that all runs share
