"""The cut model of a work folder: taken or made, and written with its sidecar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import ConfigError, ModelError
from edgekit.files import atomic_path, sha256_file
from edgekit.progress import Progress
from edgekit.spec import ModelSpec, file_ref, load_spec, save_spec, sidecar_path

if TYPE_CHECKING:
    import onnx

    from edgekit.export import CutOptions


def model_hash(model: Path) -> str:
    """Return the SHA-256 of the model; raises ModelError if it cannot be read."""
    try:
        return sha256_file(model)
    except OSError as error:
        raise ModelError(
            f"{model} cannot be read ({error.strerror}), expected an ONNX model", hint="check the path of --model"
        ) from error


def heads_of(model: Path, progress: Progress, options: CutOptions | None = None) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return the cut graph and its sidecar; a model that edgekit cut before is taken as it is.

    `options` say what nothing in the file says: the task, and how the model takes its images.
    """
    from edgekit.export import CutOptions, cut_graph
    from edgekit.graph.onnx_graph import load_model

    graph, options = load_model(model), options or CutOptions()
    sidecar = sidecar_path(model)
    if sidecar.is_file():
        spec = load_spec(sidecar)
        recorded = spec.files.get("model")
        if spec.stage == "heads" and recorded is not None and recorded.sha256 == sha256_file(model):
            return graph, options.inputs.applied(spec)
    cut = cut_graph(graph, options, progress=progress)
    return cut.model, replace(cut.spec, files={"stock": file_ref(model)})


def require_channels(spec: ModelSpec, input_kind: str) -> None:
    """Raise ConfigError unless the board can feed `input_kind` to the model: grey to one channel, colours to three."""
    gray = spec.input.kind == "gray"
    if gray != (input_kind == "gray"):
        raise ConfigError(
            f"the model's input {spec.input.name!r} has {'one channel' if gray else 'three channels'}, "
            f"and --input is {input_kind!r}",
            hint="use --input gray" if gray else "use --input nv12, rgb or bgr",
        )


def write_heads(path: Path, heads: onnx.ModelProto, spec: ModelSpec) -> None:
    """Write the cut model and its sidecar."""
    import onnx

    with atomic_path(path) as unfinished:
        onnx.save(heads, str(unfinished))
    save_spec(sidecar_path(path), replace(spec, files={**spec.files, "model": file_ref(path)}))
