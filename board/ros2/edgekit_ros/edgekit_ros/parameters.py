"""The node's parameters, with their defaults, as one checked value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from edgekit.errors import ConfigError
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.shapes import Shape, parse_line, parse_zone
from edgekit.tracking.tracker import Tracker

__all__ = ["TRANSPORTS", "Parameters", "declare_parameters"]

TRANSPORTS = ("raw", "compressed", "shared_mem")


@dataclass(frozen=True)
class Parameters:
    """What the node can be told; every field is a ROS parameter of that name.

    `image_topic` is subscribed to as `transport` says: raw (sensor_msgs/Image), compressed
    (sensor_msgs/CompressedImage) or shared_mem (hbm_img_msgs, of the type in `shared_mem_type`). `lines` and `zones`
    are written as for `edgekit run`. `frame_id` is that of images from shared memory, whose messages have none.
    """

    model: str = ""
    device: str = "auto"
    conf: float = 0.25
    iou: float = 0.7
    max_detections: int = 300
    image_topic: str = "/image_raw"
    transport: str = "raw"
    shared_mem_type: str = "HbmMsg1080P"
    track: bool = False
    camera_motion: bool = False
    lines: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    publish_masks: bool = True
    publish_image: bool = False
    frame_id: str = "camera"

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "the parameter model is empty, expected a .bin or bundle", hint="-p model:=/path/to/bundle"
            )
        if self.transport not in TRANSPORTS:
            raise ConfigError(
                f"the parameter transport is {self.transport!r}, expected one of {', '.join(TRANSPORTS)}",
                hint="shared_mem is what the board's camera node gives",
            )

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The lines and zones."""
        return (*map(parse_line, filter(None, self.lines)), *map(parse_zone, filter(None, self.zones)))

    @property
    def decoding_score(self) -> float:
        """The score down to which objects are decoded: low ones continue tracks."""
        return min(self.conf, TrackOptions().low_score) if self.tracked else self.conf

    @property
    def tracked(self) -> bool:
        """Whether objects are tracked: lines and zones need that."""
        return self.track or bool(self.shapes)

    def tracker(self) -> Tracker | None:
        """Return a tracker, where objects are tracked."""
        if not self.tracked:
            return None
        options = TrackOptions(high_score=self.conf)
        return Tracker(options, self.shapes, camera_motion=self.camera_motion, show_score=self.conf)


def declare_parameters(node: Any) -> Parameters:
    """Declare every parameter on a node and return their values; raises ConfigError for one that is none."""
    values: dict[str, Any] = {}
    for field in fields(Parameters):
        default = list(field.default) or [""] if isinstance(field.default, tuple) else field.default  # type: ignore[arg-type]
        value = node.declare_parameter(field.name, default).value
        values[field.name] = tuple(value) if isinstance(field.default, tuple) else value
    return Parameters(**values)
