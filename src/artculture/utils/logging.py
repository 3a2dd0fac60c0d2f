"""Logging setup: this project's messages to stderr, and warnings of libraries."""

import logging
import sys

from artculture.utils.secrets import HidingFormatter


def configure_logging() -> None:
    """Log to stderr: INFO of this project, WARNING of libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HidingFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("artculture").setLevel(logging.INFO)
    quiet_libraries()


def quiet_libraries() -> None:
    """Restrict libraries to warnings; repeat after importing Lightning, which sets its own level."""
    for noisy in ("lightning.pytorch", "lightning.fabric", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR if noisy == "huggingface_hub" else logging.WARNING)


def log_errors_only() -> None:
    """Log errors only, on ranks other than 0, which logs the rest."""
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("artculture").setLevel(logging.ERROR)
