"""The input: pixels minus 128 to the float model's normalised values, as one 1x1 convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.bpu import COLOR_RANGES, INPUT_TYPES, WEIGHT_MAX
from edgekit.calibration.nv12_colors import YUV_TO_RGB
from edgekit.calibration.samples import Normalisation
from edgekit.errors import ConfigError
from edgekit.sim.compiler.emit.writer import NCHW, NHWC, TO_NHWC, GraphWriter
from edgekit.sim.compiler.requantize import epilogue_params
from edgekit.spec import InputKind, Layout

STUDIO_GAIN = np.array([255 / 219, 255 / 224, 255 / 224])  # luma 16..235 and chroma 16..240 to 0..255
STUDIO_BLACK = 16
PIXEL_CENTRE = 128  # what the board subtracts from pixels
# (kind, input_space_and_range) -> the dialect's `input_type`
INPUT_TYPE_OF = {
    (kind, color_space): input_type
    for input_type, (declared_kind, color_range) in INPUT_TYPES.items()
    for kind in (("nv12", "yuv444") if declared_kind == "nv12" else (declared_kind,))
    for color_space, range_ in COLOR_RANGES.items()
    if range_ == color_range
}


@dataclass(frozen=True, slots=True)
class ImageInput:
    """What the board feeds (`kind`, `layout`, `color_space`) and what the float model takes (`train_kind`)."""

    name: str
    kind: InputKind
    train_kind: InputKind
    layout: Layout  # of the board's input: nv12 and yuv444 are NHWC
    color_space: str
    normalisation: Normalisation


@dataclass(frozen=True, slots=True)
class ArrayInput:
    """An input that the board feeds as float32, as the float model takes it; the model rounds it to integers."""

    name: str
    kind: InputKind = "featuremap"
    layout: Layout = "NCHW"


BoardInput = ImageInput | ArrayInput


def emit_input(writer: GraphWriter, source: BoardInput) -> None:
    """What makes the integers of a float model's input of what the board feeds."""
    if isinstance(source, ImageInput):
        emit_preprocess(writer, source)
    else:
        emit_quantize(writer, source)


def emit_quantize(writer: GraphWriter, source: ArrayInput) -> None:
    """HzQuantize, axes as in the float model."""
    scale = writer.constant(f"{source.name}_x_scale", np.array([writer.scale(source.name)], np.float32))
    attrs: dict[str, Any] = {"bits": writer.bits(source.name)} if writer.bits(source.name) != 8 else {}
    target = writer.write(source.name, NCHW)
    writer.add("HzQuantize", f"{source.name}_HzQuantize", [source.name, scale], [target], reads=source.name, **attrs)


def emit_preprocess(writer: GraphWriter, image: ImageInput) -> None:
    """HzSQuantizedPreprocess, behind a Transpose where the board feeds NCHW."""
    matrix, offset = (values.astype(np.float64) for values in centred_affine(image))
    x_name = image.name
    node = f"HZ_PREPROCESS_FOR_{image.name}"
    if image.layout == "NCHW":
        x_name = f"{node}_nchw2nhwc_transposed_input0"
        layout_node = f"{node}_NCHW2NHWC_LayoutConvert_Input0"
        writer.add("Transpose", layout_node, [image.name], [x_name], domain="", perm=TO_NHWC)
    diagonal = bool(np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0)
    weights = np.diag(matrix)[:, None] if diagonal else matrix
    quantized, step = _round_matrix(weights)
    scale, bits = writer.scale(image.name), writer.bits(image.name)
    params = epilogue_params(step / scale, bits=bits, location=f"node {node!r}")
    bias = np.rint(offset / step) + np.rint(params.offset)
    inputs = [
        x_name,
        writer.constant(f"{node}_weight_quantized", quantized[:, None, None, :].astype(np.int8)),
        writer.constant(f"{node}_bias_quantized", bias.astype(np.int32)),
        writer.constant(f"{node}_bias_b_scale", np.zeros(bias.size, np.int8)),
    ]
    target = writer.write(image.name, NHWC, name=f"{node}_quantized")
    writer.add(
        "HzSQuantizedPreprocess",
        node,
        inputs,
        [target],
        input_type=INPUT_TYPE_OF[image.kind, image.color_space],
        channel_group=matrix.shape[0] if diagonal else 1,
        weight_thresholds=np.abs(weights).max(axis=1).astype(np.float32),
        output_bit=bits,
        right_shift=params.right_shift,
        scale=params.scale,
        out_shift=params.out_shift,
        high_precision_output=0,
    )


def centred_affine(image: ImageInput) -> tuple[np.ndarray, np.ndarray]:
    """(matrix, offset) with float input = matrix @ (pixel - 128) + offset, pixels in the board's channel order.

    Both are float32 and rounded in the vendor's order: its calibration computes with these very numbers.
    """
    if (image.kind, image.color_space) not in INPUT_TYPE_OF:
        raise ConfigError(
            f"input_type_rt {image.kind!r} with input_space_and_range {image.color_space!r} cannot be simulated, "
            f"expected one of {', '.join(' '.join(pair) for pair in INPUT_TYPE_OF)}",
            hint="fix input_parameters, or compile with --toolchain hb_mapper",
        )
    matrix, offset = (values.astype(np.float32) for values in _training_affine(image))
    gain, mean = (np.asarray(v, np.float32) for v in (image.normalisation.scale, image.normalisation.mean))
    centre = matrix @ np.full(matrix.shape[1], PIXEL_CENTRE, np.float32)
    return matrix * gain[:, None], (offset + centre - mean) * gain


def _training_affine(image: ImageInput) -> tuple[np.ndarray, np.ndarray]:
    """Board pixels to training pixels, both 0..255."""
    if image.kind == image.train_kind or (image.kind, image.train_kind) == ("nv12", "yuv444"):
        size = len(image.normalisation.scale)
        return np.eye(size), np.zeros(size)
    if image.kind in ("nv12", "yuv444") and image.train_kind in ("rgb", "bgr"):
        matrix, black = YUV_TO_RGB, 0
        if image.color_space == "bt601_video":
            matrix, black = YUV_TO_RGB * STUDIO_GAIN, STUDIO_BLACK
        offset = -matrix @ np.array([black, 128.0, 128.0])
        order = [0, 1, 2] if image.train_kind == "rgb" else [2, 1, 0]
        return matrix[order], offset[order]
    if {image.kind, image.train_kind} == {"rgb", "bgr"}:
        return np.eye(3)[::-1], np.zeros(3)
    raise ConfigError(
        f"input_type_rt is {image.kind!r} with input_type_train {image.train_kind!r}, expected two that convert",
        hint="nv12 and yuv444 go with rgb, bgr or yuv444; rgb and bgr with each other; gray with gray",
    )


def _round_matrix(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers and their step per row, the largest at 127."""
    steps = (np.abs(weights).max(axis=1).astype(np.float32) / np.float32(WEIGHT_MAX)).astype(np.float64)
    return np.rint(weights / steps[:, None]), steps
