"""Calibration images both ways: as the board feeds the integer graph, and as the float model's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.bpu import COLOR_RANGES
from edgekit.calibration.samples import FEATUREMAP, normalisation_of, samples_of
from edgekit.errors import ConfigError
from edgekit.graph.float_graph import FloatGraph
from edgekit.graph.float_runner import FloatRunner
from edgekit.ops.pixels import pack_input
from edgekit.ops.yuv import nv12_to_yuv444
from edgekit.sim.compiler.emit.preprocess import ArrayInput, BoardInput, ImageInput
from edgekit.spec import InputSpec, Preprocess

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob, JobInput

NHWC_KINDS = ("nv12", "yuv444")  # the dialect feeds these as NHWC, whatever the yaml says


def board_inputs(job: CompileJob) -> tuple[BoardInput, ...]:
    """What the yaml says about the model's inputs, in its order."""
    return tuple(_board_input(job, item) for item in job.inputs)


def _board_input(job: CompileJob, item: JobInput) -> BoardInput:
    source, normalisation = item.source, normalisation_of(job, item)
    if source.type_rt == FEATUREMAP:
        if source.layout_rt not in ("", source.layout_train):
            raise ConfigError(
                f"input_layout_rt is {source.layout_rt!r} for the featuremap {item.name!r}, expected that of training",
                hint=f"set it to {source.layout_train}, or compile with --toolchain hb_mapper",
            )
        return ArrayInput(item.name)
    layout = "NHWC" if source.type_rt in NHWC_KINDS else source.layout_rt or source.layout_train
    return ImageInput(
        name=item.name,
        kind=source.type_rt,
        train_kind=source.type_train,
        layout=layout,
        color_space=source.color_space,
        normalisation=normalisation,
    )


def board_preprocess(job: CompileJob) -> Preprocess:
    """The recorded letterbox, with the colour range that the yaml asks for."""
    spaces = [item.source.color_space for item in job.inputs if item.name == job.spec.input.name]
    return replace(job.spec.preprocess, color_range=COLOR_RANGES[(spaces or [job.inputs[0].source.color_space])[0]])


def board_input(path: Path, job: CompileJob, image: ImageInput, item: JobInput) -> np.ndarray:
    """The int8 input of the integer graph for the calibration file `path` (training pixels, 0..255)."""
    _, channels, height, width = item.shape
    raw = np.fromfile(path, dtype=item.calibration_dtype).reshape(channels, height, width)
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
    job: CompileJob, graph: FloatGraph, inputs: Sequence[BoardInput], files: Sequence[Path], tensors: Sequence[str]
) -> Iterator[CalibrationImage]:
    """One after the other; the floats of an image come while they are asked for."""
    runner = FloatRunner(job.onnx_path, [name for name in tensors if name not in graph.inputs])
    samples = samples_of(job)
    for path in files:
        feeds, board = samples.read(path), {}
        for file, source, item in zip(samples.files(path), inputs, job.inputs, strict=True):
            board[item.name] = feeds[item.name]
            if isinstance(source, ImageInput):
                board[item.name] = board_input(file, job, source, item)
        yield CalibrationImage(board, _tensors_with_inputs(feeds, runner))


def in_memory(source: Iterable[CalibrationImage]) -> list[CalibrationImage]:
    """The images with their floats held in memory: for few images and small tensors."""
    return [replace(image, floats=list(image.floats)) for image in source]


def _tensors_with_inputs(feeds: Mapping[str, np.ndarray], runner: FloatRunner) -> Iterator[tuple[str, np.ndarray]]:
    yield from feeds.items()
    yield from runner.run(feeds)
