"""A model in another precision: float16 twins of float models, by onnxruntime's converter."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from edgekit.artifacts import QUANTIZED_SUFFIX
from edgekit.errors import UnfitError
from edgekit.files import atomic_path, is_file, sha256_file
from edgekit.spec import load_spec, save_spec, sidecar_path

__all__ = ["PRECISIONS", "Precision", "model_in_precision"]

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def model_in_precision(path: Path, precision: str, folder: Path) -> Path:
    """Return a model in a precision.

    Args:
        path: A float ONNX of fixed size, a quantized graph or a `.bin`.
        precision: One of `PRECISIONS`, or "" for what the file has.
        folder: Where a float16 twin of the cut heads goes; float32 at its input and outputs.

    Returns:
        `path` itself, or the twin.

    Raises:
        UnfitError: A compiled model is to be float, or a float model int8: that is another file.
        ModelError: The graph cannot be cut or converted.
    """
    is_float = path.suffix == ".onnx" and not path.name.endswith(QUANTIZED_SUFFIX)
    if precision in ("", "float32" if is_float else "int8"):
        return path
    if not is_float:
        raise UnfitError(f"{path.name} is int8 alone, expected {precision}", hint="give the float ONNX for that")
    if precision == "int8":
        raise UnfitError(
            f"{path.name} is a float model, expected int8",
            hint="edgekit deploy compiles it: give its .bin or *_quantized_model.onnx as a further --model",
        )
    target = folder / f"{path.stem}_{sha256_file(path)[:8]}_float16.onnx"
    if not is_file(target) or not is_file(sidecar_path(target)):
        _write_half(path, target)
    return target


def _write_half(path: Path, target: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from edgekit.export import cut_graph
    from edgekit.graph.onnx_graph import load_model

    sidecar = sidecar_path(path)
    cut = cut_graph(load_model(path), known=load_spec(sidecar) if is_file(sidecar) else None)
    half = convert_float_to_float16(cut.model, keep_io_types=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as unfinished:
        onnx.save(half, str(unfinished))
    save_spec(sidecar_path(target), cut.spec)
