"""NumPy's files read without trust: no pickles, sizes known before anything is allocated, one error for all damage."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from edgekit.errors import DataError

__all__ = ["MAX_ARRAYS", "MAX_BYTES", "read_array", "read_arrays"]

MAX_BYTES = 1 << 30  # of a file, unpacked
MAX_ARRAYS = 1 << 14


def read_array(path: Path, *, hint: str, max_bytes: int = MAX_BYTES) -> npt.NDArray[Any]:
    """Read a .npy file.

    Args:
        path: The file.
        hint: Of the error.
        max_bytes: The largest file that is read.

    Returns:
        The array as it was stored.

    Raises:
        DataError: It is larger, or no such file; whatever is wrong with it.
    """
    try:
        size = path.stat().st_size
        if size <= max_bytes:
            # as a memory map: a header that promises more than the file holds is refused before it is allocated
            return np.array(npy_format.open_memmap(path, mode="r"))  # of Python objects it refuses to make one
    except Exception as error:  # numpy's parser of headers raises whatever a broken one makes it stumble over
        raise _unreadable(path, error, hint) from error
    raise DataError(f"{path} has {size} bytes, expected at most {max_bytes}", hint=hint)


def read_arrays(
    path: Path, *, hint: str, max_bytes: int = MAX_BYTES, max_arrays: int = MAX_ARRAYS
) -> dict[str, npt.NDArray[Any]]:
    """Read a .npz file.

    Args:
        path: The file.
        hint: Of the error.
        max_bytes: The most that all arrays together may unpack to.
        max_arrays: The most entries.

    Returns:
        The arrays by name.

    Raises:
        DataError: It holds more, a name twice, or is no such file; whatever is wrong with it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            count, size = len(entries), sum(entry.file_size for entry in entries)
            members = {entry.filename.removesuffix(".npy"): entry for entry in entries}
            if count <= max_arrays and size <= max_bytes and len(members) == count:
                return {name: _member(archive, entry) for name, entry in members.items()}
    except Exception as error:  # zipfile and numpy raise whatever a broken file makes them stumble over
        raise _unreadable(path, error, hint) from error
    raise DataError(
        f"{path} holds {count} arrays of {size} bytes unpacked, "
        f"expected at most {max_arrays} of {max_bytes}, each name once",
        hint=hint,
    )


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(entry) as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))


def _unreadable(path: Path, error: Exception, hint: str) -> DataError:
    return DataError(f"{path} cannot be read as arrays ({type(error).__name__}: {error})", hint=hint)
