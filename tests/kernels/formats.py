"""Every format of head that edgekit decodes, generated: specs, and frames that are usual, empty, crowded or hostile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.spec import HeadDtype, HeadSpec, InputSpec, ModelSpec, Preprocess, Role, TaskName

SIZE_WH = (160, 96)  # not square
CLASSES, MASKS, POINTS = 5, 11, 4  # no multiples of a vector's lanes
ANCHORS = (((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)), ((30.0, 61.0), (62.0, 45.0), (59.0, 80.0)), ((90.0, 70.0),) * 3)
STRIDES = (8, 16, 32)
DTYPES: tuple[HeadDtype, ...] = ("float32", "int8", "int16", "int32")
TASKS: dict[TaskName, Role | None] = {"detect": None, "segment": "mask", "pose": "keypoint", "obb": "angle"}
STEP = {"int8": 0.05, "int16": 1e-3, "int32": 1e-5}  # about the scale of a head's numbers
FRAMES = ("usual", "empty", "crowded", "hostile")


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of head."""

    family: str
    task: TaskName
    dtype: HeadDtype
    end_to_end: bool = False

    def __str__(self) -> str:
        return f"{self.family}-{self.task}-{self.dtype}{'-e2e' if self.end_to_end else ''}"


ANCHORED: tuple[TaskName, ...] = ("detect", "segment")
FLOAT_OR_INT16: tuple[HeadDtype, ...] = ("float32", "int16")
FORMATS = (
    *(Format("yolov8", task, dtype) for task in TASKS for dtype in DTYPES),
    *(Format("yolov5", task, dtype) for task in ANCHORED for dtype in DTYPES),
    *(Format("yolo26", task, dtype, True) for task in TASKS for dtype in FLOAT_OR_INT16),
    *(Format("yolo26", task, "float32") for task in TASKS),
    *(Format("yolov10", "detect", dtype, True) for dtype in DTYPES),
)


def make_spec(kind: Format, seed: int = 0) -> ModelSpec:
    """The spec of a format; integer heads have a scale per channel, those of the prototypes one for all."""
    rng = np.random.default_rng(seed)
    reg_max = 1 if kind.family == "yolo26" else 16
    role = TASKS[kind.task]
    extra = {"mask": MASKS, "keypoint": 3 * POINTS, "angle": 1}[role] if role else 0

    def head(role: Role, stride: int, channels: int) -> HeadSpec:
        shape = (1, SIZE_WH[1] // stride, SIZE_WH[0] // stride, channels)
        if kind.dtype == "float32":
            return HeadSpec(f"{role}_{stride}", role, shape, stride)
        count = 1 if role == "proto" else channels
        scale = tuple(float(np.float32(s)) for s in rng.uniform(0.8, 1.2, count) * STEP[kind.dtype])
        return HeadSpec(f"{role}_{stride}", role, shape, stride, kind.dtype, scale)

    outputs = []
    for stride in STRIDES:
        if kind.family == "yolov5":
            outputs.append(head("object", stride, 3 * (5 + CLASSES + extra)))
            continue
        outputs += [head("box", stride, 4 * reg_max), head("class", stride, CLASSES)]
        if role:
            outputs.append(head(role, stride, extra))
    if kind.task == "segment":
        outputs.append(head("proto", 4, MASKS))
    names = tuple(f"c{i}" for i in range(CLASSES))
    shape = (POINTS, 3) if kind.task == "pose" else ()
    anchors = ANCHORS if kind.family == "yolov5" else ()
    return ModelSpec(
        kind.task, names, InputSpec("images"), Preprocess(*SIZE_WH), tuple(outputs), reg_max=reg_max,
        family=kind.family, end_to_end=kind.end_to_end, keypoint_shape=shape, anchors=anchors,
    )  # fmt: skip


def make_frame(spec: ModelSpec, frame: str, seed: int = 0) -> dict[str, np.ndarray]:
    """One frame's heads: class logits around, below or above the usual thresholds, or what no network gives."""
    rng = np.random.default_rng(seed)
    center = {"usual": -2.5, "empty": -30.0, "crowded": 2.0, "hostile": -2.0}[frame]
    heads = {}
    for head in spec.outputs:
        values = rng.normal(center if head.role in ("class", "object") else 0.0, 2.0, head.shape)
        if spec.reg_max == 1 and head.role == "box":
            values = np.abs(values)
        if frame == "hostile":
            _spoil(values, head, rng)
        if head.scale:
            bits = np.iinfo(head.dtype)
            with np.errstate(invalid="ignore"):
                values = np.nan_to_num(np.rint(values / np.asarray(head.scale)), posinf=bits.max, neginf=bits.min)
            values = np.clip(values, bits.min, bits.max)
        with np.errstate(over="ignore"):
            heads[head.name] = values.astype(head.dtype)
    return heads


def _spoil(values: np.ndarray[Any, Any], head: HeadSpec, rng: np.random.Generator) -> None:
    """Put NaN, infinities and huge numbers everywhere; one cell holds nothing else."""
    flat = values.reshape(-1)
    for value in (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0.0):
        flat[rng.integers(0, flat.size, max(1, flat.size // 60))] = value
    values[0, 0, 0] = np.nan
    values[0, 0, 1] = np.inf


def make_letterbox(spec: ModelSpec, source_wh: tuple[int, int] = (211, 97)) -> Letterbox:
    """Where an image of odd sides lies in the input."""
    return letterbox_of(source_wh, spec.preprocess)
