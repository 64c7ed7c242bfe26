"""What a branch of a stock export is: task, classes, bins, anchors, key points and the family's formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgekit.decode.families import FAMILIES, Formulas
from edgekit.decode.tasks import TASK_OF_EXTRA
from edgekit.errors import ModelError
from edgekit.export.head_location import NOT_YOLO_HINT, no_yolo
from edgekit.export.head_roles import HeadRole, Tail, find_roles
from edgekit.export.metadata import Metadata, class_names
from edgekit.spec import Role, TaskName

ANGLE_AT_ZERO = np.pi / 4  # (sigmoid(0) - 1/4) * pi
Anchors = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The facts that the sidecar needs, found in the graph; `notes` says what nothing said."""

    task: TaskName
    family: str
    names: tuple[str, ...]
    roles: tuple[HeadRole, ...]
    reg_max: int = 16
    anchors: Anchors = ()
    keypoint_shape: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def read_branch(tail: Tail, metadata: Metadata, *, has_proto: bool) -> Reading:
    """Read a branch by experiments on its tail; raises ModelError where it contradicts the metadata or itself."""
    roles = find_roles(tail, has_proto=has_proto)
    kinds = _complete_kinds(roles)
    rest = tail.rows(tail.zeros())  # all raw numbers zero: what the constants alone give
    width = rest.shape[1]
    if "object" in kinds:
        return _read_anchors(tail, roles, rest, metadata, has_proto=has_proto)
    extra = next((kind for kind in kinds if kind in TASK_OF_EXTRA), None)
    task = _agreed_task(metadata.task, TASK_OF_EXTRA[extra] if extra else "detect")
    num_classes = next(r.map.shape[1] for r in roles if r.role == "class")
    names, notes = class_names(metadata, num_classes)
    keypoint_shape = _keypoint_shape(metadata, rest, width - 4 - num_classes) if extra == "keypoint" else ()
    family, family_notes = _family(metadata, roles, _measured(roles, rest))
    box_channels = {r.map.shape[1] for r in roles if r.role == "box"}
    if len(box_channels) != 1:
        raise _contradiction(f"box maps of {sorted(box_channels)} channels, expected the same number on every stride")
    reg_max = box_channels.pop() // 4
    return Reading(task, family, names, roles, reg_max, (), keypoint_shape, (*notes, *family_notes))


def _complete_kinds(roles: tuple[HeadRole, ...]) -> set[Role]:
    """The kinds of heads, each on every stride exactly once."""
    strides = {r.map.stride for r in roles}
    kinds = {r.role for r in roles}
    for kind in sorted(kinds):
        have = sorted(r.map.stride for r in roles if r.role == kind)
        if have != sorted(strides):
            raise _contradiction(f"{kind} maps on strides {have}, expected one on each of {sorted(strides)}")
    if kinds != {"object"} and not {"box", "class"} <= kinds:
        raise no_yolo(f"maps of the kind {', '.join(sorted(kinds))} alone")
    return kinds


def _read_anchors(
    tail: Tail, roles: tuple[HeadRole, ...], rest: np.ndarray, metadata: Metadata, *, has_proto: bool
) -> Reading:
    """YOLOv5: with all raw numbers zero, (2 sigmoid(0))^2 = 1, so the sizes in the rows are the anchors."""
    width = rest.shape[1]
    anchors = []
    for role in roles:
        cells, count = role.map.shape[2] * role.map.shape[3], role.map.shape[1] // width
        sizes = rest[role.first_row : role.first_row + count * cells : cells, 2:4]
        anchors.append(tuple((float(w), float(h)) for w, h in sizes))
    masks = _mask_columns(tail) if has_proto else 0
    names, notes = class_names(metadata, width - 5 - masks)
    task = _agreed_task(metadata.task, "segment" if masks else "detect")
    return Reading(task, "yolov5", names, roles, 1, tuple(anchors), (), notes)


def _mask_columns(tail: Tail) -> int:
    """How many last columns are raw numbers rather than sigmoids: at zero 0 instead of 0.5."""
    rest = tail.rows(tail.zeros())
    return int(np.count_nonzero((rest[:, 5:] == 0).all(axis=0)))


def _keypoint_shape(metadata: Metadata, rest: np.ndarray, channels: int) -> tuple[int, ...]:
    """(points, 2 or 3): a visibility is a sigmoid, 0.5 in every cell where the raw numbers are zero."""
    visible = np.flatnonzero((rest[:, -channels:] == 0.5).all(axis=0))
    dims = 3 if channels % 3 == 0 and np.array_equal(visible, np.arange(2, channels, 3)) else 2
    if channels % dims:
        raise _contradiction(f"{channels} key point channels, which divide by neither 3 nor 2")
    point_shape = (channels // dims, dims)
    if metadata.keypoint_shape and metadata.keypoint_shape != point_shape:
        raise _contradiction(
            f"metadata kpt_shape {list(metadata.keypoint_shape)}, but the head gives {list(point_shape)}"
        )
    return point_shape


def _measured(roles: tuple[HeadRole, ...], rest: np.ndarray) -> Formulas | None:
    """The formulas seen in the first cell of the first map whose meaning differs by family; None where none does."""
    for role in roles:
        first = rest[role.first_row]
        if role.role == "angle":
            return Formulas(1.0, 0.0, raw_angle=True) if first[-1] == 0 else Formulas()
        if role.role == "keypoint":
            shifted = bool(np.isclose(first[role.columns[0]], 0, atol=1e-3))
            return Formulas() if shifted else Formulas(1.0, 0.0, raw_angle=True)
    return None


def _family(metadata: Metadata, roles: tuple[HeadRole, ...], measured: Formulas | None) -> tuple[str, tuple[str, ...]]:
    """The family that the file names, if its formulas are those of the graph; else the first one that fits."""
    named = metadata.family
    fits = [name for name, row in FAMILIES.items() if not row.anchors and measured in (None, row)]
    if named in fits:
        return named, ()
    one_bin = all(r.map.shape[1] == 4 for r in roles if r.role == "box")
    family = "yolo26" if one_bin and "yolo26" in fits else fits[0]
    declared = f"the file calls itself {named}" if named else "the file does not name its family"
    return family, (f"{declared}; its head is decoded as {family}'s",)


def _agreed_task(declared: Literal[TaskName, ""], task: TaskName) -> TaskName:
    if declared and declared != task:
        raise _contradiction(f"metadata task {declared!r}, but the head is that of {task!r}")
    return task


def _contradiction(what: str) -> ModelError:
    return ModelError(f"the model contradicts itself: {what}", hint=NOT_YOLO_HINT)
