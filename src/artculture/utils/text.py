"""Text in normal form and in natural order."""

import re
import unicodedata


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key by which numbers sort by value: `2` comes before `10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def normal_label(label: str) -> str:
    """Return a label without spaces around it, in Unicode form NFC."""
    return unicodedata.normalize("NFC", label.strip())


def fold_text(text: str) -> str:
    """Lower case without accents, so that `papier-mâché` and `Papier-mache` are one word."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


def size_text(size: float) -> str:
    """Return a number of bytes in a readable unit: `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit in ("B", "kB") else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def file_word(text: str) -> str:
    """Return text as part of a file's name: letters, digits and `_.=+`."""
    return re.sub(r"[^\w.=+]+", "_", text).strip("_.") or "_"
