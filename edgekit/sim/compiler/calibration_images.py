"""Calibration images both ways: as the board is fed, and as the float model's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.sim.compiler.board_input import board_input
from edgekit.sim.compiler.emit.preprocess import ImageInput
from edgekit.sim.compiler.float_graph import FloatGraph
from edgekit.sim.compiler.float_runner import FloatRunner
from edgekit.sim.compiler.samples import normalisation_of, read_sample

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob


@dataclass(frozen=True, slots=True)
class Image:
    """`board`: the integer graph's input by name; `floats`: (tensor name, float32 values), perhaps only once."""

    board: Mapping[str, np.ndarray]
    floats: Iterable[tuple[str, np.ndarray]]


def images(
    job: CompileJob, graph: FloatGraph, image: ImageInput, files: Sequence[Path], tensors: Sequence[str]
) -> Iterator[Image]:
    """One after the other; the floats of an image come portion by portion, while they are asked for."""
    runner = FloatRunner(job.onnx_path, [name for name in tensors if name != graph.input], graph.shapes)
    normalisation = normalisation_of(job)
    for path in files:
        x = read_sample(path, job, normalisation)
        yield Image({image.name: board_input(path, job, image)}, _with_input(graph.input, x, runner))


def remembered(source: Iterable[Image]) -> list[Image]:
    """The images with their floats held in memory: for few images and small tensors."""
    return [replace(image, floats=list(image.floats)) for image in source]


def _with_input(name: str, x: np.ndarray, runner: FloatRunner) -> Iterator[tuple[str, np.ndarray]]:
    yield name, x
    yield from runner.run(x)
