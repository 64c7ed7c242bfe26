"""Reading a photo: any depth, grey, alpha and orientation become 8-bit BGR, or a clear error."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError

PHOTO_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_FILE_BYTES = 512 << 20
MAX_PIXELS = 1 << 28  # 268 megapixels: 800 MB as BGR; beyond that it is no photo for a 640 px model


def read_photo(path: str | Path) -> npt.NDArray[np.uint8]:
    """The photo as (h, w, 3) uint8 BGR, turned as its EXIF orientation says.

    16-bit is scaled to 8, grey is repeated, alpha is dropped. Raises ImageError where the file is missing,
    empty, too large or no picture.
    """
    path = Path(path)
    data = _read_bytes(path)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _undecodable(path, str(error).strip().splitlines()[-1]) from error
    except MemoryError as error:
        raise _undecodable(path, "not enough memory") from error
    if bgr is None:
        raise _undecodable(path, "no decodable picture data")
    if bgr.shape[0] * bgr.shape[1] > MAX_PIXELS:
        raise _undecodable(path, f"{bgr.shape[1]}x{bgr.shape[0]} pixels, expected at most {MAX_PIXELS}")
    return np.asarray(bgr, np.uint8)


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ImageError(f"{path} is a folder, expected a photo", hint="give the folder as --source or --images")
        if size == 0:
            raise ImageError(f"{path} is empty, expected a photo", hint="copy the file again")
        if size > MAX_FILE_BYTES:
            raise ImageError(f"{path} has {size} bytes, expected at most {MAX_FILE_BYTES}", hint="scale it down")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read ({error.strerror or error}), expected a photo", hint="check the path"
        ) from error


def _undecodable(path: Path, why: str) -> ImageError:
    return ImageError(
        f"{path} cannot be decoded ({why}), expected a photo such as {', '.join(PHOTO_SUFFIXES)}",
        hint="open it in a picture viewer; export it as JPEG or PNG again",
    )
