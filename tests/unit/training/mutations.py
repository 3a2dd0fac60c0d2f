"""Damage to a run's files, as killed machines and careless editors leave it, and what may come of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from artculture import cli

# The files of a finished run, and the commands that read them (`{run}` is the run directory).
COMPARE = ("compare", "study.name={study}", "study.root={root}")
EVALUATE = ("evaluate", "checkpoint={run}", "device=cpu", "output={root}/evaluation", "overwrite=true")
TRAIN = ("train",)
READERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "status.json": (COMPARE, TRAIN),
    "result.json": (COMPARE, TRAIN),
    "config.yaml": (EVALUATE, TRAIN),
    "metrics.csv": (TRAIN,),
    "split.csv": (EVALUATE,),
    "checkpoints/best.ckpt": (EVALUATE,),
    "checkpoints/last.ckpt": (TRAIN,),
    "cache/index.json": (EVALUATE,),
    "cache/pixels.bin": (EVALUATE,),
    "manifest.csv": (EVALUATE,),
}


@dataclass(frozen=True)
class Mutation:
    """What is done to a file's bytes.

    Attributes:
        name: of the kind of damage.
        act: bytes and dice to bytes.
    """

    name: str
    act: Callable[[bytes, random.Random], bytes]


def _cut(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content))]


def _flip(content: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(dice.choice((1, 1, 3, 20))):
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def _zeros(content: bytes, dice: random.Random) -> bytes:
    start, length = dice.randrange(len(content)), dice.randrange(1, 600)
    gap = content[start : start + length]
    return content[:start] + bytes(len(gap)) + content[start + length :]


def _lose_line(content: bytes, dice: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[dice.randrange(len(lines))]
    return b"".join(lines)


def _double_line(content: bytes, dice: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    place = dice.randrange(len(lines))
    return b"".join([*lines[:place], lines[place], *lines[place:]])


def _swap_value(content: bytes, dice: random.Random) -> bytes:
    words = content.split(b" ")
    words[dice.randrange(len(words))] = dice.choice((b"null", b"-1", b"1e999", b"[]", b"true", b'"x"', b"{", b""))
    return b" ".join(words)


MUTATIONS = (
    Mutation("cut", _cut),
    Mutation("flipped bits", _flip),
    Mutation("zeros", _zeros),
    Mutation("a line lost", _lose_line),
    Mutation("a line twice", _double_line),
    Mutation("a value replaced", _swap_value),
)


# Which of them a file gets: a pixel of the cache that is another one now is no file's mistake that can be seen.
CUT_ONLY = ("cache/pixels.bin",)


def drawn(name: str, dice: random.Random) -> Mutation:
    """A kind of damage for a file of READERS."""
    return MUTATIONS[0] if name in CUT_ONLY else dice.choice(MUTATIONS)


def outcome(code: int, said: str, file: Path) -> str:
    """Empty where a command did right by a damaged file: it went well, or said in one message what is wrong.

    Args:
        code: its exit code.
        said: what it wrote to stderr.
        file: the damaged one.
    """
    if code == 0:
        return ""
    if code != 2:
        return f"exit code {code}: {_last(said)}"
    if "Traceback" in said:
        return f"a traceback: {_last(said)}"
    named = (file.name, file.parent.name, "made with another config", "data changed", "too few", "does not know")
    return "" if any(word in said for word in named) else f"a message that names nothing: {_last(said)}"


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1][:300] if lines else "nothing said"


def run_command(argv: tuple[str, ...], typed: tuple[str, ...], **places: str) -> int:
    """A command of READERS on a run.

    Args:
        argv: of READERS.
        typed: what the run was trained with.
        places: `run`, `study` and `root`.
    """
    filled = [part.format(**places) for part in argv]
    return cli.main([*filled, *(typed if argv == TRAIN else ())])
