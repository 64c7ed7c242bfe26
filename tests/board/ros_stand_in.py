"""A stand-in for rclpy and the message packages: their names, and their checks of every field's type.

Messages of rosidl refuse values of another type when a field is set; so do these. Topics are lists.
"""

from __future__ import annotations

import array
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

UINT32 = 2**32 - 1


class Message:
    """Fields with types: a message class, int, float, str, bool, [class] for a sequence, or "bytes"."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    FIELDS: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        for name, kind in self.FIELDS.items():
            object.__setattr__(self, name, _default(kind))

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self.FIELDS, f"{type(self).__name__} has no field {name}"
        _check(value, self.FIELDS[name], f"{type(self).__name__}.{name}")
        object.__setattr__(self, name, value)


def _default(kind: Any) -> Any:
    if isinstance(kind, list):
        return []
    return array.array("B") if kind == "bytes" else kind()


def _check(value: Any, kind: Any, where: str) -> None:
    if isinstance(kind, list):
        assert isinstance(value, list) and all(isinstance(v, kind[0]) for v in value), where
    elif kind == "bytes":
        assert isinstance(value, array.array) and value.typecode == "B", f"{where}: slow, every byte is looked at"
    else:
        assert type(value) is kind, f"{where} is {type(value)}, expected {kind}"
        assert kind is not int or 0 <= value <= UINT32, where


def message(name: str, /, **fields: Any) -> type[Message]:
    return type(name, (Message,), {"FIELDS": fields})


Time = message("Time", sec=int, nanosec=int)
Header = message("Header", stamp=Time, frame_id=str)
Point2D = message("Point2D", x=float, y=float)
Pose2D = message("Pose2D", position=Point2D, theta=float)
BoundingBox2D = message("BoundingBox2D", center=Pose2D, size_x=float, size_y=float)
ObjectHypothesis = message("ObjectHypothesis", class_id=str, score=float)
ObjectHypothesisWithPose = message("ObjectHypothesisWithPose", hypothesis=ObjectHypothesis)
Detection2D = message("Detection2D", header=Header, results=[ObjectHypothesisWithPose], bbox=BoundingBox2D, id=str)
Image = message("Image", header=Header, height=int, width=int, encoding=str, is_bigendian=int, step=int, data="bytes")
PointField = message("PointField", name=str, offset=int, datatype=int, count=int)

PACKAGES: dict[str, dict[str, type[Message]]] = {
    "std_msgs": {"Header": Header, "String": message("String", data=str)},
    "sensor_msgs": {
        "Image": Image,
        "CompressedImage": message("CompressedImage", header=Header, format=str, data="bytes"),
        "PointField": PointField,
        "PointCloud2": message(
            "PointCloud2",
            header=Header,
            height=int,
            width=int,
            fields=[PointField],
            is_bigendian=bool,
            point_step=int,
            row_step=int,
            data="bytes",
            is_dense=bool,
        ),
    },
    "vision_msgs": {
        "Detection2D": Detection2D,
        "Detection2DArray": message("Detection2DArray", header=Header, detections=[Detection2D]),
        "ObjectHypothesis": ObjectHypothesis,
        "ObjectHypothesisWithPose": ObjectHypothesisWithPose,
        "Classification": message("Classification", header=Header, results=[ObjectHypothesis]),
    },
    "hbm_img_msgs": {
        "HbmMsg1080P": message(
            "HbmMsg1080P",
            index=int,
            time_stamp=Time,
            encoding="bytes",
            height=int,
            width=int,
            data_size=int,
            step=int,
            data="bytes",
        )
    },
}


class Node:
    """As much of rclpy's node as a publisher and subscriber uses; `parameters` are what the user sets."""

    def __init__(self, name: str, parameters: dict[str, Any] | None = None) -> None:
        self.name, self.given = name, parameters or {}
        self.declared: dict[str, Any] = {}
        self.topics: dict[str, list[Message]] = {}
        self.subscriptions: dict[str, tuple[type[Message], Any, Any]] = {}
        self.logged: list[tuple[str, str]] = []
        self.viewers = 0
        self.destroyed = False

    def declare_parameter(self, name: str, default: Any) -> SimpleNamespace:
        assert name not in self.declared, f"{name} is declared twice"
        assert not isinstance(default, list) or default, "rclpy cannot tell the type of an empty list"
        value = self.given.get(name, default)
        assert type(value) is type(default), f"{name} is {type(value)}, declared as {type(default)}"
        self.declared[name] = value
        return SimpleNamespace(value=value)

    def create_publisher(self, kind: type[Message], topic: str, qos: Any) -> SimpleNamespace:
        sent = self.topics.setdefault(topic, [])

        def publish(message: Message) -> None:
            assert type(message) is kind, f"{topic} is of {kind}, got {type(message)}"
            sent.append(message)

        return SimpleNamespace(publish=publish, get_subscription_count=lambda: self.viewers)

    def create_subscription(self, kind: type[Message], topic: str, callback: Any, qos: Any) -> object:
        self.subscriptions[topic] = (kind, callback, qos)
        return object()

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(
            **{
                level: lambda text, level=level: self.logged.append((level, text))
                for level in ("info", "error", "fatal")
            }
        )

    def get_clock(self) -> SimpleNamespace:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))

    def destroy_node(self) -> None:
        self.destroyed = True


def install(monkeypatch: pytest.MonkeyPatch, *, without: str = "") -> ModuleType:
    """Put the stand-ins where they are imported from; returns rclpy, whose `nodes` are those that were created.

    `rclpy.parameters` are those of the next node, and `rclpy.on_spin` is called with it in place of waiting.
    """
    for package, types in PACKAGES.items():
        inner = ModuleType(f"{package}.msg")
        inner.__dict__.update(types)
        absent = package == without
        monkeypatch.setitem(sys.modules, package, None if absent else ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.msg", None if absent else inner)
    rclpy, qos = ModuleType("rclpy"), ModuleType("rclpy.qos")
    qos.qos_profile_sensor_data = "sensor data"  # type: ignore[attr-defined]
    state: dict[str, Any] = {"up": False}

    def create_node(name: str) -> Node:
        assert state["up"], "rclpy.init was not called"
        rclpy.nodes.append(Node(name, rclpy.parameters))  # type: ignore[attr-defined]
        return rclpy.nodes[-1]  # type: ignore[attr-defined]

    rclpy.__dict__.update(
        nodes=[],
        parameters={},
        on_spin=lambda node: None,
        init=lambda args=None: state.update(up=True),
        create_node=create_node,
        spin=lambda node: rclpy.on_spin(node),
        try_shutdown=lambda: state.update(up=False),
    )
    monkeypatch.setitem(sys.modules, "rclpy", rclpy)
    monkeypatch.setitem(sys.modules, "rclpy.qos", qos)
    return rclpy
