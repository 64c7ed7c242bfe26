"""Which output is what, for a model without a sidecar: by names first, then by shapes, never by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Literal

from edgekit.decode.tasks import TASK_OF_EXTRA, TASKS
from edgekit.errors import ModelError
from edgekit.spec import HeadSpec, Role, TaskName

Shape = tuple[int, ...]
Hint = Literal[Role, "extra", ""]  # of a name; "extra": some head beside box and class, "": nothing

HINT = "put the sidecar that edgekit cut wrote beside the model, or cut the stock ONNX again"
REG_MAX_USUAL = 16  # DFL bins of every family with DFL: 4 * 16 box channels
BOX_CHANNELS = (4 * REG_MAX_USUAL, 4)  # with DFL, and without (YOLO26)

# Names as edgekit cut gives them, and as Ultralytics' modules are called in node and weight names.
NAME_PATTERNS: tuple[tuple[Hint, re.Pattern[str]], ...] = (
    ("proto", re.compile(r"(^|[/._ ])proto([/._ ]|$)")),
    ("box", re.compile(r"(^|[/._ ])box_\d+( |$)")),
    ("class", re.compile(r"(^|[/._ ])class(_\d+)?( |$)")),
    ("mask", re.compile(r"(^|[/._ ])mask_\d+( |$)")),
    ("keypoint", re.compile(r"(^|[/._ ])(keypoint_\d+( |$)|cv4_kpts\.\d)")),
    ("angle", re.compile(r"(^|[/._ ])angle_\d+( |$)")),
    ("object", re.compile(r"(^|[/._ ])object_\d+( |$)")),
    ("depth", re.compile(r"(^|[/._ ])depth_\d+( |$)")),
    ("box", re.compile(r"(^|[/._ ])(one2one_)?cv2\.\d")),
    ("class", re.compile(r"(^|[/._ ])(one2one_)?cv3\.\d")),
    ("extra", re.compile(r"(^|[/._ ])(one2one_)?cv4\.\d")),
)


def infer_roles(
    outputs: Sequence[tuple[str, Shape]],
    size_wh: tuple[int, int],
    *,
    aliases: Mapping[str, str] | None = None,
    num_classes: int | None = None,
    task: Literal[TaskName, ""] = "",
    names: bool = True,
) -> tuple[HeadSpec, ...]:
    """Infer what each output of a model means, from names first and shapes second, never from its position.

    Args:
        outputs: (name, NHWC shape) of every output.
        size_wh: Of the model's input, in pixels.
        aliases: What else is known of an output's name, such as that of the node that makes it.
        num_classes: The number of classes, if it is known; narrows the choice.
        task: The task, if it is known; narrows the choice.
        names: Whether the outputs' own names are read.

    Returns:
        The head of every output, in the order given.

    Raises:
        ModelError: More than one reading is left, or none; names the outputs.
    """
    strides = {name: _stride(name, shape, size_wh) for name, shape in outputs}
    known_as = {name: f"{name if names else ''} {(aliases or {}).get(name, '')}" for name, _ in outputs}
    hints = {name: _role_by_name(known_as[name]) for name, _ in outputs}
    shapes = dict(outputs)
    if len(outputs) == 1 and (role := _map_role(outputs[0], strides, hints, task)):
        return (HeadSpec(outputs[0][0], role, outputs[0][1], strides[outputs[0][0]]),)
    proto = _find_proto(shapes, strides, hints)
    roles: dict[str, Role] = {proto: "proto"} if proto else {}
    extra: Role | None = "mask" if proto else TASKS[task].extra_role if task else None
    for stride in sorted(set(strides.values())):
        group = {n: shapes[n][-1] for n in shapes if strides[n] == stride and n != proto}
        if group:
            known = {n: hints[n] for n in group if hints[n]}
            masks = shapes[proto][-1] if proto else 0
            roles |= _read_group(group, known, stride, extra, masks, num_classes)
    heads = tuple(HeadSpec(name, roles[name], shape, strides[name]) for name, shape in outputs)
    _require_whole(heads)
    return heads


def task_of_heads(heads: Sequence[HeadSpec]) -> TaskName:
    """Return the task that heads of these roles serve."""
    roles = {head.role for head in heads}
    if len(heads) == 1 and heads[0].stride:
        for task in TASKS.values():
            if task.map_role == heads[0].role:
                return task.name
    for role, name in TASK_OF_EXTRA.items():
        if role in roles:
            return name
    return "segment" if "proto" in roles else "detect" if {"box", "object"} & roles else "classify"


def _map_role(
    output: tuple[str, Shape], strides: Mapping[str, int], hints: Mapping[str, Hint], task: Literal[TaskName, ""]
) -> Role | None:
    """Return the role of an only output that gives every pixel a value; None where it is no such map."""
    name, _ = output
    if not strides[name]:
        return None
    of_task = TASKS[task].map_role if task else None
    return of_task or next((known.map_role for known in TASKS.values() if known.map_role == hints[name]), None)


def _stride(name: str, shape: Shape, size_wh: tuple[int, int]) -> int:
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        raise _unclear(f"output {name!r} is {shape}, expected (1, height, width, channels)")
    if shape[1] == shape[2] == 1:
        return 0  # pooled: a classifier's scores
    stride = size_wh[0] // shape[2]
    if stride * shape[2] != size_wh[0] or stride * shape[1] != size_wh[1]:
        raise _unclear(f"output {name!r} is {shape}, which is no NHWC grid of the input {size_wh[0]}x{size_wh[1]}")
    return stride


def _role_by_name(names: str) -> Hint:
    none: Hint = ""
    return next((role for role, pattern in NAME_PATTERNS if pattern.search(names)), none)


def _find_proto(shapes: Mapping[str, Shape], strides: Mapping[str, int], hints: Mapping[str, Hint]) -> str:
    """The prototypes: named so, or alone on a grid twice as fine as the finest that has several outputs."""
    named = [name for name in shapes if hints[name] == "proto"]
    if len(named) > 1:
        raise _unclear(f"outputs {', '.join(named)} all call themselves proto")
    if named:
        return named[0]
    counts = {s: sum(stride == s for stride in strides.values()) for s in strides.values()}
    several = [s for s, count in counts.items() if count >= 3]
    alone = [n for n in shapes if counts[strides[n]] == 1 and several and strides[n] * 2 == min(several)]
    return alone[0] if len(alone) == 1 else ""


def _read_group(
    group: Mapping[str, int],
    known: Mapping[str, Hint],
    stride: int,
    extra: Role | None,
    masks: int,
    num_classes: int | None,
) -> dict[str, Role]:
    """Return the roles of one stride's outputs (`group`: name -> channels): the only reading that fits."""
    readings = [
        reading
        for reading in _readings(list(group), extra, pooled=stride == 0)
        if all(known.get(n, reading[n]) in (reading[n], "extra") for n in group)
        and not any(known.get(n) == "extra" and reading[n] in ("box", "class") for n in group)
        and _fits(reading, group, masks, num_classes, named="box" in known.values())
    ]
    if len(readings) == 1:
        return readings[0]
    listed = ", ".join(f"{name!r} of {channels} channels" for name, channels in group.items())
    if not readings:
        raise _unclear(f"the outputs on stride {stride} ({listed}) are no head that edgekit knows")
    choices = " or ".join("/".join(reading[name] for name in group) for reading in readings)
    raise _unclear(f"the outputs on stride {stride} are ambiguous by name and shape: {listed} may be {choices}")


def _readings(names: list[str], extra: Role | None, *, pooled: bool) -> list[dict[str, Role]]:
    """List every assignment of roles to so many outputs."""
    if len(names) == 1:
        return [{names[0]: "class" if pooled else "object"}]
    kinds: list[tuple[Role, ...]] = [("box", "class")] if len(names) == 2 else []
    if len(names) == 3:
        extras: tuple[Role, ...] = (extra,) if extra else ("keypoint", "angle")
        kinds = [("box", "class", e) for e in extras]
    return [dict(zip(order, kind, strict=True)) for kind in kinds for order in permutations(names)]


def _fits(
    reading: Mapping[str, Role], channels: Mapping[str, int], masks: int, num_classes: int | None, *, named: bool
) -> bool:
    """Whether the channel counts allow this reading."""
    by_role = {role: channels[name] for name, role in reading.items()}
    box = by_role.get("box")
    if box is not None and (box % 4 if named else box not in BOX_CHANNELS):
        return False
    if num_classes is not None and by_role.get("class", num_classes) != num_classes:
        return False
    if "object" in by_role:  # three anchors of at least box, objectness and one class
        return by_role["object"] % 3 == 0 and by_role["object"] >= 18
    if "class" in by_role and len(by_role) == 1:
        return True
    keypoints = by_role.get("keypoint")
    return (
        by_role.get("mask", masks) == masks
        and by_role.get("angle", 1) == 1
        and (keypoints is None or (keypoints > 1 and (keypoints % 3 == 0 or keypoints % 2 == 0)))
    )


def _require_whole(heads: Sequence[HeadSpec]) -> None:
    """Raise ModelError unless every stride has the same kinds of outputs with the same channels, each once."""
    by_stride: dict[int, list[tuple[str, int]]] = {}
    for head in heads:
        if head.role != "proto":
            by_stride.setdefault(head.stride, []).append((head.role, head.channels))
    kinds = {stride: sorted(kind) for stride, kind in by_stride.items()}
    if len({tuple(kind) for kind in kinds.values()}) > 1:
        listed = "; ".join(f"stride {s}: " + ", ".join(f"{r} {c}" for r, c in kinds[s]) for s in sorted(kinds))
        raise _unclear(f"the strides do not have the same outputs ({listed})")
    if not kinds or any(len({r for r, _ in kind}) != len(kind) for kind in kinds.values()):
        raise _unclear("a role occurs twice on one stride, or there is no head at all")


def _unclear(reason: str) -> ModelError:
    return ModelError(f"the outputs cannot be told apart: {reason}", hint=HINT)
