"""The sidecar of a compiled `.bin`: the cut model's sidecar, corrected by what the file itself says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgekit.binary.bin_format import BinInfo, BinInput, BinOutput, read_bin
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
    inputs, preprocess = _inputs_as_built(spec, info)
    return replace(
        spec,
        stage="bin",
        march=march,
        input=inputs[0],
        more_inputs=tuple(inputs[1:]),
        preprocess=preprocess,
        outputs=tuple(_head_as_built(head, outputs, inputs[0].batch) for head in spec.outputs),
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


def _inputs_as_built(spec: ModelSpec, info: BinInfo) -> tuple[list[InputSpec], Preprocess]:
    """The sidecar's inputs with the kind and layout that they were built with, and the colour range of the first."""
    built = {model_input.name: (index, model_input) for index, model_input in enumerate(info.inputs)}
    if set(built) != {item.name for item in spec.inputs}:
        expected = ", ".join(item.name for item in spec.inputs)
        raise ModelError(
            f"{info.path} has the inputs {', '.join(built)}, the sidecar says {expected}", hint=WRONG_SIDECAR_HINT
        )
    layouts = info.metadata.get("INPUT_LAYOUT_RT", "").split(";")
    inputs = []
    for item in spec.inputs:
        index, stated = built[item.name]
        what = f"the kind of input {item.name!r} of {info.path}"
        kind = check_choice(stated.kind, INPUT_KINDS, what, error=ModelError, hint=COMPILE_HINT)
        declared = layouts[index].strip() if index < len(layouts) else ""
        batch = stated.shape[0] if item.is_image and stated.shape else 1
        inputs.append(replace(item, kind=kind, layout=_layout(declared, item.layout, info), batch=batch))
        _require_size(inputs[-1], stated, spec, info)
    color_range = COLOR_RANGES.get(built[spec.input.name][1].color_range, spec.preprocess.color_range)
    return inputs, replace(spec.preprocess, color_range=color_range)


def _require_size(item: InputSpec, stated: BinInput, spec: ModelSpec, info: BinInfo) -> None:
    """Raise ModelError where an input of the `.bin` has another size than the sidecar says."""
    expected = spec.preprocess_of(item).size_wh if item.is_image else item.shape
    actual = _size_wh(stated.shape, item.layout) if item.is_image else stated.shape
    if actual != expected:
        what = "images of " if item.is_image else ""
        raise ModelError(
            f"{info.path} takes {what}{actual} for {item.name!r}, the sidecar says {expected}", hint=WRONG_SIDECAR_HINT
        )


def _layout(declared: str, default: Layout, info: BinInfo) -> Layout:
    """The layout that the build was asked for; `default` where it was not."""
    if not declared:
        return default
    return check_choice(declared, LAYOUTS, f"INPUT_LAYOUT_RT of {info.path}", error=ModelError, hint=COMPILE_HINT)


def _size_wh(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """(width, height) of (1, C, H, W) or (1, H, W, C); some builds state the shape in the other layout."""
    if len(shape) != 4:
        return ()
    channels_first = shape[1] in (1, 3) and (layout == "NCHW" or shape[3] not in (1, 3))
    return (shape[3], shape[2]) if channels_first else (shape[2], shape[1])


def _head_as_built(head: HeadSpec, outputs: Mapping[str, BinOutput], batch: int) -> HeadSpec:
    output, shape = outputs.get(head.name), (batch * head.shape[0], *head.shape[1:])
    if output is None or output.shape != shape:
        state = "missing" if output is None else f"{output.shape}"
        raise ModelError(
            f"output {head.name!r} of the compiled model is {state}, the sidecar says {shape}",
            hint=WRONG_SIDECAR_HINT,
        )
    if output.dtype == "float32":
        return replace(head, dtype="float32", scale=())
    axis = len(head.shape) - 1 if output.scale_axis is None else output.scale_axis
    dtype = check_choice(
        output.dtype, HEAD_DTYPES, f"the dtype of output {head.name!r}", error=ModelError, hint=COMPILE_HINT
    )
    return replace(head, dtype=dtype, scale=output.scales, axis=axis)
