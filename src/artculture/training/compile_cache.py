"""Cache of what `trainer.compile=true` has compiled, kept apart from other programs so that it can be dropped."""

import logging
import os
import re
import shutil
import uuid
from pathlib import Path

from artculture.data.cache.folder import cache_folder

log = logging.getLogger(__name__)

# The variable that torch reads at each compilation.
VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
# How the dynamic linker names a library that it can't load: "file too short", "invalid ELF header", …
UNLOADABLE = re.compile(r"(?:ImportError|OSError): (/\S+\.so): ")


def own_folder(cache: str) -> Path:
    """Return the folder of compiled code for a `data.cache`."""
    return cache_folder(cache) / "compiled"


def use_own_cache(cache: str) -> None:
    """Have torch keep compiled code in the folder of caches, unless the user has chosen a folder for it."""
    os.environ.setdefault(VARIABLE, str(own_folder(cache)))


def drop_if_damaged(error: BaseException, cache: str) -> bool:
    """Remove our cache of compiled code if an error says that a file in it can't be loaded.

    A compiler that was interrupted leaves such a file, and torch would load it at every later launch.

    Returns:
        Whether the cache was removed, so that the training can be started again.
    """
    folder = own_folder(cache)
    found = UNLOADABLE.search(str(error))
    if found is None or not Path(found[1]).is_relative_to(folder) or os.environ.get(VARIABLE) != str(folder):
        return False
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    folder.rename(aside)  # at once, for other processes that compile
    shutil.rmtree(aside, ignore_errors=True)
    import torch
    from torch._inductor.utils import clear_caches

    torch._dynamo.reset()
    clear_caches()
    log.warning("%s was damaged by an interrupted compilation: removed, and compiled again", folder)
    return True
