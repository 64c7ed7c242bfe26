"""A decoder: one model's raw heads to results, everything that no frame changes bound once."""

from __future__ import annotations

from edgekit.decode.compiled import compiled_decoder
from edgekit.decode.heads import RawHeads
from edgekit.decode.plan import DecodeOptions, make_plan
from edgekit.decode.tasks import TASKS
from edgekit.errors import ModelError
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Results
from edgekit.spec import ModelSpec, Role

HINT = "fix the sidecar, or run edgekit cut or edgekit compile again"


class Decoder:
    """Decodes one frame after the other; nothing is kept between them, so several threads may share it.

    >>> decoder = Decoder(spec, DecodeOptions(score_threshold=0.4))
    >>> results = decoder(device.infer(inputs), letterbox)
    """

    def __init__(
        self, spec: ModelSpec, options: DecodeOptions | None = None, *, device: str = "unknown", compiled: bool = True
    ) -> None:
        """Check the model's outputs and bind them.

        Args:
            spec: The model.
            options: Thresholds and limits; None for the defaults.
            device: The kind of device that results are marked with.
            compiled: Whether compiled kernels decode, where there are any; numpy otherwise.

        Raises:
            ModelError: The outputs are not a whole head of the model's task, or contradict the sidecar.
        """
        require_whole_head(spec)
        task = TASKS[spec.task]
        self.plan = make_plan(spec, options or DecodeOptions(), extra_role=task.extra_role, device=device)
        self._decode = task.decode
        self._compiled = compiled_decoder(self.plan) if compiled else None

    def __call__(self, heads: RawHeads, letterbox: Letterbox) -> Results:
        """Decode one frame.

        Args:
            heads: Output name -> (1, h, w, c) integers or floats as the device gave them.
            letterbox: Where the image lies in the model's input.

        Returns:
            Results of the model's task in pixels of the original image.

        Raises:
            ModelError: An output is missing or has another shape or dtype than the sidecar says.
        """
        if self._compiled is not None:
            return self._compiled(heads, letterbox)
        self.plan.outputs.check(heads)
        return self._decode(self.plan, heads, letterbox)


def require_whole_head(spec: ModelSpec) -> None:
    """Check that a model's outputs are a whole head of its task.

    Args:
        spec: The model.

    Raises:
        ModelError: An output is missing, there twice, of another task, or does not fit the class names; says which.
    """
    task = TASKS[spec.task]
    if task.any_outputs:
        _require_raw(spec)
        return
    if task.map_role and len(spec.outputs) != 1:
        raise ModelError(
            f"task {spec.task!r} has {len(spec.outputs)} outputs, expected one of the role {task.map_role}", hint=HINT
        )
    anchored = task.anchors and any(head.role == "object" for head in spec.outputs)
    roles: tuple[Role, ...] = ("object",) if anchored else task.roles
    for stride in spec.strides or (0,):
        present = sorted(head.role for head in spec.outputs if head.stride == stride and head.role != "proto")
        if present != sorted(roles):
            raise ModelError(
                f"stride {stride} has the outputs {', '.join(present) or 'none'}, "
                f"expected {', '.join(roles)} for task {spec.task!r}",
                hint=HINT,
            )
    protos = [head.name for head in spec.outputs if head.role == "proto"]
    if len(protos) != task.has_prototypes:
        raise ModelError(f"task {spec.task!r} has {len(protos)} prototype outputs {protos}", hint=HINT)
    _require_channels(spec)
    if task.extra_role == "keypoint":
        _require_keypoint_shape(spec)


def _require_raw(spec: ModelSpec) -> None:
    for head in spec.outputs:
        if head.role != "raw":
            raise ModelError(
                f"output {head.name!r} has the role {head.role!r}, expected 'raw' for task {spec.task!r}", hint=HINT
            )


def _require_channels(spec: ModelSpec) -> None:
    expected: dict[Role, int] = {"class": spec.num_classes, "box": 4 * spec.reg_max, "angle": 1, "depth": 1}
    if TASKS[spec.task].has_prototypes:
        expected["mask"] = spec.head("proto").channels
    meaning: dict[Role, str] = {
        "class": "one for each class name",
        "box": "four times reg_max",
        "angle": "one angle",
        "depth": "one depth",
        "mask": "one for each prototype",
    }
    for head in spec.outputs:
        if head.channels != expected.get(head.role, head.channels):
            raise ModelError(
                f"output {head.name!r} has {head.channels} channels, "
                f"expected {expected[head.role]}: {meaning[head.role]}",
                hint=HINT,
            )


def _require_keypoint_shape(spec: ModelSpec) -> None:
    shape = spec.keypoint_shape
    channels = sorted({head.channels for head in spec.outputs if head.role == "keypoint"})
    if len(shape) != 2 or shape[1] not in (2, 3) or channels != [shape[0] * shape[1]]:
        raise ModelError(
            f"keypoint_shape is {list(shape)}, expected points x 2 or 3 that fill the {channels} key point channels",
            hint="fix keypoint_shape in the sidecar, or cut the stock ONNX again",
        )
