"""From raw heads to results: one decoder per task."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.decode.classify import decode_classify
from edgekit.decode.detect import decode_detect
from edgekit.decode.heads import RawHeads
from edgekit.decode.obb import decode_obb
from edgekit.decode.options import DecodeOptions
from edgekit.decode.pose import decode_pose
from edgekit.decode.segment import decode_segment
from edgekit.errors import ModelError
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Results
from edgekit.spec import ModelSpec

DEFAULT_OPTIONS = DecodeOptions()

DECODERS: dict[str, Callable[..., Results]] = {
    "detect": decode_detect,
    "segment": decode_segment,
    "pose": decode_pose,
    "obb": decode_obb,
    "classify": decode_classify,
}


def decode(
    heads: RawHeads,
    spec: ModelSpec,
    letterbox: Letterbox,
    options: DecodeOptions = DEFAULT_OPTIONS,
    *,
    device: str = "unknown",
) -> Results:
    """Raw heads of one image, as the device gave them, to the results of the model's task.

    `heads`: output name -> (1, h, w, c) integers or floats, as the sidecar says. Raises ModelError where they
    do not fit it.
    """
    if spec.task not in DECODERS:
        raise ModelError(
            f"task {spec.task!r} has no decoder, expected one of {', '.join(DECODERS)}",
            hint="use a model of one of these tasks",
        )
    return DECODERS[spec.task](heads, spec, letterbox, options, device=device)
