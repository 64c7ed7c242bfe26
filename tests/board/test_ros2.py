"""The ROS 2 node on a stand-in of rclpy and the message types: every transport, every task, what goes wrong."""

from __future__ import annotations

import array
import ast
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from edgekit.errors import ConfigError, DeviceError, ImageError
from edgekit.files import write_bytes
from edgekit.ops.yuv import bgr_to_nv12
from edgekit.spec import DepthFormula, HeadSpec, ModelSpec, TaskName, save_spec
from tests.board import ros_stand_in as ros
from tests.conftest import ROOT
from tests.decode.scenes import make_spec
from tests.runtime.fake_vendor import fake_pyeasy
from tests.runtime.test_board_devices import NV12
from tests.typed import as_image

PACKAGE = ROOT / "board" / "ros2" / "edgekit_ros"
WIDTH, HEIGHT = 128, 72
IMAGE = as_image(cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (WIDTH, HEIGHT)))


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PACKAGE))


@pytest.fixture
def rclpy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return ros.install(monkeypatch)


def stamp(seconds: int) -> Any:
    time_stamp = ros.Time()
    time_stamp.sec = seconds
    return time_stamp


def image_message(pixels: np.ndarray, encoding: str, *, step: int = 0, seconds: int = 7) -> Any:
    message = ros.Image()
    message.header.stamp, message.header.frame_id = stamp(seconds), "front"
    message.height, message.width, message.encoding = HEIGHT, WIDTH, encoding
    message.step = step
    message.data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    return message


def padded(rows: np.ndarray, step: int) -> np.ndarray:
    whole = np.full((len(rows), step), 99, np.uint8)
    whole[:, : rows.shape[1]] = rows
    return whole.reshape(-1)


ENCODED: dict[str, Callable[[], np.ndarray]] = {
    "bgr8": lambda: IMAGE,
    "rgb8": lambda: cv2.cvtColor(IMAGE, cv2.COLOR_BGR2RGB),
    "bgra8": lambda: cv2.cvtColor(IMAGE, cv2.COLOR_BGR2BGRA),
    "rgba8": lambda: cv2.cvtColor(IMAGE, cv2.COLOR_BGR2RGBA),
}


@pytest.mark.parametrize("extra", [0, 5])
@pytest.mark.parametrize("encoding", ENCODED)
def test_images_of_any_order_and_step(encoding: str, extra: int) -> None:
    from edgekit_ros.frames import frame_of_image

    pixels = ENCODED[encoding]()
    step = pixels.shape[1] * pixels.shape[2] + extra
    frame = frame_of_image(image_message(padded(pixels.reshape(HEIGHT, -1), step), encoding, step=step))
    np.testing.assert_array_equal(frame.bgr(), IMAGE)
    assert (frame.size_wh, frame.header.frame_id) == ((WIDTH, HEIGHT), "front")


def test_nv12_stays_nv12() -> None:
    from edgekit_ros.frames import frame_of_image

    nv12 = bgr_to_nv12(IMAGE)
    for step in (0, WIDTH, WIDTH + 32):
        data = nv12 if step <= WIDTH else padded(nv12.reshape(-1, WIDTH), step)
        frame = frame_of_image(image_message(data, "nv12", step=step))
        assert frame.is_nv12
        np.testing.assert_array_equal(frame.pixels, nv12)


def shared_message(nv12: np.ndarray, *, encoding: bytes = b"nv12") -> Any:
    message = ros.PACKAGES["hbm_img_msgs"]["HbmMsg1080P"]()
    message.height, message.width, message.step, message.data_size = HEIGHT, WIDTH, WIDTH, len(nv12)
    message.encoding = array.array("B", encoding.ljust(12, b"\0"))
    message.time_stamp = stamp(3)
    message.data = array.array("B", nv12.tobytes() + bytes(5000))  # the array has one size for all images
    return message


def test_shared_memory_is_copied() -> None:
    from edgekit_ros.frames import frame_of_shared_memory

    message = shared_message(bgr_to_nv12(IMAGE))
    frame = frame_of_shared_memory(message, ros.Header())
    for index in range(100):
        message.data[index] = 0  # the camera writes the next image there
    np.testing.assert_array_equal(frame.pixels, bgr_to_nv12(IMAGE))
    assert np.abs(frame.bgr().astype(int) - IMAGE).mean() < 20


def test_compressed_images() -> None:
    from edgekit_ros.frames import frame_of_compressed

    message = ros.PACKAGES["sensor_msgs"]["CompressedImage"]()
    message.data = array.array("B", cv2.imencode(".png", IMAGE)[1].tobytes())
    np.testing.assert_array_equal(frame_of_compressed(message).bgr(), IMAGE)
    for junk in (b"", b"junk" * 9, cv2.imencode(".jpg", IMAGE)[1].tobytes()[:40]):
        message.data = array.array("B", junk)
        with pytest.raises(ImageError):
            frame_of_compressed(message)


def test_messages_that_contradict_themselves_are_refused() -> None:
    from edgekit_ros.frames import frame_of_image, frame_of_shared_memory

    def changed(**fields: Any) -> Any:
        message = image_message(IMAGE, "bgr8")
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    for fields, expected in (
        ({"encoding": "bayer_rggb8"}, "encoding is 'bayer_rggb8'"),
        ({"width": 0}, "says 0x72"),
        ({"width": 2**31, "height": 2**31}, "pixels"),
        ({"height": HEIGHT + 1}, "expected"),
        ({"step": 10}, "rows of 10"),
        ({"data": array.array("B")}, "has 0 bytes"),
        ({"encoding": "nv12", "width": WIDTH - 1}, "odd side"),
    ):
        with pytest.raises(ImageError, match=expected):
            frame_of_image(changed(**fields))
    with pytest.raises(ImageError, match="is 'jpeg', expected nv12"):
        frame_of_shared_memory(shared_message(bgr_to_nv12(IMAGE), encoding=b"jpeg"), ros.Header())
    short = shared_message(bgr_to_nv12(IMAGE))
    short.data_size = 100
    with pytest.raises(ImageError, match="has 100 bytes"):
        frame_of_shared_memory(short, ros.Header())


def put_model(folder: Path, monkeypatch: pytest.MonkeyPatch, spec: ModelSpec) -> Path:
    """A .bin with its sidecar, and the board's library that runs it."""
    write_bytes(folder / "model.bin", b"\x00HBM")
    save_spec(folder / "model.json", spec)
    monkeypatch.setitem(sys.modules, "hobot_dnn", ModuleType("hobot_dnn"))
    monkeypatch.setitem(sys.modules, "hobot_dnn.pyeasy_dnn", fake_pyeasy(spec))
    return folder / "model.bin"


def nv12_spec(task: TaskName) -> ModelSpec:
    spec = make_spec(task=task, dtype="int32")
    if task == "pose":
        heads = [
            replace(h, name=f"points_{h.stride}", role="keypoint", shape=(*h.shape[:3], 6), scale=(0.01,) * 6)
            for h in spec.outputs
            if h.role == "class"
        ]
        spec = replace(spec, outputs=(*spec.outputs, *heads), keypoint_shape=(2, 3))
    return replace(spec, stage="bin", march="bayes-e", input=replace(spec.input, kind="nv12"))


def run_node(rclpy: ModuleType, messages: list[Any], **parameters: Any) -> tuple[int, ros.Node]:
    """`main` with these parameters and images, each waited for; its exit code and node."""
    from edgekit_ros import node as module

    def spin(node: ros.Node) -> None:
        ((_, callback, qos),) = node.subscriptions.values()
        assert qos == "sensor data"
        for count, message in enumerate(messages, start=1):
            callback(message)
            wait_for(lambda: results_of(node) >= count or len(node.logged) > 0)  # noqa: B023
        raise KeyboardInterrupt  # as Ctrl-C ends it

    rclpy.parameters, rclpy.on_spin = parameters, spin  # type: ignore[attr-defined]
    code = module.main([])
    return code, rclpy.nodes[-1]  # type: ignore[attr-defined]


def results_of(node: ros.Node) -> int:
    """Frames whose last message is there: image comes last where it is asked for."""
    topic = next((t for t in ("~/image", "~/keypoints", "~/masks", "~/depth", "~/detections") if t in node.topics), "")
    return len(node.topics.get(topic, ()))


def wait_for(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_shared_memory_to_detections_masks_and_an_image(
    rclpy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = put_model(tmp_path, monkeypatch, nv12_spec("segment"))
    original = ros.Node.__init__

    def with_viewer(self: ros.Node, *args: Any) -> None:
        original(self, *args)
        self.viewers = 1

    monkeypatch.setattr(ros.Node, "__init__", with_viewer)
    messages = [shared_message(bgr_to_nv12(IMAGE)) for _ in range(3)]
    options = {"transport": "shared_mem", "image_topic": "/hbmem_img", "publish_image": True, "frame_id": "mipi"}
    code, node = run_node(rclpy, messages, model=str(model), conf=0.2, **options)
    assert (code, node.destroyed, list(node.subscriptions)) == (0, True, ["/hbmem_img"])
    first = node.topics["~/detections"][0]
    assert (first.header.frame_id, first.header.stamp.sec) == ("mipi", 3)
    assert len(first.detections) > 0
    best = first.detections[0]
    assert best.results[0].hypothesis.class_id in nv12_spec("segment").names
    assert 0.2 < best.results[0].hypothesis.score <= 1
    box = best.bbox
    assert 0 <= box.center.position.x - box.size_x / 2 <= box.center.position.x + box.size_x / 2 <= WIDTH
    masks = node.topics["~/masks"][0]
    labels = np.frombuffer(masks.data, np.uint8).reshape(masks.height, masks.step)
    assert (masks.encoding, labels.shape) == ("mono8", (HEIGHT, WIDTH))
    assert labels.max() <= len(first.detections)
    drawn = node.topics["~/image"][0]
    assert (drawn.encoding, drawn.step, len(drawn.data)) == ("bgr8", 3 * WIDTH, 3 * WIDTH * HEIGHT)


def test_key_points_are_a_cloud(rclpy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = nv12_spec("pose")
    code, node = run_node(
        rclpy, [image_message(IMAGE, "bgr8")], model=str(put_model(tmp_path, monkeypatch, spec)), conf=0.2
    )
    assert code == 0, node.logged
    (cloud,), (found,) = node.topics["~/keypoints"], node.topics["~/detections"]
    points = np.frombuffer(cloud.data, "<f4").reshape(cloud.height, cloud.width, 3)
    assert points.shape[:2] == (len(found.detections), spec.keypoint_shape[0])
    assert [(f.name, f.offset) for f in cloud.fields] == [("x", 0), ("y", 4), ("visibility", 8)]
    assert cloud.row_step == cloud.point_step * cloud.width
    assert ((points[..., 2] >= 0) & (points[..., 2] <= 1)).all()


def test_tracks_and_events(rclpy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = put_model(tmp_path, monkeypatch, nv12_spec("detect"))
    zone = ["all=-999,-999,999,-999,999,999,-999,999"]
    messages = [image_message(IMAGE, "bgr8", seconds=n) for n in range(3)]
    code, node = run_node(rclpy, messages, model=str(model), conf=0.2, zones=zone)
    assert code == 0
    ids = [[d.id for d in m.detections] for m in node.topics["~/detections"]]
    numbers = [i for i in ids[2] if i]  # what scores too low to begin a track has none
    assert ids[0] == ids[2] and len(set(numbers)) == len(numbers) > 3
    events = [json.loads(m.data) for m in node.topics["~/events"]]
    assert {str(e["track_id"]) for e in events} == set(numbers)
    assert {e["direction"] for e in events} == {"enter"}


def test_a_message_that_is_no_image_is_logged_and_passed_over(
    rclpy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = [image_message(IMAGE, "bayer") for _ in range(4)]
    code, node = run_node(rclpy, bad, model=str(put_model(tmp_path, monkeypatch, NV12)))
    assert code == 0
    assert [level for level, text in node.logged if "encoding is 'bayer'" in text] == ["error"]  # once, not with each


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "the parameter model is empty"),
        ({"model": "none.bin"}, "none.bin does not exist"),
        ({"model": "m", "transport": "zero copy"}, "the parameter transport is 'zero copy'"),
        ({"model": "m", "lines": ["door"]}, "line 'door' is not understood"),
    ],
)
def test_mistakes_in_parameters_are_two_lines_of_the_log(
    rclpy: ModuleType, parameters: dict[str, Any], message: str
) -> None:
    code, node = run_node(rclpy, [], **parameters)
    assert (code, node.destroyed) == (2, True)
    assert [level for level, _ in node.logged] == ["fatal", "fatal"]
    assert message in node.logged[0][1] and node.logged[1][1].startswith("hint: ")


def test_a_message_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgekit_ros.messages import load_messages

    ros.install(monkeypatch, without="vision_msgs")
    with pytest.raises(DeviceError, match="the ROS package vision_msgs is not here") as refused:
        load_messages()
    assert "apt install ros-humble-vision-msgs" in refused.value.hint


def test_shared_memory_elsewhere_than_on_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rclpy = ros.install(monkeypatch, without="hbm_img_msgs")
    model = put_model(tmp_path, monkeypatch, NV12)
    code, node = run_node(rclpy, [], model=str(model), transport="shared_mem")
    assert code == 2 and "the type hbm_img_msgs/HbmMsg1080P is not here" in node.logged[0][1]


def test_the_newest_frame_is_kept_and_order_too() -> None:
    from edgekit_ros.frames import RosFrame
    from edgekit_ros.worker import Worker

    from tests.runtime.live_parts import CountingDevice, session_on

    order, errors = [], []
    worker = Worker(
        session_on(CountingDevice(delay_s=0.002, fails=lambda call: call == 3)),
        lambda frame, results: order.append(frame.header),
        errors.append,
    )
    for number in range(40):
        worker.put(RosFrame(number, np.zeros((64, 96, 3), np.uint8), (96, 64)))
        if number % 5 == 0:
            time.sleep(0.01)
    wait_for(lambda: worker.counts.done + worker.counts.failed + worker.counts.dropped == 40)
    worker.close()
    assert order == sorted(order) and order[-1] == 39
    assert worker.counts.received == 40 and errors == ["call 3 failed"]


def test_parameters_are_checked_values() -> None:
    from edgekit_ros.parameters import Parameters, declare_parameters

    declared = declare_parameters(ros.Node("n", {"model": "m.bin", "conf": 0.4}))
    assert declared == Parameters(model="m.bin", conf=0.4, lines=("",), zones=("",))
    assert declared.shapes == () and declared.tracker() is None and declared.decoding_score == 0.4
    tracked = Parameters(model="m.bin", lines=("a=0,0,1,1",))
    assert tracked.tracked and tracked.decoding_score == 0.1
    with pytest.raises(ConfigError):
        Parameters()


def test_the_package_is_one_that_colcon_builds() -> None:
    """Names agree, and the launch file says what a node's parameters are called."""
    from edgekit_ros.parameters import Parameters

    assert (PACKAGE / "resource" / "edgekit_ros").exists()
    assert "<name>edgekit_ros</name>" in (PACKAGE / "package.xml").read_text()
    setup = (PACKAGE / "setup.py").read_text()
    assert 'f"detect = {NAME}.node:main"' in setup and 'NAME = "edgekit_ros"' in setup
    tree = ast.parse((PACKAGE / "launch" / "detect.launch.py").read_text())
    (arguments,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "ARGUMENTS"  # type: ignore[attr-defined]
    )
    assert set(ast.literal_eval(arguments)) <= set(Parameters.__dataclass_fields__)


@pytest.mark.parametrize("task", ["semantic", "depth"])
def test_maps_are_images(rclpy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: TaskName) -> None:
    head = HeadSpec("map_8", "class" if task == "semantic" else "depth", (1, 8, 12, 3 if task == "semantic" else 1), 8)
    formula = DepthFormula("exp", high=50.0) if task == "depth" else None
    names = ("road", "sky", "tree") if task == "semantic" else ("depth",)
    spec = replace(nv12_spec("classify"), task=task, names=names, outputs=(head,), depth=formula)
    model = put_model(tmp_path, monkeypatch, spec)
    code, node = run_node(rclpy, [image_message(IMAGE, "bgr8")], model=str(model))
    assert code == 0, node.logged
    assert "~/detections" not in node.topics
    (message,) = node.topics["~/masks" if task == "semantic" else "~/depth"]
    encoding, dtype = ("mono8", np.uint8) if task == "semantic" else ("32FC1", np.float32)
    pixels = np.frombuffer(message.data, dtype).reshape(message.height, message.width)
    assert (message.encoding, pixels.shape, message.step) == (encoding, (HEIGHT, WIDTH), WIDTH * pixels.itemsize)
    assert float(pixels.max()) <= (2 if task == "semantic" else 50)
