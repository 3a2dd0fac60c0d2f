"""A trained classifier for the Hugging Face Hub: a folder with card, weights, config and example, and its upload."""

from pathlib import Path

from artculture.models.checkpoint import check_trusted, read_checkpoint
from artculture.models.hub import INSTALL_HINT, REPO, WEIGHTS
from artculture.models.published import description, write_published
from artculture.serving.card_facts import CardFacts
from artculture.serving.model_card import example_lines, model_card
from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.io import write_json, write_text

FILES = ("README.md", WEIGHTS, "config.json", "example.py")


def check_repo(repo: str) -> None:
    """Check the name of a repository on the Hub.

    Raises:
        InputError: it is none.
    """
    match = REPO.fullmatch(repo)
    if match is None or match["revision"]:
        raise InputError(f"repo={repo}: give name/model, as in repo=my-name/{repo.rpartition('/')[2] or 'paintings'}")


def write_folder(checkpoint: Path, facts: CardFacts, folder: Path) -> Path:
    """Write the files of a published classifier; `checkpoint=<folder>` loads it.

    Args:
        checkpoint: of a finished run.
        facts: for the card.
        folder: made if missing; files of the same names are replaced.

    Raises:
        InputError: the classifier has code of the user's own, which others can't load.
    """
    content = read_checkpoint(checkpoint)
    try:
        check_trusted(content["hyper_parameters"], checkpoint, ())
    except InputError as error:
        raise InputError(
            f"{checkpoint} can't be published: it has code of your own, which others can't load ({reason_of(error)})"
        ) from error
    write_published(content, folder / WEIGHTS)
    # What the weights' own header says; for people, and for the Hub's count of downloads.
    write_json(folder / "config.json", description(content))
    write_text(folder / "example.py", "\n".join(example_lines(facts)) + "\n")
    write_text(folder / "README.md", model_card(facts))
    return folder


def upload(folder: Path, repo: str, *, private: bool, tag: str | None, message: str) -> str:
    """Upload a folder to a repository of the Hub, which is made if missing; return its address.

    Args:
        folder: written by `write_folder`.
        repo: `name/model`.
        private: of a new repository.
        tag: name for this version, for `hf:name/model@tag`; None for none.
        message: of the commit.

    Raises:
        InputError: huggingface_hub is missing.
        WorkError: the Hub refuses, or can't be reached.
    """
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise InputError(f"publish needs huggingface_hub: {INSTALL_HINT}") from error
    # The endpoint as it is now: the library reads the environment when it is imported.
    api = hub.HfApi(endpoint=hub.constants.ENDPOINT)
    try:
        address = str(api.create_repo(repo, private=private, exist_ok=True))
        api.upload_folder(repo_id=repo, folder_path=folder, allow_patterns=list(FILES), commit_message=message)
    except Exception as error:  # the library and its HTTP client raise many kinds
        raise WorkError(
            f"repo={repo} can't be written ({reason_of(error)}): log in with `hf auth login`, or set HF_TOKEN to a "
            f"token with write access. The files are in {folder}"
        ) from error
    if tag is not None:
        try:
            api.create_tag(repo, tag=tag)
        except Exception as error:  # likewise
            raise WorkError(
                f"{address} is written, but the tag {tag} can't be made ({reason_of(error)}): give another one"
            ) from error
    return address
