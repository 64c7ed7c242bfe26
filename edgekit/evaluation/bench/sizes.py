"""The input sizes of a model: exports that leave theirs open are fixed at each one, all others have one alone."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import ModelError, UnfitError
from edgekit.files import atomic_path, sha256_file
from edgekit.runtime.session import FLOAT_STAGES
from edgekit.spec import ModelSpec

FLOAT_SUFFIX = ".onnx"


def model_at_size(path: Path, size_hw: tuple[int, int] | None, folder: Path) -> Path:
    """Return a model with a fixed input size.

    Args:
        path: The model.
        size_hw: None for the size that the export was made for.
        folder: Where a copy goes.

    Returns:
        `path` itself, or if its height and width are open, a copy of this size. Whether a model of fixed size has
        that size is for `require_size`.

    Raises:
        ModelError: If the size is open, none is requested, and the export records none.
    """
    if path.suffix != FLOAT_SUFFIX:
        return path
    import onnx

    from edgekit.export.metadata import read_metadata
    from edgekit.export.prepare import fix_input
    from edgekit.graph.onnx_graph import declared_shape, graph_inputs, is_horizon, load_model

    model = load_model(path)
    inputs = graph_inputs(model)
    if is_horizon(model) or len(inputs) != 1 or 0 not in declared_shape(inputs[0])[2:]:
        return path
    recorded = read_metadata(model).imgsz_hw
    if size_hw is None and len(recorded) != 2:
        raise ModelError(
            f"{path} leaves its height and width open and does not say which size it was exported for",
            hint="say which: --imgsz 640, or --imgsz 480,640 (height, width)",
        )
    fixed, (width, height) = fix_input(model, size_hw or (recorded[0], recorded[1]))
    target = folder / f"{path.stem}_{sha256_file(path)[:8]}_{height}x{width}{FLOAT_SUFFIX}"
    with atomic_path(target) as unfinished:
        onnx.save(fixed, str(unfinished))
    return target


def require_size(path: Path, spec: ModelSpec, size_hw: tuple[int, int] | None) -> None:
    """Raise UnfitError if the model takes images of another size."""
    width, height = spec.preprocess.size_wh
    if size_hw is not None and size_hw != (height, width):
        is_float = spec.stage in FLOAT_STAGES
        way = "export it at that size, or with dynamic=True" if is_float else "export and compile it at that size"
        raise UnfitError(
            f"{path.name} takes {height},{width} (height, width) alone, expected {size_hw[0]},{size_hw[1]}",
            hint=f"{way}; --imgsz {height},{width} is its own",
        )
