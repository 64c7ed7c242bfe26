"""The sidecars of a simulated build: of the quantized graph, of the .bin, and of the .bin with raw heads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.float_graph import FloatGraph
from edgekit.sim.compiler.emit.preprocess import BoardInput
from edgekit.sim.compiler.inputs import board_preprocess
from edgekit.sim.compiler.quantize import QuantizedGraph, output_shape
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, file_ref
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

STRIPPED_ROLES = ("box", "mask", "keypoint", "angle")  # heads that only survivors of the class gate are read from


def quantized_spec(job: CompileJob, graph: FloatGraph, *inputs: BoardInput) -> ModelSpec:
    """The heads' sidecar, now with the board's inputs; all outputs are floats behind their Dequantize."""
    heads = {head.name: head for head in job.spec.outputs}
    if set(heads) != set(graph.outputs):
        raise ModelError(
            f"the sidecar describes the outputs {sorted(heads)}, the model has {sorted(graph.outputs)}",
            hint="run edgekit cut again so that the sidecar fits the model",
        )
    outputs = tuple(_float_head(heads[name], output_shape(graph, tensor)) for name, tensor in graph.outputs.items())
    by_name = {source.name: source for source in inputs}
    first, *more = _as_fed(job.spec, by_name)
    return replace(
        job.spec,
        input=first,
        more_inputs=tuple(more),
        preprocess=board_preprocess(job),
        outputs=outputs,
        stage="quantized",
        march=job.march,
        simulated=True,
        files={},
        tools={**job.spec.tools, "edgekit": __version__, "compiler": "edgekit simulated compiler"},
    )


def _as_fed(spec: ModelSpec, inputs: Mapping[str, BoardInput]) -> list[InputSpec]:
    """The sidecar's inputs with the kind and layout that the board feeds."""
    if set(inputs) != {item.name for item in spec.inputs}:
        raise ModelError(
            f"the sidecar describes the inputs {sorted(item.name for item in spec.inputs)}, "
            f"the model has {sorted(inputs)}",
            hint="run edgekit cut again so that the sidecar fits the model",
        )
    fed = inputs  # the integer graph is that of one image; only the .bin takes several
    return [replace(item, kind=fed[item.name].kind, layout=fed[item.name].layout, batch=1) for item in spec.inputs]


def bin_spec(spec: ModelSpec, files: Mapping[str, Path], *, batch: int = 1) -> ModelSpec:
    """The sidecar of the .bin whose outputs are all floats; `files` are the related files by part."""
    fed = replace(spec.input, batch=batch)
    return replace(
        spec, stage="bin", input=fed, files={**spec.files, **{part: file_ref(p) for part, p in files.items()}}
    )


def raw_heads(spec: ModelSpec, graph: FloatGraph, quantized: QuantizedGraph) -> dict[str, HeadSpec]:
    """The outputs that are handed out as int32 in the modified .bin, by name: `STRIPPED_ROLES` made by convolutions."""
    raw: dict[str, HeadSpec] = {}
    scales = {mapping.float_name: mapping.scale for mapping in quantized.mappings.values()}
    for head in spec.outputs:
        head_scale: np.ndarray = scales[graph.outputs[head.name]]
        if head.role in STRIPPED_ROLES and head_scale.size > 1:
            scale = tuple(float(value) for value in head_scale)
            raw[head.name] = replace(head, dtype="int32", scale=scale, axis=len(head.shape) - 1)
    return raw


def with_raw_heads(spec: ModelSpec, raw: Mapping[str, HeadSpec]) -> ModelSpec:
    """`spec` with the outputs of `raw` in place of its own of those names."""
    return replace(spec, outputs=tuple(raw.get(head.name, head) for head in spec.outputs))


def dequantize_nodes(graph: FloatGraph, names: Collection[str]) -> tuple[str, ...]:
    """The HzDequantize nodes in front of the outputs `names`."""
    return tuple(f"{graph.outputs[name]}_HzDequantize" for name in names)


def _float_head(head: HeadSpec, shape: list[int]) -> HeadSpec:
    return replace(head, shape=tuple(shape), dtype="float32", scale=())
