"""How long work reports where it is: a callback, so that the library itself never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the stage's name and how much of it is done; `total` is 0 where it is not known."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that `done` of `total` steps of `stage` are done; `total` is 0 if it is not known."""


def silent(stage: str, done: int, total: int) -> None:
    """The default: report nothing."""
