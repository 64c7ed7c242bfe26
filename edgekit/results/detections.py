"""Objects in an image, as columns: the results of detection, and the base of those of other tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.labels import class_color_bgr, coco_category_ids
from edgekit.ops.boxes import xyxy_to_ltwh
from edgekit.ops.draw import Color, draw_box
from edgekit.results.frame import Image, check_shape, finish_drawing, heading, import_library, start_drawing

MASK_FORMATS = ("rle", "polygons", "none")
NO_TRACK = -1  # the track id of a detection that belongs to no track
PER_IMAGE = ("names", "size_wh", "device")  # fields that are not one per object
D = TypeVar("D", bound="Detections")
Index = int | slice | Sequence[int] | npt.NDArray[np.bool_] | npt.NDArray[np.integer]
Layer = Callable[[Image, int], None]  # draws the object at an index


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """n objects, best first.

    >>> sure = results[results.scores > 0.5]
    >>> people = results[results.class_ids == 0]
    >>> for person in people:
    ...     print(person.labels, person.boxes_xyxy)

    Attributes:
        boxes_xyxy: (n, 4) float32 pixels of the original image.
        scores: (n,) float32, 0..1.
        class_ids: (n,) int32, into `names`.
        names: The model's classes.
        size_wh: The image's width and height.
        device: What computed it: "bpu", "sim", "onnxruntime", ...; a simulated result always says so.
        track_ids: (n,) int64, `NO_TRACK` without a track; None where nothing was tracked.
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
            check_shape(name, getattr(self, name), shape)
        if self.track_ids is not None:
            check_shape("track_ids", self.track_ids, (count,))
        ids = self.class_ids.tolist()
        if count and not 0 <= min(ids) <= max(ids) < len(self.names):
            raise ModelError(
                f"class_ids span {min(ids)}..{max(ids)}, expected 0..{len(self.names) - 1}",
                hint="the sidecar's names do not fit the model; fix them or run edgekit cut again",
            )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self: D, index: Index) -> D:
        """Return the objects that a mask, a slice or indices select; a single index gives results of one object."""
        return self.take(np.atleast_1d(np.arange(len(self))[index]))

    def __iter__(self: D) -> Iterator[D]:
        return (self[i] for i in range(len(self)))

    @property
    def labels(self) -> list[str]:
        """The class name of every object."""
        return [self.names[i] for i in self.class_ids]

    def take(self: D, index: npt.NDArray[np.intp]) -> D:
        """Return the objects at `index` (k,), in that order, with all that belongs to each."""
        columns = {name: getattr(self, name) for name in _columns(self)}
        return replace(self, **{name: column[index] for name, column in columns.items() if column is not None})

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Return plain JSON values; `masks` is one of `MASK_FORMATS` and concerns results that have masks."""
        return {**heading(self.device, self.size_wh), "objects": [self._row(i, masks) for i in range(len(self))]}

    def to_coco(self, image_id: int | str, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Return rows of a COCO results file, the format that pycocotools scores.

        Args:
            image_id: Of the image in the annotation file.
            category_ids: The annotation file's id of each class; None for `labels.coco_category_ids`.

        Returns:
            A row per object: image_id, category_id, bbox (left, top, width, height), score, and what the task adds:
            `segmentation` as RLE, `keypoints` (x, y, visibility flattened), or `rbox` (x, y, w, h, radians).
        """
        ids = category_ids or coco_category_ids(len(self.names))
        return [
            {
                "image_id": image_id,
                "category_id": int(ids[self.class_ids[index]]),
                "bbox": [round(float(v), 3) for v in box],
                "score": round(float(self.scores[index]), 6),
                **self._coco_values(index),
            }
            for index, box in enumerate(xyxy_to_ltwh(self.boxes_xyxy))
        ]

    def to_supervision(self) -> Any:
        """Return `supervision.Detections`; raises DeviceError if that library is not installed.

        Masks come as (n, height, width) booleans; rotated corners as data["xyxyxyxy"] (n, 4, 2), where its
        oriented-box annotator looks for them; key points as data["keypoints_xy"] and data["keypoints_visibility"].
        """
        return import_library("supervision").Detections(
            xyxy=self.boxes_xyxy,
            mask=self._mask_array(),
            confidence=self.scores,
            class_id=self.class_ids.astype(int),
            tracker_id=None if self.track_ids is None else self.track_ids.astype(int),
            data={"class_name": np.array(self.labels, dtype=str), **self._supervision_data()},
        )

    def to_ultralytics(self, bgr: Image, *, path: str = "") -> Any:
        """Return `ultralytics.engine.results.Results`; raises DeviceError if that library is not installed.

        Args:
            bgr: (h, w, 3) uint8, the image, which those results hold.
            path: Where it came from, for their messages.
        """
        torch, names = import_library("torch"), dict(enumerate(self.names))
        tensors = {key: torch.as_tensor(array) for key, array in self._ultralytics_columns().items()}
        return import_library("ultralytics.engine.results").Results(bgr, path, names, **tensors)

    def draw(self, bgr: Image) -> Image:
        """Return a copy of the image (h, w, 3) uint8 BGR with the objects on it; raises ImageError on another size."""
        image = start_drawing(bgr, self.size_wh)
        for layer in self._layers():
            for index in range(len(self) - 1, -1, -1):  # worst first, so that the best ends up on top
                layer(image, index)
        return finish_drawing(image, self.device)

    def caption(self, index: int) -> str:
        """Return what is written on an object: its track, class and score."""
        text = f"{self.names[self.class_ids[index]]} {self.scores[index]:.2f}"
        track_id = NO_TRACK if self.track_ids is None else int(self.track_ids[index])
        return text if track_id == NO_TRACK else f"#{track_id} {text}"

    def color_bgr(self, index: int) -> Color:
        """Return the color that an object is drawn in."""
        return class_color_bgr(int(self.class_ids[index]))

    # What other tasks add, per object or as columns:

    def _layers(self) -> tuple[Layer, ...]:
        """Return what is drawn per object, layer by layer: a layer of all objects lies under the next."""
        return (self._draw_box,)

    def _draw_box(self, image: Image, index: int) -> None:
        draw_box(image, self.boxes_xyxy[index], self.caption(index), self.color_bgr(index))

    def _row(self, index: int, masks: str) -> dict[str, Any]:
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

    def _coco_values(self, index: int) -> dict[str, Any]:
        return {}

    def _mask_array(self) -> npt.NDArray[np.bool_] | None:
        return None

    def _supervision_data(self) -> dict[str, Any]:
        return {}

    def _ultralytics_columns(self) -> dict[str, npt.NDArray[np.float32]]:
        return {"boxes": self._with_scores(self.boxes_xyxy)}

    def _with_scores(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return boxes (n, k) with the columns that Ultralytics appends: track id (if tracked), score, class id."""
        tracks = [] if self.track_ids is None else [self.track_ids]
        return np.column_stack([boxes, *tracks, self.scores, self.class_ids]).astype(np.float32)


def concatenate(parts: Sequence[D]) -> D:
    """Join results of one image, such as those of its tiles or of several models.

    Args:
        parts: At least one; all of the same class, with the same names, image size and device.

    Returns:
        Their objects in order, neither sorted nor suppressed.

    Raises:
        ModelError: They do not belong together.
    """
    kinds = {(type(part), part.names, part.size_wh, part.device, part.track_ids is None) for part in parts}
    if len(kinds) != 1:
        raise ModelError(
            f"results of {len(kinds)} kinds cannot be joined, expected the same class, names, image size, device "
            "and tracking",
            hint="join results of one model on one image",
        )
    columns = {name: [getattr(part, name) for part in parts] for name in _columns(parts[0])}
    return replace(parts[0], **{name: _joined(values) for name, values in columns.items()})


def _columns(results: Detections) -> list[str]:
    return [f.name for f in fields(results) if f.name not in PER_IMAGE]


def _joined(values: list[Any]) -> Any:
    if values[0] is None:
        return None
    return np.concatenate(values) if isinstance(values[0], np.ndarray) else values[0].concatenate(values)
