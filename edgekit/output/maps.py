"""Class maps and depth maps as files of their own: PNG as training tools read them, or npz."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from edgekit.files import write_bytes
from edgekit.output.folder import RunFolder
from edgekit.output.names import OutputNames
from edgekit.output.writer import write_image
from edgekit.results import DepthMap, Results, SemanticMap

MAPS_FOLDER = "maps"
MAP_FORMATS = ("png", "npz")


def map_file(names: OutputNames, name: str, kind: str) -> str:
    """Return the file of a frame's map, relative to the run's folder.

    Args:
        names: The files of the frames.
        name: The frame's.
        kind: One of `MAP_FORMATS`.
    """
    return f"{MAPS_FOLDER}/{names.label(name).removesuffix('.txt')}.{kind}"


def map_sink(folder: RunFolder, names: OutputNames, kind: str) -> Callable[[str, Results], None]:
    """Return a function that writes each frame's map to maps/<its name>.

    A PNG holds class ids (8 bits, 16 for more than 256 classes), or depths in 16 bits, multiplied by the `png_scale`
    that the JSON names; an npz holds `class_map` or `depth` as they are.

    Args:
        folder: Of the run.
        names: The files of the frames.
        kind: One of `MAP_FORMATS`.
    """

    def write(name: str, results: Results) -> None:
        if not isinstance(results, SemanticMap | DepthMap):
            return
        path = folder.take(map_file(names, name, kind))
        if kind == "npz":
            content = io.BytesIO()
            arrays = {"depth": results.depth} if isinstance(results, DepthMap) else {"class_map": results.class_map}
            np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
            write_bytes(path, content.getvalue())
        else:
            write_image(path, results.to_png16() if isinstance(results, DepthMap) else results.class_map)  # type: ignore[arg-type]

    return write
