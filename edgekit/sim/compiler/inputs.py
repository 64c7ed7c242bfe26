"""Calibration images both ways: as the board feeds the integer graph, and as the float model's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.bpu import COLOR_RANGES
from edgekit.calibration.samples import normalisation_of, read_sample
from edgekit.graph.float_graph import FloatGraph
from edgekit.graph.float_runner import FloatRunner
from edgekit.ops.pixels import pack_input
from edgekit.ops.yuv import nv12_to_yuv444
from edgekit.sim.compiler.emit.preprocess import ImageInput
from edgekit.spec import InputSpec, Preprocess

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

NHWC_KINDS = ("nv12", "yuv444")  # the dialect feeds these as NHWC, whatever the yaml says


def image_input(job: CompileJob) -> ImageInput:
    """What the yaml says about the model's one input."""
    source = job.config.inputs[0]
    layout = "NHWC" if source.type_rt in NHWC_KINDS else source.layout_rt or source.layout_train
    return ImageInput(
        name=source.name or job.input_name,
        kind=source.type_rt,
        train_kind=source.type_train,
        layout=layout,
        color_space=source.color_space,
        normalisation=normalisation_of(job),
    )


def board_preprocess(job: CompileJob) -> Preprocess:
    """The recorded letterbox, with the colour range that the yaml asks for."""
    return replace(job.spec.preprocess, color_range=COLOR_RANGES[job.config.inputs[0].color_space])


def board_input(path: Path, job: CompileJob, image: ImageInput) -> np.ndarray:
    """The int8 input of the integer graph for the calibration file `path` (training pixels, 0..255)."""
    _, channels, height, width = job.input_shape
    raw = np.fromfile(path, dtype=job.calibration_dtype).reshape(channels, height, width)
    pixels = np.clip(np.rint(raw), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    if image.kind == image.train_kind:
        packed = np.ascontiguousarray(pixels.transpose(2, 0, 1) if image.layout == "NCHW" else pixels)[None]
    else:
        bgr = pixels if image.train_kind == "bgr" else pixels[..., ::-1]
        spec = InputSpec(image.name, kind=image.kind, layout=image.layout)
        packed = pack_input(np.ascontiguousarray(bgr), spec, board_preprocess(job))
        if image.kind == "nv12":
            packed = nv12_to_yuv444(packed, (width, height))[None]
    signed: np.ndarray = (packed ^ 0x80).view(np.int8)  # pixel - 128
    return signed


@dataclass(frozen=True, slots=True)
class CalibrationImage:
    """`board`: the integer graph's input by name; `floats`: (tensor name, float32 values), perhaps only once."""

    board: Mapping[str, np.ndarray]
    floats: Iterable[tuple[str, np.ndarray]]


def calibration_images(
    job: CompileJob, graph: FloatGraph, image: ImageInput, files: Sequence[Path], tensors: Sequence[str]
) -> Iterator[CalibrationImage]:
    """One after the other; the floats of an image come portion by portion, while they are asked for."""
    runner = FloatRunner(job.onnx_path, [name for name in tensors if name != graph.input], graph.shapes)
    normalisation = normalisation_of(job)
    for path in files:
        x = read_sample(path, job, normalisation)
        yield CalibrationImage({image.name: board_input(path, job, image)}, _tensors_with_input(graph.input, x, runner))


def in_memory(source: Iterable[CalibrationImage]) -> list[CalibrationImage]:
    """The images with their floats held in memory: for few images and small tensors."""
    return [replace(image, floats=list(image.floats)) for image in source]


def _tensors_with_input(name: str, x: np.ndarray, runner: FloatRunner) -> Iterator[tuple[str, np.ndarray]]:
    yield name, x
    yield from runner.run(x)
