"""Whether a model's outputs are a whole head of its task: checked once, when a model is opened."""

from __future__ import annotations

from edgekit.errors import ModelError
from edgekit.spec import ModelSpec

HINT = "fix the sidecar, or run edgekit cut or edgekit compile again"
# What every stride must have, each once, by task.
ROLES_OF_TASK: dict[str, tuple[str, ...]] = {
    "detect": ("box", "class"),
    "segment": ("box", "class", "mask"),
    "pose": ("box", "class", "keypoint"),
    "obb": ("box", "class", "angle"),
    "classify": ("class",),
}


def require_whole_head(spec: ModelSpec) -> None:
    """Raises ModelError naming what is missing, twice, of another task, or does not fit the class names."""
    anchored = any(head.role == "object" for head in spec.outputs)
    roles = ("object",) if anchored else ROLES_OF_TASK[spec.task]
    for stride in spec.strides or (0,):
        found = sorted(head.role for head in spec.outputs if head.stride == stride and head.role != "proto")
        if found != sorted(roles):
            raise ModelError(
                f"stride {stride} has the outputs {', '.join(found) or 'none'}, "
                f"expected {', '.join(roles)} for task {spec.task!r}",
                hint=HINT,
            )
    protos = [head.name for head in spec.outputs if head.role == "proto"]
    if len(protos) != (spec.task == "segment"):
        raise ModelError(f"task {spec.task!r} has {len(protos)} prototype outputs {protos}", hint=HINT)
    _require_channels(spec)


def _require_channels(spec: ModelSpec) -> None:
    expected = {"class": spec.num_classes, "box": 4 * spec.reg_max, "angle": 1}
    if spec.task == "segment":
        expected["mask"] = spec.head("proto").channels
    meaning = {
        "class": "one for each class name",
        "box": "four times reg_max",
        "angle": "one angle",
        "mask": "one for each prototype",
    }
    for head in spec.outputs:
        if head.channels != expected.get(head.role, head.channels):
            raise ModelError(
                f"output {head.name!r} has {head.channels} channels, "
                f"expected {expected[head.role]}: {meaning[head.role]}",
                hint=HINT,
            )
