"""YOLO families: one table row each, with the formulas in which their heads differ."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import ModelError


@dataclass(frozen=True, slots=True)
class Formulas:
    """What a family's raw numbers mean, where families differ.

    Attributes:
        keypoint_gain: Key point, in grid cells: raw * gain + cell center + shift.
        keypoint_shift: See `keypoint_gain`.
        raw_angle: Whether the angle head gives radians; otherwise they are (sigmoid(raw) - 1/4) * pi.
        anchors: Whether boxes are relative to anchor boxes.
    """

    keypoint_gain: float = 2.0
    keypoint_shift: float = -0.5
    raw_angle: bool = False
    anchors: bool = False


FAMILIES: dict[str, Formulas] = {
    "yolov8": Formulas(),  # first: what an unnamed anchor-free head is taken for
    "yolov5": Formulas(anchors=True),
    "yolov5u": Formulas(),
    "yolov9": Formulas(),
    "yolov10": Formulas(),
    "yolo11": Formulas(),
    "yolo12": Formulas(),
    "yolov13": Formulas(),
    "yolo26": Formulas(keypoint_gain=1.0, keypoint_shift=0.0, raw_angle=True),
}


def formulas(family: str) -> Formulas:
    """Return the formulas of `family` ("" is read as YOLOv8); raises ModelError for an unknown family."""
    try:
        return FAMILIES[family or "yolov8"]
    except KeyError:
        raise ModelError(
            f"family {family!r} is unknown, expected one of {', '.join(FAMILIES)}",
            hint="put the family whose formulas fit into the sidecar, or run edgekit cut on the stock ONNX",
        ) from None
