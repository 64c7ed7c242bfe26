"""Image messages as frames: sensor_msgs/Image, sensor_msgs/CompressedImage, and NV12 of the board's shared memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.ops.image_header import image_size
from edgekit.ops.nv12 import nv12_to_bgr
from edgekit.preprocess import ColorRange

__all__ = ["MAX_PIXELS", "RosFrame", "frame_of_compressed", "frame_of_image", "frame_of_shared_memory"]

CHANNELS = {"bgr8": 3, "rgb8": 3, "bgra8": 4, "rgba8": 4, "mono8": 1, "8UC3": 3, "8UC1": 1}
TO_BGR = {
    "rgb8": cv2.COLOR_RGB2BGR,
    "bgra8": cv2.COLOR_BGRA2BGR,
    "rgba8": cv2.COLOR_RGBA2BGR,
    "mono8": cv2.COLOR_GRAY2BGR,
    "8UC1": cv2.COLOR_GRAY2BGR,
}
NV12_NAMES = ("nv12", "NV12", "yuv420sp")
MAX_PIXELS = 1 << 26
CAMERA_RANGE: ColorRange = "studio"  # of the board's cameras: not verified on a board, the video standard's usual one

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RosFrame:
    """An image with the header of its message: `pixels` is BGR (h, w, 3), or flat NV12 where `is_nv12`."""

    header: Any
    pixels: Bytes
    size_wh: tuple[int, int]
    is_nv12: bool = False

    def bgr(self) -> Bytes:
        """Return the image (h, w, 3) uint8 BGR; an NV12 frame is converted."""
        return nv12_to_bgr(self.pixels, self.size_wh, color_range=CAMERA_RANGE) if self.is_nv12 else self.pixels


def frame_of_image(message: Any) -> RosFrame:
    """Return the frame of a sensor_msgs/Image; raises ImageError for an encoding or a size that is none."""
    size_wh = _size_of(message)
    data = np.frombuffer(message.data, np.uint8)
    if message.encoding in NV12_NAMES:
        return RosFrame(message.header, _nv12_of(data, size_wh, int(message.step) or size_wh[0]), size_wh, True)
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise ImageError(
            f"the image's encoding is {str(message.encoding)[:40]!r}, expected nv12 or one of {', '.join(CHANNELS)}",
            hint="let the camera node publish bgr8 or nv12",
        )
    row_bytes = size_wh[0] * channels
    rows = _rows_of(data, size_wh[1], row_bytes, int(message.step) or row_bytes)
    image = rows.reshape(size_wh[1], size_wh[0], channels)
    conversion = TO_BGR.get(message.encoding)
    bgr = image if conversion is None else cv2.cvtColor(image, conversion)
    return RosFrame(message.header, np.ascontiguousarray(bgr, np.uint8), size_wh)


def frame_of_compressed(message: Any) -> RosFrame:
    """Return the frame of a sensor_msgs/CompressedImage (JPEG or PNG); raises ImageError where it is none."""
    data = bytes(message.data)
    size = image_size(data)
    if size is None or size[0] * size[1] > MAX_PIXELS:
        raise ImageError(f"a compressed image of {len(data)} bytes has no usable size", hint="check the camera node")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"a compressed image cannot be decoded ({error})", hint="check the camera node") from error
    if bgr is None:
        raise ImageError(f"a compressed image of {len(data)} bytes cannot be decoded", hint="check the camera node")
    return RosFrame(message.header, np.asarray(bgr, np.uint8), (bgr.shape[1], bgr.shape[0]))


def frame_of_shared_memory(message: Any, header: Any) -> RosFrame:
    """Return the frame of an hbm_img_msgs message, whose array is longer than the frame in it.

    Args:
        message: With height, width, encoding (bytes, filled up with 0), data_size and data.
        header: A std_msgs/Header for it: such messages have a time alone.

    Raises:
        ImageError: Where it is no NV12, or its sizes contradict each other.
    """
    size_wh = _size_of(message)
    encoding = bytes(message.encoding).split(b"\0")[0].decode("ascii", "replace")
    if encoding not in NV12_NAMES:
        raise ImageError(f"a shared-memory image is {encoding!r}, expected nv12", hint="set the camera node to nv12")
    data = np.frombuffer(message.data, np.uint8)
    used = data[: min(len(data), int(message.data_size))]
    return RosFrame(header, _nv12_of(used, size_wh, int(message.step) or size_wh[0]), size_wh, True)


def _size_of(message: Any) -> tuple[int, int]:
    width, height = int(message.width), int(message.height)
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise ImageError(f"an image message says {width}x{height} pixels", hint="check the camera node")
    return width, height


def _nv12_of(data: Bytes, size_wh: tuple[int, int], step: int) -> Bytes:
    """Return a packed copy: shared memory is the camera's again when the callback ends."""
    width, height = size_wh
    if width % 2 or height % 2:
        raise ImageError(f"an NV12 image of {width}x{height} has an odd side", hint="check the camera node")
    return _rows_of(data, height * 3 // 2, width, step).reshape(-1)


def _rows_of(data: Bytes, rows: int, row_bytes: int, step: int) -> Bytes:
    """Return a copy (rows, row_bytes) of rows that begin `step` bytes apart."""
    needed = step * (rows - 1) + row_bytes
    if step < row_bytes or len(data) < needed:
        raise ImageError(
            f"an image message has {len(data)} bytes and rows of {step}, expected {needed} or more in rows of "
            f"{row_bytes} or more",
            hint="check the camera node",
        )
    whole = np.zeros((rows, row_bytes), np.uint8)
    if len(data) >= step * rows:
        whole[...] = data[: step * rows].reshape(rows, step)[:, :row_bytes]
    else:  # the last row is not filled up
        whole[:-1] = data[: step * (rows - 1)].reshape(rows - 1, step)[:, :row_bytes]
        whole[-1] = data[step * (rows - 1) : needed]
    return whole
