"""The input sizes of a model: exports that leave theirs open are fixed at each one, all others have one alone."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import ModelError, UnfitError
from edgekit.files import atomic_path, sha256_file
from edgekit.runtime.session import FLOAT_STAGES
from edgekit.spec import ModelSpec

FLOAT_SUFFIX = ".onnx"


def model_at_size(path: Path, size_hw: tuple[int, int] | None, folder: Path) -> Path:
    """`path` itself, or where its height and width are open, a copy of it in `folder` with this size.

    Without a size the one that the export was made for is taken. Raises ModelError where it does not say one.
    Whether a model of fixed size has the wanted one is for `require_size`.
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


def require_size(path: Path, spec: ModelSpec, wanted_hw: tuple[int, int] | None) -> None:
    """Raises UnfitError where the model takes images of another size than wanted."""
    width, height = spec.preprocess.size_wh
    if wanted_hw is not None and wanted_hw != (height, width):
        is_float = spec.stage in FLOAT_STAGES
        way = "export it at that size, or with dynamic=True" if is_float else "export and compile it at that size"
        raise UnfitError(
            f"{path.name} takes {height},{width} (height, width) alone, expected {wanted_hw[0]},{wanted_hw[1]}",
            hint=f"{way}; --imgsz {height},{width} is its own",
        )
