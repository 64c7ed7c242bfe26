"""The distance of every pixel: the results of depth estimation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError
from edgekit.ops.draw import DARK, draw_text
from edgekit.results.frame import Image, check_shape, finish_drawing, heading, import_library, start_drawing

__all__ = ["DepthMap"]

PNG_SCALE = 1000.0  # of a 16-bit PNG per metre: millimetres, as NYU and Ultralytics have them
FAR_PNG_SCALE = 100.0  # centimetres, where a depth lies beyond 65.535 m
LARGEST_CODE = 65535
DEPTH_OPACITY = 0.75
BAR_TICKS = 5
DRAWN_SHARE = (1.0, 99.0)  # percentiles between which colors run; single far pixels would leave the rest one color


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """The distance of every pixel of an image, in the model's unit: metres for Ultralytics' models.

    >>> near = results.depth < 2.0
    >>> results.depth[y, x]

    Attributes:
        depth: (height, width) float32.
        size_wh: The image's width and height.
        device: What computed it: "bpu", "sim", "onnxruntime", ...
    """

    depth: npt.NDArray[np.float32]
    size_wh: tuple[int, int]
    device: str

    def __post_init__(self) -> None:
        check_shape("depth", self.depth, (self.size_wh[1], self.size_wh[0]))

    def __len__(self) -> int:
        return 1  # one map of one image

    @property
    def png_scale(self) -> float:
        """What a depth is multiplied with in a 16-bit PNG."""
        largest = float(np.nanmax(self.depth, initial=0))
        return PNG_SCALE if not np.isfinite(largest) or largest * PNG_SCALE < LARGEST_CODE + 0.5 else FAR_PNG_SCALE

    def to_png16(self, scale: float | None = None) -> npt.NDArray[np.uint16]:
        """Return the map as the whole numbers of a 16-bit PNG.

        Args:
            scale: What depths are multiplied with; None for `png_scale`.

        Returns:
            (height, width) uint16; what lies beyond is 65535, and 0 what is no number.
        """
        codes = np.nan_to_num(self.depth * np.float32(scale or self.png_scale), nan=0.0, posinf=LARGEST_CODE, neginf=0)
        return np.rint(np.clip(codes, 0, LARGEST_CODE)).astype(np.uint16)

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Return plain JSON values: range, mean and median of the map; the map itself is a file of its own.

        Args:
            masks: For results that have masks.
        """
        finite = self.depth[np.isfinite(self.depth)]
        figures = (finite.min(), finite.max(), finite.mean(), np.median(finite)) if finite.size else (None,) * 4
        depth = {
            name: None if figure is None else round(float(figure), 4)
            for name, figure in zip(("min", "max", "mean", "median"), figures, strict=True)
        }
        return {**heading(self.device, self.size_wh), "depth": {**depth, "png_scale": self.png_scale}}

    def to_coco(self, image_id: int | str, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Raise ConfigError: a depth map holds no objects, which COCO's rows are of."""
        raise ConfigError("a depth map is no COCO rows, which are of objects", hint="use --maps png or npz")

    def to_supervision(self) -> Any:
        """Raise ConfigError: no class of that library holds a depth map."""
        import_library("supervision")
        raise ConfigError("a depth map has no form in supervision", hint="use results.depth")

    def to_ultralytics(self, bgr: Image, *, path: str = "") -> Any:
        """Raise ConfigError: use `depth`, which is what that library's maps hold.

        Args:
            bgr: (h, w, 3) uint8, the image.
            path: Where it came from.
        """
        raise ConfigError("a depth map has no conversion to Ultralytics' results", hint="use results.depth")

    @property
    def depth_range(self) -> tuple[float, float]:
        """The depths between which the colors of a drawing run."""
        return drawn_range(self.depth)

    def draw(self, bgr: Image, *, depth_range: tuple[float, float] | None = None) -> Image:
        """Return the map in colors over the image, near red and far blue, with a scale.

        Args:
            bgr: (h, w, 3) uint8, the image.
            depth_range: The depths of the first and the last color; None for the map's own.

        Returns:
            (h, w, 3) uint8 BGR.
        """
        image = start_drawing(bgr, self.size_wh)
        near, far = depth_range or self.depth_range
        tint = color_depth(self.depth, near, far)
        cv2.addWeighted(image, 1 - DEPTH_OPACITY, tint, DEPTH_OPACITY, 0, dst=image)
        _draw_scale(image, near, far)
        return finish_drawing(image, self.device)


def drawn_range(depth: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the depths between which the colors of a drawing run."""
    finite = depth[np.isfinite(depth)]
    if not finite.size:
        return 0.0, 1.0
    step = max(1, finite.size // 100_000)  # percentiles of so many are the same to the eye
    near, far = (float(v) for v in np.percentile(finite[::step], DRAWN_SHARE))
    return near, max(far, near + 1e-3)


def color_depth(depth: npt.NDArray[np.float32], near: float, far: float) -> Image:
    """Paint a map in colors from red (near) to blue (far), even steps in 1 / depth where all depths are above 0.

    Args:
        depth: (h, w) float32.
        near: The depth of the first color.
        far: The depth of the last color.

    Returns:
        (h, w, 3) uint8 BGR.
    """
    shares = (_inverse(depth, near) - _inverse(far, near)) / (_inverse(near, near) - _inverse(far, near))
    levels = np.nan_to_num(np.clip(shares * 255, 0, 255), nan=0.0).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), np.uint8)


def _inverse(depth: Any, near: float) -> Any:
    """Return what colors are even in: 1 / depth, as eyes and stereo cameras judge distance, or -depth near 0."""
    return 1 / np.maximum(depth, near) if near > 0 else -np.asarray(depth)


def _draw_scale(image: Image, near: float, far: float) -> None:
    """Draw, in place, a bar of the colors along the right edge, with depths beside it."""
    height, width = image.shape[:2]
    bar_w, top, bottom = max(6, width // 40), height // 10, height - height // 10
    right = width - max(2, width // 80)
    depths = _bar_depths(near, far, max(2, bottom - top))
    bar = color_depth(depths[:, None].astype(np.float32), near, far)
    part = image[top : top + len(bar), max(0, right - bar_w) : right]
    part[...] = bar
    for tick in range(BAR_TICKS):
        row = round(tick * (len(depths) - 1) / (BAR_TICKS - 1))
        text = f"{depths[row]:.1f}" if far < 100 else f"{depths[row]:.0f}"
        draw_text(image, text, (right - bar_w - 4 - _text_width(image, text), top + row + 8), DARK)


def _bar_depths(near: float, far: float, rows: int) -> npt.NDArray[np.float64]:
    """Return the depth of every row of the bar, far on top, even in color."""
    ends = _inverse(np.asarray([far, near]), near)
    evenly = np.linspace(float(ends[0]), float(ends[1]), rows)
    return np.asarray(1 / evenly if near > 0 else -evenly, np.float64)


def _text_width(image: Image, text: str) -> int:
    scale = max(0.4, min(image.shape[:2]) / 1200)
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]) + 4
