"""The state of a learning run on disk: plain arrays and JSON, so that a killed run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.array_files import read_arrays
from edgekit.errors import DataError
from edgekit.files import atomic_path, is_file
from edgekit.records import envelope
from edgekit.text import parse_json

Arrays = dict[str, npt.NDArray[Any]]
RECORD = "record"  # the JSON part, as bytes


@dataclass(slots=True)
class RunState:
    """How far a run is.

    Attributes:
        about: What the run depends on; a checkpoint of something else is not taken up.
        step: Steps done.
        history: (step, loss on held-out images) of every evaluation.
        best_step: The step with the smallest of these losses.
        ended: Why the run ended; empty while it goes on.
        current: Learned tensors and the optimizer's moments, by name.
        best: Learned tensors of `best_step`.
    """

    about: dict[str, Any]  # plain JSON values, lists for sequences
    step: int = 0
    history: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    ended: str = ""
    current: Arrays = field(default_factory=dict)
    best: Arrays = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return how the run went, as plain JSON values."""
        history = [[step, loss] for step, loss in self.history]
        return {"done": self.step, "ended": self.ended, "best_step": self.best_step, "history": history}


def save_checkpoint(path: Path, state: RunState) -> None:
    """Write the state whole or not at all."""
    arrays: Arrays = {RECORD: np.frombuffer(json.dumps(_record(state)).encode(), np.uint8)}
    arrays |= {f"current/{name}": value for name, value in state.current.items()}
    arrays |= {f"best/{name}": value for name, value in state.best.items()}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def _record(state: RunState) -> dict[str, Any]:
    """The plain part of the state, as JSON values."""
    return {
        **envelope("learning-state"),
        "about": state.about,
        "step": state.step,
        "history": state.history,
        "best_step": state.best_step,
        "ended": state.ended,
    }


def load_checkpoint(path: Path, about: Mapping[str, Any]) -> RunState | None:
    """Read the state of an earlier run.

    Args:
        path: Where `save_checkpoint` wrote it.
        about: What the present run depends on.

    Returns:
        The state, or None where there is none, it is damaged, or it belongs to another run.
    """
    if not is_file(path):
        return None
    try:
        arrays = read_arrays(path, hint="learn anew")
        record: Any = parse_json(arrays[RECORD].tobytes(), str(path))
        if record["about"] != dict(about):
            return None
        parts: dict[str, Arrays] = {"current": {}, "best": {}}
        for name, values in arrays.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = values
        history = [(int(step), float(loss)) for step, loss in record["history"]]
        return RunState(
            record["about"], int(record["step"]), history, int(record["best_step"]), str(record["ended"]), **parts
        )
    except (DataError, KeyError, TypeError, ValueError):
        return None
