"""A kind of input: what intact ones look like, how they are damaged, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

Mutate = Callable[[Random, bytes], bytes]


class DifferentError(Exception):
    """Two executions of one input gave different results."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of foreign input.

    Attributes:
        name: As the command line calls it.
        what: What it is, in one line.
        seeds: Returns intact inputs.
        mutate: Damages one of them.
        place: Writes an input into an empty folder, with what belongs beside it; returns the path to read.
        check: Reads it as edgekit does; an EdgekitError is a refusal, anything else a fault.
        command: The arguments of the `edgekit` command that reads it, None where no command is quick enough.
    """

    name: str
    what: str
    seeds: Callable[[], tuple[bytes, ...]]
    mutate: Mutate
    place: Callable[[bytes, Path], Path]
    check: Callable[[Path], None]
    command: Callable[[Path], list[str]] | None = None


def as_file(name: str) -> Callable[[bytes, Path], Path]:
    """Return a `place` that writes one file of this name."""

    def place(data: bytes, folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return place


def case_random(kind: str, seed: int, index: int) -> Random:
    """Return the source of chance of one case, the same in every process and Python version."""
    return Random(f"{kind}/{seed}/{index}")


def make_case(kind: Kind, seed: int, index: int) -> bytes:
    """Return the input number `index` of a campaign; every fiftieth is an intact one."""
    rng, seeds = case_random(kind.name, seed, index), kind.seeds()
    chosen = seeds[index % len(seeds)]
    return seeds[index // 50 % len(seeds)] if index % 50 == 0 else kind.mutate(rng, chosen)
