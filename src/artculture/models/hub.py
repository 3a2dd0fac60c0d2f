"""Published classifiers on the Hugging Face Hub: `hf:name/model@revision`."""

import re
from pathlib import Path

from artculture.utils.errors import InputError, reason_of

WEIGHTS = "model.safetensors"
INSTALL_HINT = "pip install 'artculture[hub]'"
REPO = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


def hub_checkpoint(address: str) -> Path:
    """Return the weights of a published classifier, as `hub_weights`."""
    return hub_weights(address, f"checkpoint=hf:{address}")


def hub_weights(address: str, asked: str) -> Path:
    """Return a model's weights as safetensors, downloaded unless they are in the Hub's cache.

    Args:
        address: `name/model` or `name/model@revision`.
        asked: what the user typed, for messages.

    Raises:
        InputError: it is no such address, huggingface_hub is missing, or the file can't be had.
    """
    match = REPO.fullmatch(address)
    if match is None:
        raise InputError(f"{asked}: give hf:name/model or hf:name/model@revision")
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise InputError(f"{asked} needs huggingface_hub: {INSTALL_HINT}") from error
    try:
        return Path(hub.hf_hub_download(match["repo"], WEIGHTS, revision=match["revision"]))
    except Exception as error:  # the library and its HTTP client raise many kinds
        raise InputError(
            f"{asked}: {WEIGHTS} can't be downloaded ({reason_of(error)}). Check the name and the "
            "revision; a private model needs `hf auth login` or HF_TOKEN"
        ) from error
