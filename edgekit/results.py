"""What a model saw in one picture: columns, one row per object, in pixels of the original picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.ops.masks import InstanceMasks

MASK_FORMATS = ("rle", "polygons", "none")


@dataclass(frozen=True, slots=True)
class Detections:
    """n objects, best first.

    `boxes_xyxy` (n, 4) float32 pixels, `scores` (n,) float32, `class_ids` (n,) int32 into `names`;
    `size_wh` is the picture's, `device` says what computed it ("bpu", "sim", "onnxruntime"), and a simulated
    result always says so.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    names: tuple[str, ...]
    size_wh: tuple[int, int]
    device: str

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, shape in (("boxes_xyxy", (count, 4)), ("scores", (count,)), ("class_ids", (count,))):
            if getattr(self, name).shape != shape:
                raise ModelError(
                    f"{name} is {getattr(self, name).shape}, expected {shape}",
                    hint="give every column one row per object",
                )
        if count and not 0 <= int(self.class_ids.min()) <= int(self.class_ids.max()) < len(self.names):
            raise ModelError(
                f"class_ids span {self.class_ids.min()}..{self.class_ids.max()}, expected 0..{len(self.names) - 1}",
                hint="the sidecar's names do not fit the model; mend them or run edgekit cut again",
            )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def labels(self) -> list[str]:
        """The class name of every object."""
        return [self.names[i] for i in self.class_ids]

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Plain JSON values; `masks` is one of MASK_FORMATS and concerns results that have masks."""
        return {
            "device": self.device,
            "simulated": self.device != "bpu",
            "width": self.size_wh[0],
            "height": self.size_wh[1],
            "objects": [self._object(i, masks) for i in range(len(self))],
        }

    def draw(self, bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A copy of the picture (h, w, 3) uint8 with the objects drawn on it."""
        from edgekit.output.draw import draw_results

        return draw_results(bgr, self)

    def _object(self, index: int, masks: str) -> dict[str, Any]:
        return {
            "class_id": int(self.class_ids[index]),
            "name": self.names[self.class_ids[index]],
            "score": round(float(self.scores[index]), 6),
            "box_xyxy": [round(float(v), 3) for v in self.boxes_xyxy[index]],
        }


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


Results = Detections  # what every task's results are at least
