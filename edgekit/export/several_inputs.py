"""Graphs with several inputs, and inputs that are no images: which input takes what, at fixed sizes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import onnx

from edgekit.errors import ConfigError, ModelError
from edgekit.export.half_precision import holds_halves, to_single
from edgekit.export.prepare import INPUT_KINDS, fold_constants
from edgekit.graph.onnx_graph import declared_shape, graph_inputs
from edgekit.spec import InputKind, InputSpec, ModelSpec

__all__ = ["FixedInputs", "featuremaps_of", "fix_inputs", "takes_arrays"]

FEATUREMAP: InputKind = "featuremap"


@dataclass(frozen=True, slots=True)
class FixedInputs:
    """A graph whose inputs all have fixed sizes and a batch of 1, and what each takes, in the graph's order.

    Attributes:
        model: A copy of the graph.
        size_wh: Of the first image, (1, 1) without any.
        inputs: Kind, layout and shape of each; empty where the graph takes one image alone.
        notes: What was assumed.
    """

    model: onnx.ModelProto
    size_wh: tuple[int, int]
    inputs: tuple[InputSpec, ...] = ()
    notes: tuple[str, ...] = ()


def takes_arrays(model: onnx.ModelProto, *, task: str, featuremaps: Collection[str] = ()) -> bool:
    """Return whether the graph takes anything but one image.

    Args:
        model: The float graph.
        task: As the user or the sidecar names it; any but "raw" needs an image.
        featuremaps: Inputs that are declared to be no images.
    """
    shapes = [declared_shape(value) for value in graph_inputs(model)]
    images = [shape for shape in shapes if len(shape) == 4 and shape[1] in (0, *INPUT_KINDS)]
    return len(shapes) > 1 or bool(featuremaps) or (task == "raw" and len(images) < len(shapes))


def featuremaps_of(requested: Collection[str], known: ModelSpec | None) -> tuple[str, ...]:
    """Return the inputs that are declared to be no images: by the user, else by the sidecar beside the graph."""
    recorded = known.inputs if known is not None else ()
    return tuple(requested) or tuple(item.name for item in recorded if not item.is_image)


def fix_inputs(
    model: onnx.ModelProto,
    *,
    task: str,
    featuremaps: Collection[str] = (),
    imgsz_hw: tuple[int, int] | None = None,
) -> FixedInputs:
    """Fix every input of a graph that takes several, or other things than images.

    Args:
        model: The float graph; float16 is made float32.
        task: As the user names it.
        featuremaps: Inputs that are no images although they could be, such as (1, 3, 8, 8).
        imgsz_hw: As the user asks for; refused, since it says nothing of the other inputs.

    Returns:
        The graph and its inputs. Four axes with one or three channels are an image; what surely is none, a featuremap.

    Raises:
        ConfigError: `featuremaps` names no input, or the task needs one image.
        ModelError: An input is no float tensor, or its size is open.
    """
    names = [value.name for value in graph_inputs(model)]
    if unknown := [name for name in featuremaps if name not in names]:
        raise ConfigError(
            f"--featuremap names {unknown[0]!r}, expected one of the graph's inputs {', '.join(names)}",
            hint="take the names from there",
        )
    if task != "raw":
        raise ModelError(
            f"the graph has {len(names)} inputs ({', '.join(names) or 'none'}), expected one image",
            hint="add --task raw, whose outputs stay arrays, or export one model alone",
        )
    if imgsz_hw is not None:
        raise ConfigError(
            f"--imgsz {imgsz_hw[0]},{imgsz_hw[1]} is for one image, and the graph takes {', '.join(names)}",
            hint="export the model with fixed sizes, and leave --imgsz out",
        )
    single = to_single(model) if holds_halves(model) else model
    fixed = onnx.ModelProto()
    fixed.CopyFrom(single)
    del fixed.graph.value_info[:]  # shapes written for another size would contradict
    inputs, notes = [], []
    for value in graph_inputs(fixed):
        shape = _fixed_shape(value)
        image = len(shape) == 4 and shape[1] in INPUT_KINDS and value.name not in featuremaps
        inputs.append(InputSpec(value.name, INPUT_KINDS[shape[1]] if image else FEATUREMAP, "NCHW", shape))
        if not image and value.name not in featuremaps:
            notes.append(f"input {value.name} is {'x'.join(map(str, shape))}, which is no image: a featuremap")
    size_wh = next((item.size_wh for item in inputs if item.is_image), (1, 1))
    return FixedInputs(fold_constants(fixed), size_wh, tuple(inputs), tuple(notes))


def _fixed_shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The shape of an input, its open batch made 1 in place."""
    shape = declared_shape(value)
    if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        raise ModelError(
            f"input {value.name!r} is {kind}, expected FLOAT",
            hint="take the look-up or cast behind it out of the model, and feed its result as a featuremap",
        )
    if len(shape) < 2 or shape[0] not in (0, 1) or 0 in shape[1:]:
        raise ModelError(
            f"input {value.name!r} is {shape}, expected a batch of 1 and fixed sides behind it (0 stands for open)",
            hint="export with fixed sizes: dynamic=False, batch=1",
        )
    side = value.type.tensor_type.shape.dim[0]
    side.Clear()
    side.dim_value = 1
    return (1, *shape[1:])
