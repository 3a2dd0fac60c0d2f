"""Where messages go: ours to stderr, of the libraries only warnings."""

import logging
import sys

from artculture.utils.secrets import HidingFormatter


def configure_logging() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HidingFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("artculture").setLevel(logging.INFO)
    quiet_libraries()


def quiet_libraries() -> None:
    """Let the libraries warn, but not chat; to be said again once Lightning is imported, which sets its own level."""
    for noisy in ("lightning.pytorch", "lightning.fabric", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR if noisy == "huggingface_hub" else logging.WARNING)


def only_failures() -> None:
    """Be quiet about what another process of the same run tells, too."""
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("artculture").setLevel(logging.ERROR)
