"""The sidecar of a compiled `.bin`: the cut model's sidecar, corrected by what the file itself says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgekit.binary.bin_format import BinInfo, BinOutput, read_bin
from edgekit.bpu import COLOR_RANGES
from edgekit.errors import ModelError
from edgekit.spec import HEAD_DTYPES, INPUT_KINDS, LAYOUTS, MARCHES, HeadSpec, InputSpec, Layout, ModelSpec, Preprocess
from edgekit.text import check_choice

COMPILE_HINT = "compile the model again"
WRONG_SIDECAR_HINT = "give the sidecar of the ONNX that was compiled with --sidecar"


def bin_spec(spec: ModelSpec, info: BinInfo) -> ModelSpec:
    """Correct the cut model's sidecar by what a compiled `.bin` says of itself.

    Args:
        spec: The sidecar of the ONNX that was compiled.
        info: The `.bin`, as read.

    Returns:
        `spec` with stage "bin": march, input kind and every output's dtype, scale and axis as the file has them.

    Raises:
        ModelError: The two are not of the same model.
    """
    march = check_choice(info.march, MARCHES, f"the march of {info.path}", error=ModelError, hint=COMPILE_HINT)
    if spec.march not in ("", march):
        raise ModelError(
            f"{info.path} was compiled for march {info.march!r}, its sidecar says {spec.march!r}",
            hint="give the sidecar of this build with --sidecar, or compile again",
        )
    outputs = {output.name: output for output in info.outputs}
    input_spec, preprocess = _input_as_built(spec, info)
    return replace(
        spec,
        stage="bin",
        march=march,
        input=input_spec,
        preprocess=preprocess,
        outputs=tuple(_head_as_built(head, outputs) for head in spec.outputs),
        tools={**spec.tools, **info.versions},
    )


def spec_as_built(spec: ModelSpec, path: Path) -> ModelSpec:
    """Correct the cut model's sidecar by the `.bin` at a path.

    Args:
        spec: The sidecar of the ONNX that was compiled.
        path: The `.bin`.

    Returns:
        The sidecar of the `.bin`; see `bin_spec`.

    Raises:
        ModelError: The file is no compiled `.bin`, or of another model.
    """
    return bin_spec(spec, read_bin(path))


def _input_as_built(spec: ModelSpec, info: BinInfo) -> tuple[InputSpec, Preprocess]:
    if len(info.inputs) != 1 or info.inputs[0].name != spec.input.name:
        names = ", ".join(model_input.name for model_input in info.inputs)
        raise ModelError(
            f"{info.path} has the inputs {names}, the sidecar says {spec.input.name}", hint=WRONG_SIDECAR_HINT
        )
    built = info.inputs[0]
    kind = check_choice(
        built.kind, INPUT_KINDS, f"the kind of input {built.name!r} of {info.path}", error=ModelError, hint=COMPILE_HINT
    )
    layout = _layout(info, spec.input.layout)
    color_range = COLOR_RANGES.get(built.color_range, spec.preprocess.color_range)
    size_wh = _size_wh(built.shape, layout)
    if size_wh != spec.preprocess.size_wh:
        raise ModelError(
            f"{info.path} takes images of {size_wh}, the sidecar says {spec.preprocess.size_wh}",
            hint=WRONG_SIDECAR_HINT,
        )
    return replace(spec.input, kind=kind, layout=layout), replace(spec.preprocess, color_range=color_range)


def _layout(info: BinInfo, default: Layout) -> Layout:
    """Layout of the first input as the build was asked for it; `default` where it was not."""
    declared = info.metadata.get("INPUT_LAYOUT_RT", "").split(";")[0].strip()
    if not declared:
        return default
    return check_choice(declared, LAYOUTS, f"INPUT_LAYOUT_RT of {info.path}", error=ModelError, hint=COMPILE_HINT)


def _size_wh(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """(width, height) of (1, C, H, W) or (1, H, W, C); some builds state the shape in the other layout."""
    if len(shape) != 4:
        return ()
    channels_first = shape[1] in (1, 3) and (layout == "NCHW" or shape[3] not in (1, 3))
    return (shape[3], shape[2]) if channels_first else (shape[2], shape[1])


def _head_as_built(head: HeadSpec, outputs: Mapping[str, BinOutput]) -> HeadSpec:
    output = outputs.get(head.name)
    if output is None or output.shape != head.shape:
        state = "missing" if output is None else f"{output.shape}"
        raise ModelError(
            f"output {head.name!r} of the compiled model is {state}, the sidecar says {head.shape}",
            hint=WRONG_SIDECAR_HINT,
        )
    if output.dtype == "float32":
        return replace(head, dtype="float32", scale=())
    axis = len(head.shape) - 1 if output.scale_axis is None else output.scale_axis
    dtype = check_choice(
        output.dtype, HEAD_DTYPES, f"the dtype of output {head.name!r}", error=ModelError, hint=COMPILE_HINT
    )
    return replace(head, dtype=dtype, scale=output.scales, axis=axis)
