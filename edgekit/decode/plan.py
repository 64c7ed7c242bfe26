"""What decoding a model's frames needs and no frame changes: heads, thresholds, grids and formulas, bound once."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.decode.anchorfree import AnchorFreeHeads
from edgekit.decode.candidates import Candidates
from edgekit.decode.families import formulas
from edgekit.decode.heads import Heads, RawHeads
from edgekit.decode.yolov5 import AnchorHeads
from edgekit.errors import ConfigError
from edgekit.spec import ModelSpec, Role


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """Thresholds and limits of decoding.

    Attributes:
        score_threshold: 0..1; what scores lower is no object.
        iou_threshold: 0..1; overlap above which non-maximum suppression drops the lower score.
        max_detections: Objects kept per image.
        multi_label: Whether a cell may be several classes at once, as scoring for mAP does.
        full_size: Whether maps (of classes, of depth) are interpolated at every pixel; otherwise a pixel has the value
            of its cell.
    """

    score_threshold: float = 0.25
    iou_threshold: float = 0.7
    max_detections: int = 300
    multi_label: bool = False
    full_size: bool = False

    def __post_init__(self) -> None:
        for name, option in (("score_threshold", "--conf"), ("iou_threshold", "--iou")):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}, expected 0..1", hint=f"give {option} a number between 0 and 1")
        if self.max_detections < 1:
            raise ConfigError(f"max_detections is {self.max_detections}, expected 1 or more", hint="300 is usual")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One model, bound for decoding.

    Attributes:
        spec: The model.
        options: Thresholds and limits.
        device: The kind of device that results are marked with.
        outputs: The model's outputs by role.
        heads: Those that give boxes; a classifier has none.
    """

    spec: ModelSpec
    options: DecodeOptions
    device: str
    outputs: Heads
    heads: AnchorFreeHeads | AnchorHeads

    def objects(self, raw: RawHeads) -> Candidates:
        """Return a frame's objects: candidates of upright boxes above the threshold, suppressed, best first.

        End-to-end heads need no suppression: their best (cell, class) pairs are the objects.
        """
        options = self.options
        candidates = self.heads.candidates(raw, multi_label=options.multi_label or self.spec.end_to_end)
        if self.spec.end_to_end:
            return candidates.best(options.max_detections)
        return candidates.suppress(iou_threshold=options.iou_threshold, max_detections=options.max_detections)


def make_plan(spec: ModelSpec, options: DecodeOptions, *, extra_role: Role | None, device: str) -> Plan:
    """Bind a model's heads.

    Args:
        spec: The model.
        options: Thresholds and limits.
        extra_role: The role that its task adds to "box" and "class".
        device: The kind of device that results are marked with.

    Returns:
        The plan.

    Raises:
        ModelError: The family is unknown, or heads or anchors do not fit together.
    """
    outputs = Heads(spec)
    threshold = options.score_threshold
    if formulas(spec.family).anchors:
        return Plan(spec, options, device, outputs, AnchorHeads(outputs, score_threshold=threshold))
    return Plan(
        spec, options, device, outputs, AnchorFreeHeads(outputs, extra_role=extra_role, score_threshold=threshold)
    )
