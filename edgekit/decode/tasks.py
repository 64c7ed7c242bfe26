"""The tasks, one row each: which heads they need, what their results are, and how a frame is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgekit.decode.depth import decode_depth
from edgekit.decode.heads import RawHeads
from edgekit.decode.obb import decode_obb
from edgekit.decode.plan import Plan
from edgekit.decode.pose import decode_pose
from edgekit.decode.raw import decode_raw
from edgekit.decode.segment import decode_segment
from edgekit.decode.semantic import decode_semantic
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.math import softmax
from edgekit.results import (
    Classifications,
    DepthMap,
    Detections,
    Poses,
    RawOutputs,
    Results,
    RotatedDetections,
    Segmentations,
    SemanticMap,
)
from edgekit.spec import Role, TaskName


@dataclass(frozen=True, slots=True)
class Task:
    """What a model does.

    Attributes:
        name: As the sidecar writes it.
        results: The class of its results; how they are drawn, written and converted belongs to that class.
        decode: From a bound model, one frame's checked outputs and its letterbox to results.
        extra_role: The head that every stride has beside "box" and "class".
        has_boxes: Whether it finds objects on grids; otherwise there is one verdict, or one map, per image.
        map_role: The head of a task that gives every pixel a value, which is then its only one.
        has_prototypes: Whether one more output holds mask prototypes.
        anchors: Whether heads with anchor boxes serve it, too.
        any_outputs: Whether the outputs are whatever they are, all of the role "raw".
        coco_kind: What pycocotools scores beside boxes: "segm", "keypoints", or "".
    """

    name: TaskName
    results: type[Results]
    decode: Callable[[Plan, RawHeads, Letterbox], Results]
    extra_role: Role | None = None
    has_boxes: bool = True
    map_role: Role | None = None
    has_prototypes: bool = False
    anchors: bool = False
    any_outputs: bool = False
    coco_kind: str = ""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The heads that every stride has, each once (without anchor boxes)."""
        if self.map_role:
            return (self.map_role,)
        boxes: tuple[Role, ...] = ("box", "class") if self.has_boxes else ("class",)
        return (*boxes, self.extra_role) if self.extra_role else boxes


def decode_detect(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> Detections:
    """Decode one frame."""
    objects = plan.objects(raw)
    boxes = letterbox.undo_boxes(objects.boxes_xyxy)
    return Detections(boxes, objects.scores, objects.class_ids, plan.spec.names, letterbox.source_wh, plan.device)


def decode_classify(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> Classifications:
    """Decode one frame; thresholds do not apply."""
    logits = plan.outputs.get("class").floats(raw).reshape(-1)
    return Classifications(softmax(logits), plan.spec.names, letterbox.source_wh, plan.device)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("detect", Detections, decode_detect, anchors=True),
        Task(
            "segment",
            Segmentations,
            decode_segment,
            extra_role="mask",
            has_prototypes=True,
            anchors=True,
            coco_kind="segm",
        ),
        Task("pose", Poses, decode_pose, extra_role="keypoint", coco_kind="keypoints"),
        Task("obb", RotatedDetections, decode_obb, extra_role="angle"),
        Task("classify", Classifications, decode_classify, has_boxes=False),
        Task("semantic", SemanticMap, decode_semantic, has_boxes=False, map_role="class"),
        Task("depth", DepthMap, decode_depth, has_boxes=False, map_role="depth"),
        Task("raw", RawOutputs, decode_raw, has_boxes=False, any_outputs=True),
    )
}
TASK_OF_EXTRA: dict[Role, TaskName] = {task.extra_role: task.name for task in TASKS.values() if task.extra_role}
