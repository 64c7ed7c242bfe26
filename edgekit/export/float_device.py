"""A float ONNX as a session's device: the float reference, cut in memory where it is a stock export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekit.export import cut_graph
from edgekit.graph.onnx_graph import load_model
from edgekit.runtime.ort import OrtDevice
from edgekit.runtime.providers import DEFAULT_PROVIDER
from edgekit.spec import ModelSpec, load_spec, sidecar_path


def open_float_model(path: Path, *, provider: str = DEFAULT_PROVIDER, threads: int = 0) -> tuple[ModelSpec, OrtDevice]:
    """The sidecar and the device of a stock export or of cut heads, on a provider of onnxruntime.

    Heads that edgekit cut run as they are. Anything else is cut in memory first, so that one decoder serves
    all; the cut proves its heads equal to the export. Raises ModelError where the file is no YOLO.
    """
    sidecar = sidecar_path(path)
    if sidecar.exists():
        spec = load_spec(sidecar)
        device = OrtDevice(path, name=str(path), provider=provider, threads=threads)
        if spec.stage == "heads" and _fits(spec, device):
            return spec, device
    cut = cut_graph(load_model(path))
    note = "cut in memory at its head convolutions"
    spec = replace(cut.spec, stage="heads", notes=(*cut.spec.notes, note))
    return spec, OrtDevice(cut.model.SerializeToString(), name=str(path), provider=provider, threads=threads)


def _fits(spec: ModelSpec, device: OrtDevice) -> bool:
    return {(h.name, h.shape) for h in spec.outputs} == {(t.name, t.shape) for t in device.outputs}
