"""A compiled model on the board: its sidecar is held against what the library says, before the first frame."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from edgekit.decode.roles import infer_roles, task_of_heads
from edgekit.errors import ModelError, NoBoardLibrary
from edgekit.labels import COCO_NAMES
from edgekit.runtime.device import Device, TensorInfo
from edgekit.runtime.hbm import HbmDevice, import_hbm
from edgekit.runtime.pyeasy import PyeasyDevice, import_pyeasy
from edgekit.runtime.system import Board, check_march, read_board
from edgekit.spec import HEAD_DTYPES, HeadSpec, InputSpec, Layout, ModelSpec, Preprocess
from edgekit.text import check_choice

LIBRARIES = (PyeasyDevice, HbmDevice)  # in the order in which they are tried
SCALE_TOLERANCE = 1e-4  # relative: the library may hand scales on through other float formats
STALE_HINT = "put the sidecar of this very build beside the model, or compile again"


def open_board_device(path: Path, spec: ModelSpec | None) -> tuple[Device | None, list[str]]:
    """Open a model on the first board library that is installed.

    Args:
        path: The .bin.
        spec: Its sidecar, if there is one.

    Returns:
        The device, or None without any library; and what each attempt failed with.

    Raises:
        DeviceError: A library is installed and cannot load the model, or the sidecar names another march than this
            board's: such a model would load and compute nonsense, or crash the library.
    """
    board = read_board()
    failures: list[str] = []
    for library in LIBRARIES:
        try:
            if spec is not None:
                check_march(spec, board, location=str(path))
            return library(path), failures
        except NoBoardLibrary as error:
            failures.append(error.message)
    return None, failures


def import_board_library() -> ModuleType:
    """Return the first board library that is installed; raises NoBoardLibrary with what each attempt failed with."""
    failures = []
    for find in (import_pyeasy, import_hbm):
        try:
            return find()
        except NoBoardLibrary as error:
            failures.append(error.message)
    raise NoBoardLibrary("; ".join(failures), hint="run it on the board, or --device sim elsewhere")


def fit_to_device(spec: ModelSpec, device: Device, *, location: str) -> ModelSpec:
    """Check that a sidecar describes the model on the device.

    Scales that the library does not report come from the sidecar; scales of another build are refused.

    Args:
        spec: The sidecar.
        device: The opened model.
        location: The model, for messages.

    Returns:
        `spec`.

    Raises:
        ModelError: Its inputs or outputs are not those of the device's model; names the first that is not.
    """
    inputs, outputs = ({t.name: t for t in side} for side in (device.inputs, device.outputs))
    for item in spec.inputs:
        if item.name not in inputs:
            raise _stale(f"{location} has the inputs {_names(inputs)}, its sidecar says {item.name!r}")
        _check_input(item, spec, inputs[item.name], location)
    for head in spec.outputs:
        if head.name not in outputs:
            raise _stale(f"{location} has the outputs {_names(outputs)}, its sidecar says {head.name!r}")
        _check_output(head, outputs[head.name], location, batch=spec.input.batch)
    return spec


def assume_spec(device: Device, *, location: str, board: Board | None = None) -> ModelSpec:
    """Describe a model without a sidecar by what the library alone reports of it.

    Args:
        device: The opened model.
        location: The model, for messages.
        board: The board; None to read it.

    Returns:
        The spec; its `notes` say what was assumed.

    Raises:
        ModelError: Names and shapes leave more than one reading, or the kind of input is not reported.
    """
    taken = device.inputs[0] if len(device.inputs) == 1 else None
    if taken is None or not taken.kind:
        raise ModelError(
            f"{location} has no sidecar, and its library does not say what its inputs ({_names(device.inputs)}) take",
            hint="put the sidecar that edgekit compile wrote beside the model",
        )
    layout: Layout = "NHWC" if taken.shape[3] in (1, 3) and taken.shape[1] not in (1, 3) else "NCHW"
    height, width = taken.shape[1:3] if layout == "NHWC" else taken.shape[2:]
    preprocess = Preprocess(width, height)
    heads = tuple(
        _head_as_stated(head, info)
        for head, info in zip(
            infer_roles([(t.name, t.shape) for t in device.outputs], preprocess.size_wh), device.outputs, strict=True
        )
    )
    if any(head.role == "object" for head in heads):
        raise ModelError(
            f"{location} has no sidecar, and names and shapes do not say its anchor boxes",
            hint="put the sidecar that edgekit compile wrote beside the model",
        )
    classes = next(h.channels for h in heads if h.role == "class")
    task = task_of_heads(heads)
    names = COCO_NAMES if classes == len(COCO_NAMES) else tuple(f"class {i}" for i in range(classes))
    roles = ", ".join(f"{h.name} {h.role} {h.stride}" for h in heads)
    points = next((h.channels // 3 for h in heads if h.role == "keypoint" and h.channels % 3 == 0), 0)
    return ModelSpec(
        task=task,
        names=names,
        input=InputSpec(taken.name, taken.kind, layout),
        preprocess=preprocess,
        outputs=heads,
        stage="bin",
        family="yolov8",
        reg_max=next((h.channels // 4 for h in heads if h.role == "box"), 1),
        keypoint_shape=(points, 3) if points else (),
        march=(board or read_board()).march,
        notes=(
            f"{location} has no sidecar; assumed by names and shapes: {task}, {roles}",
            "assumed: YOLOv8 formulas, letterbox with grey 114, full-range colours, "
            + ("COCO's class names" if names is COCO_NAMES else "numbered classes"),
        ),
    )


def _check_input(item: InputSpec, spec: ModelSpec, info: TensorInfo, location: str) -> None:
    if not item.is_image:
        if math.prod(info.shape) != math.prod(item.shape):
            raise _stale(f"{location} takes {info.shape} for {item.name!r}, its sidecar says {item.shape}")
        return
    sides = {info.shape[1:3], info.shape[2:]} if len(info.shape) == 4 else set()
    preprocess = spec.preprocess_of(item)
    if sides and (preprocess.height, preprocess.width) not in sides:
        size = f"{preprocess.width}x{preprocess.height}"
        raise _stale(f"{location} takes images of {info.shape}, its sidecar says {size}")
    if sides and info.shape[0] != item.batch:
        raise _stale(f"{location} takes {info.shape[0]} images per call, its sidecar says {item.batch}")
    if info.kind and info.kind != item.kind and {info.kind, item.kind} & {"nv12", "gray"}:
        raise _stale(f"{location} takes {info.kind} images, its sidecar says {item.kind}")


def _check_output(head: HeadSpec, info: TensorInfo, location: str, *, batch: int = 1) -> None:
    shape = (batch, *head.shape[1:])
    if (info.shape, info.dtype) != (shape, head.dtype):
        expected = f"{shape} {head.dtype}"
        raise _stale(f"output {head.name!r} of {location} is {info.shape} {info.dtype}, its sidecar says {expected}")
    if info.scale and head.scale:
        scales = np.broadcast_to(np.asarray(head.scale), head.channels)
        stated = np.resize(np.asarray(info.scale), head.channels)  # one for all, or a list that was padded
        if not np.allclose(stated, scales, rtol=SCALE_TOLERANCE, atol=0):
            worst = int(np.argmax(np.abs(stated / scales - 1)))
            raise _stale(
                f"output {head.name!r} of {location} has scale {stated[worst]:.6g} in channel {worst}, "
                f"its sidecar says {scales[worst]:.6g}"
            )


def _head_as_stated(head: HeadSpec, info: TensorInfo) -> HeadSpec:
    if info.dtype == "float32":
        return head
    if not info.scale:
        raise ModelError(
            f"output {head.name!r} is {info.dtype} and neither the library nor a sidecar says its scale",
            hint="put the sidecar that edgekit compile wrote beside the model",
        )
    dtype = check_choice(
        info.dtype, HEAD_DTYPES, f"the dtype of output {head.name!r}", error=ModelError, hint=STALE_HINT
    )
    return replace(head, dtype=dtype, scale=info.scale, axis=len(info.shape) - 1)


def _names(tensors: object) -> str:
    return ", ".join(t if isinstance(t, str) else t.name for t in tensors) or "none"  # type: ignore[attr-defined]


def _stale(message: str) -> ModelError:
    return ModelError(message, hint=STALE_HINT)
