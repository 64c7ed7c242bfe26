"""The node: subscribes to images, publishes what a model sees in them. `ros2 run edgekit_ros detect`."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from edgekit.errors import DeviceError, EdgekitError
from edgekit.output.draw_counts import draw_counts
from edgekit.results import Classifications, DepthMap, Detections, Poses, Results, Segmentations, SemanticMap
from edgekit.runtime.session import Session, load
from edgekit.tracking.counting import Event
from edgekit_ros.frames import RosFrame, frame_of_compressed, frame_of_image, frame_of_shared_memory
from edgekit_ros.messages import Messages, load_messages
from edgekit_ros.parameters import Parameters, declare_parameters
from edgekit_ros.worker import Worker

__all__ = ["DetectNode", "main"]

NODE_NAME = "edgekit"
ERROR_PERIOD_S = 5.0  # the same error is not logged with every frame


class DetectNode:
    """Wires a node of rclpy to a worker: topics, parameters, messages.

    Publishes, below the node's name: `detections` (vision_msgs/Detection2DArray) or `classification`
    (vision_msgs/Classification), `masks` (sensor_msgs/Image of labels, or of classes), `depth` (sensor_msgs/Image,
    32FC1), `keypoints` (sensor_msgs/PointCloud2), `events` (std_msgs/String with JSON, at lines and zones) and `image`
    (annotated, on demand).
    """

    def __init__(self, node: Any, parameters: Parameters, session: Session, messages: Messages, qos: Any) -> None:
        """Subscribe and advertise.

        Args:
            node: An rclpy node.
            parameters: Its parameters.
            session: The model.
            messages: The message types.
            qos: Of the images: best effort, as cameras publish.
        """
        self._node, self._parameters, self._messages, self._session = node, parameters, messages, session
        self._tracker = parameters.tracker()
        self._last_error = ("", -ERROR_PERIOD_S)
        self._publishers = {name: node.create_publisher(kind, f"~/{name}", 10) for name, kind in self._topics().items()}
        self.worker = Worker(session, self._deliver, self._on_error)
        kind, to_frame = self._input()
        self._to_frame = to_frame
        self._subscription = node.create_subscription(kind, parameters.image_topic, self._receive, qos)

    def close(self) -> None:
        """End the worker and give the device back."""
        self.worker.close()
        self._session.close()

    def _topics(self) -> dict[str, Any]:
        task, m = self._session.spec.task, self._messages
        if task == "classify":
            topics = {"classification": m.vision.Classification}
        elif task in ("semantic", "depth"):
            topics = {"masks" if task == "semantic" else "depth": m.sensor.Image}
        else:
            topics = {"detections": m.vision.Detection2DArray}
        if task == "segment" and self._parameters.publish_masks:
            topics["masks"] = m.sensor.Image
        if task == "pose":
            topics["keypoints"] = m.sensor.PointCloud2
        if self._parameters.shapes:
            topics["events"] = m.std.String
        if self._parameters.publish_image:
            topics["image"] = m.sensor.Image
        return topics

    def _input(self) -> tuple[Any, Callable[[Any], RosFrame]]:
        """Return the type of the images, and what makes a frame of one."""
        transport, name = self._parameters.transport, self._parameters.shared_mem_type
        if transport == "raw":
            return self._messages.sensor.Image, frame_of_image
        if transport == "compressed":
            return self._messages.sensor.CompressedImage, frame_of_compressed
        try:
            kind = getattr(importlib.import_module("hbm_img_msgs.msg"), name)
        except (ImportError, AttributeError) as error:
            raise DeviceError(
                f"the type hbm_img_msgs/{name} is not here ({error})",
                hint="source /opt/tros/humble/setup.bash on the board, or use transport raw",
            ) from error
        frame_id = self._parameters.frame_id
        return kind, lambda message: frame_of_shared_memory(
            message, self._messages.header(message.time_stamp, frame_id)
        )

    def _receive(self, message: Any) -> None:
        try:
            frame = self._to_frame(message)
        except EdgekitError as error:
            self._on_error(error.message)
            return
        self.worker.put(frame)

    def _deliver(self, frame: RosFrame, results: Results) -> None:
        """Publish a frame's results; called in order, on a thread of the worker."""
        events: Sequence[Event] = ()
        if self._tracker is not None and isinstance(results, Detections):
            bgr = frame.bgr() if self._tracker.camera_motion else frame.pixels
            results, events = self._tracker.update(results, bgr)
        messages, header = self._messages, frame.header
        if isinstance(results, Classifications):
            self._publish("classification", lambda: messages.classification(results, header))
        elif isinstance(results, SemanticMap):
            self._publish("masks", lambda: messages.class_map(results, header))
        elif isinstance(results, DepthMap):
            self._publish("depth", lambda: messages.image(results.depth, "32FC1", header))
        elif isinstance(results, Detections):
            self._publish("detections", lambda: messages.detections(results, header))
        if isinstance(results, Segmentations):
            self._publish("masks", lambda: messages.labels(results, header))
        if isinstance(results, Poses):
            self._publish("keypoints", lambda: messages.keypoints(results, header))
        for event in events:
            self._publish("events", lambda event=event: self._event(event))  # type: ignore[misc]
        self._publish("image", lambda: messages.image(self._drawn(frame, results), "bgr8", header))

    def _publish(self, topic: str, make: Callable[[], Any]) -> None:
        """Publish a message, which is only made where the topic is advertised; images only for subscribers."""
        publisher = self._publishers.get(topic)
        if publisher is None or (topic == "image" and not publisher.get_subscription_count()):
            return
        publisher.publish(make())

    def _event(self, event: Event) -> Any:
        message = self._messages.std.String()
        message.data = json.dumps(event.to_dict())
        return message

    def _drawn(self, frame: RosFrame, results: Results) -> Any:
        image = results.draw(frame.bgr())
        if self._tracker is not None:
            draw_counts(image, self._tracker.shapes, self._tracker.counts)
        return image

    def _on_error(self, message: str) -> None:
        now = self._node.get_clock().now().nanoseconds / 1e9
        if message != self._last_error[0] or now - self._last_error[1] >= ERROR_PERIOD_S:
            self._last_error = (message, now)
            self._node.get_logger().error(message)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is shut down; a mistake in the parameters is two lines of the log and exit code 2."""
    rclpy = importlib.import_module("rclpy")
    qos = importlib.import_module("rclpy.qos").qos_profile_sensor_data
    rclpy.init(args=args)
    node = rclpy.create_node(NODE_NAME)
    detect: DetectNode | None = None
    try:
        parameters = declare_parameters(node)
        session = load(
            parameters.model,
            parameters.device,
            conf=parameters.decoding_score,
            iou=parameters.iou,
            max_detections=parameters.max_detections,
        )
        for note in session.notes:
            node.get_logger().info(note)
        detect = DetectNode(node, parameters, session, load_messages(), qos)
        rclpy.spin(node)
    except EdgekitError as error:
        node.get_logger().fatal(error.message)
        node.get_logger().fatal(f"hint: {error.hint}")
        return 2
    except KeyboardInterrupt:
        pass
    finally:
        if detect is not None:
            detect.close()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
