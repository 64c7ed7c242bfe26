"""Synthetic raw heads and the plain decoder that reads every cell: the oracle of the gated one."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.decode import DecodeOptions, Decoder
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Results
from edgekit.spec import HeadDtype, HeadSpec, InputSpec, ModelSpec, Preprocess, Role, TaskName

SIZE_WH = (96, 64)  # not square
STRIDES = (8, 16, 32)


def make_spec(
    *, classes: int = 3, reg_max: int = 16, task: TaskName = "segment", dtype: HeadDtype = "float32", seed: int = 0
) -> ModelSpec:
    """A spec for 96x64 inputs; integer heads get a different scale per channel, the proto one int16 scale."""
    rng = np.random.default_rng(seed)

    def head(name: str, role: Role, stride: int, channels: int) -> HeadSpec:
        shape = (1, SIZE_WH[1] // stride, SIZE_WH[0] // stride, channels)
        if dtype == "float32":
            return HeadSpec(name, role, shape, stride)
        if role == "proto":
            return HeadSpec(name, role, shape, stride, "int16", (0.01,))
        scale = tuple(float(np.float32(s)) for s in rng.uniform(0.001, 0.004, channels))
        return HeadSpec(name, role, shape, stride, dtype, scale)

    outputs = []
    for stride in STRIDES:
        outputs += [
            head(f"box_{stride}", "box", stride, 4 * reg_max),
            head(f"class_{stride}", "class", stride, classes),
        ]
        if task == "segment":
            outputs.append(head(f"mask_{stride}", "mask", stride, 8))
    if task == "segment":
        outputs.append(head("proto", "proto", 4, 8))
    names = tuple(f"c{i}" for i in range(classes))
    return ModelSpec(task, names, InputSpec("images"), Preprocess(*SIZE_WH), tuple(outputs), reg_max=reg_max)


def make_heads(spec: ModelSpec, seed: int = 0) -> dict[str, np.ndarray]:
    """Random heads with class scores on both sides of every usual threshold."""
    rng = np.random.default_rng(seed)
    centres = {"class": -2.0, "box": 0.0, "mask": 0.0, "proto": 0.0}
    heads = {}
    for head in spec.outputs:
        values = rng.normal(centres[head.role], 2.0, head.shape)
        if spec.reg_max == 1 and head.role == "box":
            values = np.abs(values)
        if head.role == "proto":
            values = smooth(values)
        if head.scale:
            values = np.rint(values / np.asarray(head.scale))
        heads[head.name] = values.astype(head.dtype)
    return heads


def decode(
    heads: dict[str, np.ndarray],
    spec: ModelSpec,
    letterbox: Letterbox,
    options: DecodeOptions | None = None,
    *,
    device: str = "unknown",
) -> Results:
    """One frame by a decoder of its own."""
    return Decoder(spec, options, device=device)(heads, letterbox)


def smooth(values: np.ndarray) -> np.ndarray:
    """Each cell the mean of its neighbours, a few times over: prototypes are no white noise."""
    for axis in (1, 2) * 2:
        values = (np.roll(values, 1, axis) + values + np.roll(values, -1, axis)) / 3
    return values * 3


def floats(spec: ModelSpec, heads: dict[str, np.ndarray], role: Role, stride: int) -> np.ndarray:
    head = spec.head(role, stride)
    scale = np.asarray(head.scale or (1.0,))
    return np.asarray(heads[head.name][0].astype(np.float64) * scale)


def plain_candidates(spec: ModelSpec, heads: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Every cell, one after the other, as the formulas read; float64."""
    found = []
    for stride in spec.strides:
        classes, boxes = (floats(spec, heads, role, stride) for role in ("class", "box"))
        for y in range(classes.shape[0]):
            for x in range(classes.shape[1]):
                bins = boxes[y, x].reshape(4, spec.reg_max)
                weights = np.exp(bins - bins.max(axis=1, keepdims=True))
                distances = (weights / weights.sum(axis=1, keepdims=True)) @ np.arange(spec.reg_max)
                left, top, right, bottom = bins[:, 0] if spec.reg_max == 1 else distances
                corners = np.array([x + 0.5 - left, y + 0.5 - top, x + 0.5 + right, y + 0.5 + bottom]) * stride
                scores = 1 / (1 + np.exp(-classes[y, x]))
                found.append({"box": corners, "scores": scores, "stride": stride, "yx": (y, x)})
    return found
