"""What a model saw in one image: columns, one row per object, in pixels of the original image."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.ops.masks import InstanceMasks
from edgekit.ops.rotated import rotated_corners

TOP_CLASSES = 5  # as classifiers are scored
OF_THE_WHOLE = ("names", "size_wh", "device")  # fields of results that are not one per object
MASK_FORMATS = ("rle", "polygons", "none")
D = TypeVar("D", bound="Detections")
NO_TRACK = -1  # the track id of a detection that belongs to no track


@dataclass(frozen=True, slots=True)
class Detections:
    """n objects, best first.

    `boxes_xyxy` (n, 4) float32 pixels, `scores` (n,) float32, `class_ids` (n,) int32 into `names`;
    `size_wh` is the image's, `device` says what computed it ("bpu", "sim", "onnxruntime"), and a simulated
    result always says so.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    names: tuple[str, ...]
    size_wh: tuple[int, int]
    device: str
    track_ids: npt.NDArray[np.int64] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, shape in (("boxes_xyxy", (count, 4)), ("scores", (count,)), ("class_ids", (count,))):
            _require_shape(name, getattr(self, name), shape)
        if self.track_ids is not None:
            _require_shape("track_ids", self.track_ids, (count,))
        ids = self.class_ids.tolist()
        if count and not 0 <= min(ids) <= max(ids) < len(self.names):
            raise ModelError(
                f"class_ids span {min(ids)}..{max(ids)}, expected 0..{len(self.names) - 1}",
                hint="the sidecar's names do not fit the model; fix them or run edgekit cut again",
            )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def labels(self) -> list[str]:
        """The class name of every object."""
        return [self.names[i] for i in self.class_ids]

    def take(self: D, index: npt.NDArray[np.intp]) -> D:
        """Return the objects at `index` (k,), in that order, with all that belongs to each."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in OF_THE_WHOLE}
        taken: dict[str, Any] = {
            name: column.take(index) if isinstance(column, InstanceMasks) else column[index]
            for name, column in columns.items()
            if column is not None
        }
        return replace(self, **taken)

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Plain JSON values; `masks` is one of MASK_FORMATS and concerns results that have masks."""
        objects = [self._object(i, masks) for i in range(len(self))]
        return {**_heading(self.device, self.size_wh), "objects": objects}

    def draw(self, bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A copy of the image (h, w, 3) uint8 with the objects drawn on it."""
        from edgekit.output.draw import draw_results

        return draw_results(bgr, self)

    def to_supervision(self) -> Any:
        """As `supervision.Detections`; raises DeviceError where that library is not installed."""
        from edgekit.output.supervision_adapter import to_supervision

        return to_supervision(self)

    def _object(self, index: int, masks: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "class_id": int(self.class_ids[index]),
            "name": self.names[self.class_ids[index]],
            "score": round(float(self.scores[index]), 6),
            "box_xyxy": [round(float(v), 3) for v in self.boxes_xyxy[index]],
        }
        if self.track_ids is None:
            return row
        track_id = int(self.track_ids[index])
        return {"track_id": None if track_id == NO_TRACK else track_id, **row}


@dataclass(frozen=True, slots=True)
class Segmentations(Detections):
    """Objects with a mask each: `masks[i]` is a boolean (height, width), computed when asked for."""

    masks: InstanceMasks

    def __post_init__(self) -> None:
        Detections.__post_init__(self)
        if len(self.masks) != len(self):
            raise ModelError(
                f"masks has {len(self.masks)} entries, expected {len(self)}", hint="give every object one mask"
            )

    def _object(self, index: int, masks: str) -> dict[str, Any]:
        row = Detections._object(self, index, masks)
        if masks == "rle":
            row["segmentation"] = self.masks.rle(index)
        elif masks == "polygons":
            row["segmentation"] = self.masks.polygons(index)
        return row


@dataclass(frozen=True, slots=True)
class Poses(Detections):
    """Objects with key points: `keypoints_xy` (n, points, 2) float32 pixels, unclipped, and how surely each is seen.

    `visibility` (n, points) float32 0..1; all ones where the model tells none.
    """

    keypoints_xy: npt.NDArray[np.float32]
    visibility: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        Detections.__post_init__(self)
        points = self.visibility.shape[1:]
        _require_shape("visibility", self.visibility, (len(self), *points[:1]))
        _require_shape("keypoints_xy", self.keypoints_xy, (len(self), *points, 2))

    def _object(self, index: int, masks: str) -> dict[str, Any]:
        points = np.concatenate([self.keypoints_xy[index], self.visibility[index][:, None]], axis=1)
        rounded = [[round(float(x), 2), round(float(y), 2), round(float(v), 4)] for x, y, v in points]
        return {**Detections._object(self, index, masks), "keypoints": rounded}


@dataclass(frozen=True, slots=True)
class RotatedDetections(Detections):
    """Rotated boxes: `boxes_xywhr` (n, 5) float32, centre, width >= height in pixels, angle in [0, pi) radians.

    Angles turn from the x axis towards the y axis, so clockwise on the screen; `boxes_xyxy` are the upright
    boxes around them, clipped to the image.
    """

    boxes_xywhr: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        Detections.__post_init__(self)
        _require_shape("boxes_xywhr", self.boxes_xywhr, (len(self), 5))

    @property
    def corners_xy(self) -> npt.NDArray[np.float32]:
        """The boxes' corners (n, 4, 2) in pixels, unclipped."""
        return rotated_corners(self.boxes_xywhr)

    def _object(self, index: int, masks: str) -> dict[str, Any]:
        rotated = [round(float(v), 4) for v in self.boxes_xywhr[index]]
        return {**Detections._object(self, index, masks), "box_xywhr": rotated}


@dataclass(frozen=True, slots=True)
class Classifications:
    """What a whole image shows: `probabilities` (classes,) float32 that add up to 1, in the order of `names`."""

    probabilities: npt.NDArray[np.float32]
    names: tuple[str, ...]
    size_wh: tuple[int, int]
    device: str

    def __post_init__(self) -> None:
        _require_shape("probabilities", self.probabilities, (len(self.names),))

    def __len__(self) -> int:
        return 1  # one verdict on one image

    def top(self, count: int = TOP_CLASSES) -> list[tuple[int, float]]:
        """The `count` most probable (class id, probability), best first."""
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(int(i), float(self.probabilities[i])) for i in best]

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Plain JSON values: the most probable classes; `masks` is for results that have them."""
        classes = [{"class_id": i, "name": self.names[i], "score": round(p, 6)} for i, p in self.top()]
        return {**_heading(self.device, self.size_wh), "classes": classes}

    def draw(self, bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A copy of the image (h, w, 3) uint8 with the most probable classes written on it."""
        from edgekit.output.draw import draw_results

        return draw_results(bgr, self)

    def to_supervision(self) -> Any:
        """As `supervision.Classifications`; raises DeviceError where that library is not installed."""
        from edgekit.output.supervision_adapter import to_supervision

        return to_supervision(self)


def _heading(device: str, size_wh: tuple[int, int]) -> dict[str, Any]:
    return {"device": device, "simulated": device != "bpu", "width": size_wh[0], "height": size_wh[1]}


def _require_shape(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ModelError(f"{name} is {array.shape}, expected {shape}", hint="give every column one row per object")


Results = Detections | Classifications  # what a decoder gives, by task
