"""Results as messages: vision_msgs for boxes and classes, an image for masks, a cloud for key points."""

from __future__ import annotations

import array
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError
from edgekit.results import NO_TRACK, Classifications, Detections, Poses, RotatedDetections, Segmentations, SemanticMap

__all__ = ["Messages", "load_messages"]

PACKAGES = ("vision_msgs", "sensor_msgs", "std_msgs")
FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32
POINT_FIELDS = ("x", "y", "visibility")
TINY_LABELS = 255  # objects that an 8-bit image of labels can tell apart


@dataclass(frozen=True)
class Messages:
    """The message types, and results made of them."""

    vision: Any
    sensor: Any
    std: Any

    def header(self, stamp: Any, frame_id: str) -> Any:
        """Return a std_msgs/Header."""
        header = self.std.Header()
        header.stamp, header.frame_id = stamp, frame_id
        return header

    def detections(self, results: Detections, header: Any) -> Any:
        """Return a vision_msgs/Detection2DArray.

        Centre and size are in pixels of the image, `theta` is the angle of rotated boxes; `class_id` is the class's
        name, and `id` the number of the track, empty without one.
        """
        message = self.vision.Detection2DArray()
        message.header = header
        message.detections = [self._detection(results, index, header) for index in range(len(results))]
        return message

    def classification(self, results: Classifications, header: Any) -> Any:
        """Return a vision_msgs/Classification with the most probable classes, the best first."""
        message = self.vision.Classification()
        message.header = header
        message.results = [self._hypothesis(results.names[i], score) for i, score in results.top()]
        return message

    def labels(self, results: Segmentations, header: Any) -> Any:
        """Return a sensor_msgs/Image of labels: 0 is background, n the n-th detection; mono8, mono16 for many."""
        width, height = results.size_wh
        wide = len(results) > TINY_LABELS
        image = np.zeros((height, width), np.uint16 if wide else np.uint8)
        for index in range(len(results) - 1, -1, -1):  # the best detection on top
            mask, (x, y) = results.masks.cropped(index)
            part = image[y : y + mask.shape[0], x : x + mask.shape[1]]
            part[mask] = index + 1
        return self.image(image, "mono16" if wide else "mono8", header)

    def class_map(self, results: SemanticMap, header: Any) -> Any:
        """Return a sensor_msgs/Image of class ids: mono8, mono16 for more than 256 classes."""
        return self.image(results.class_map, "mono8" if results.class_map.dtype == np.uint8 else "mono16", header)

    def image(self, pixels: npt.NDArray[Any], encoding: str, header: Any) -> Any:
        """Return a sensor_msgs/Image of contiguous pixels (h, w) or (h, w, 3)."""
        message = self.sensor.Image()
        message.header = header
        message.height, message.width = int(pixels.shape[0]), int(pixels.shape[1])
        message.encoding, message.is_bigendian = encoding, 0
        message.step = int(pixels.strides[0])
        message.data = _bytes(pixels)
        return message

    def keypoints(self, results: Poses, header: Any) -> Any:
        """Return a sensor_msgs/PointCloud2: a row per detection, a column per key point; x, y (pixels), visibility."""
        points = np.concatenate([results.keypoints_xy, results.visibility[..., None]], axis=2).astype("<f4")
        message = self.sensor.PointCloud2()
        message.header = header
        message.height, message.width = int(points.shape[0]), int(points.shape[1])
        message.fields = [self._field(name, 4 * place) for place, name in enumerate(POINT_FIELDS)]
        message.is_bigendian, message.is_dense = False, True
        message.point_step = 4 * len(POINT_FIELDS)
        message.row_step = message.point_step * message.width
        message.data = _bytes(points)
        return message

    def _detection(self, results: Detections, index: int, header: Any) -> Any:
        message = self.vision.Detection2D()
        message.header = header
        if isinstance(results, RotatedDetections):
            x, y, width, height, theta = (float(v) for v in results.boxes_xywhr[index])
        else:
            left, top, right, bottom = (float(v) for v in results.boxes_xyxy[index])
            x, y, width, height, theta = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 0.0
        message.bbox.center.position.x, message.bbox.center.position.y = x, y
        message.bbox.center.theta = theta
        message.bbox.size_x, message.bbox.size_y = width, height
        result = self.vision.ObjectHypothesisWithPose()
        result.hypothesis = self._hypothesis(results.labels[index], float(results.scores[index]))
        message.results = [result]
        track_id = NO_TRACK if results.track_ids is None else int(results.track_ids[index])
        message.id = "" if track_id == NO_TRACK else str(track_id)
        return message

    def _hypothesis(self, name: str, score: float) -> Any:
        hypothesis = self.vision.ObjectHypothesis()
        hypothesis.class_id, hypothesis.score = name, float(score)
        return hypothesis

    def _field(self, name: str, offset: int) -> Any:
        field = self.sensor.PointField()
        field.name, field.offset, field.datatype, field.count = name, offset, FLOAT32, 1
        return field


def load_messages() -> Messages:
    """Import the message packages; raises DeviceError naming the one that is not installed."""
    modules = []
    for package in PACKAGES:
        try:
            modules.append(importlib.import_module(f"{package}.msg"))
        except ImportError as error:
            raise DeviceError(
                f"the ROS package {package} is not here ({error})",
                hint=f"source ROS, and apt install ros-humble-{package.replace('_', '-')}",
            ) from error
    return Messages(*modules)


def _bytes(values: npt.NDArray[Any]) -> array.array[int]:
    """Return bytes as rclpy takes them without looking at each."""
    return array.array("B", np.ascontiguousarray(values).tobytes())
