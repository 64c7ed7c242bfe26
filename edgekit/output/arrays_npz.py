"""The arrays of raw models as NumPy archives, one per frame."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from edgekit.files import write_bytes
from edgekit.output.folder import RunFolder
from edgekit.output.names import OutputNames
from edgekit.results import RawOutputs, Results

__all__ = ["RAW_FOLDER", "array_name", "array_sink"]

RAW_FOLDER = "raw"
TAKEN = ("file", "allow_pickle")  # parameters of numpy.savez itself, the second since numpy 2 alone


def array_sink(folder: RunFolder, names: OutputNames) -> Callable[[str, Results], None]:
    """Return a function that writes the arrays of each frame to raw/<its name>.npz; it ignores decoded results.

    Args:
        folder: Of the run.
        names: The files of the frames.
    """

    def write(name: str, results: Results) -> None:
        if isinstance(results, RawOutputs):
            write_bytes(folder.take(array_name(names, name)), to_npz(results))

    return write


def array_name(names: OutputNames, name: str) -> str:
    """Return the archive of the frame `name`, relative to the output folder."""
    return f"{RAW_FOLDER}/{names.label(name).removesuffix('.txt')}.npz"


def to_npz(results: RawOutputs) -> bytes:
    """Return an archive with every output under its name."""
    buffer = io.BytesIO()
    arrays = {f"array_{i}": array for i, array in enumerate(results.arrays.values())}
    plain = all(name.isidentifier() and name not in TAKEN for name in results.arrays)
    if plain:
        arrays = dict(results.arrays)
    else:  # names such as "/head/Conv_output_0", which are no members of a zip
        arrays["names"] = np.array(list(results.arrays))
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # allow_pickle is no parameter of numpy 1
    return buffer.getvalue()
