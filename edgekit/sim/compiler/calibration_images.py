"""Calibration photos both ways: as the board is fed, and as the float model's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.sim.compiler.board_input import board_input
from edgekit.sim.compiler.emit.preprocess import PictureInput
from edgekit.sim.compiler.float_graph import FloatGraph
from edgekit.sim.compiler.float_runner import FloatRunner
from edgekit.sim.compiler.samples import normalisation_of, read_sample

if TYPE_CHECKING:
    from edgekit.compile.job import CompileJob


@dataclass(frozen=True, slots=True)
class Photo:
    """`board`: the integer graph's input by name; `floats`: (tensor name, float32 values), perhaps only once."""

    board: Mapping[str, np.ndarray]
    floats: Iterable[tuple[str, np.ndarray]]


def photos(
    job: CompileJob, graph: FloatGraph, picture: PictureInput, files: Sequence[Path], tensors: Sequence[str]
) -> Iterator[Photo]:
    """One after the other; the floats of a photo come portion by portion, while they are asked for."""
    runner = FloatRunner(job.onnx_path, [name for name in tensors if name != graph.input], graph.shapes)
    normalisation = normalisation_of(job)
    for path in files:
        x = read_sample(path, job, normalisation)
        yield Photo({picture.name: board_input(path, job, picture)}, _with_input(graph.input, x, runner))


def remembered(source: Iterable[Photo]) -> list[Photo]:
    """The photos with their floats held in memory: for few photos and small tensors."""
    return [replace(photo, floats=list(photo.floats)) for photo in source]


def _with_input(name: str, x: np.ndarray, runner: FloatRunner) -> Iterator[tuple[str, np.ndarray]]:
    yield name, x
    yield from runner.run(x)
