"""Reading an image: any depth, grey, alpha and orientation become 8-bit BGR, or a clear error."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.ops.image_header import image_size

# What cv2.imread reads and people have images in; the same for a folder, a list and a single file.
IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".dib", ".gif", ".hdr", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pam", ".pbm", ".pfm",
    ".pgm", ".png", ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
)  # fmt: skip
MAX_FILE_BYTES = 512 << 20
MAX_PIXELS = 1 << 27  # 134 megapixels: 400 MB as BGR; beyond that it is no image for a 640 px model
SENSOR_BITS = (8, 10, 12, 14, 16)  # how many bits of a 16-bit file a sensor's values take
FLOAT_WHITES = (1.0, 255.0, 65535.0)  # what white is in a file of floats
OVERSHOOT = 1.01  # how far resampling and lossy floats pass their white


def read_image(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read an image, turned as its EXIF orientation says.

    Grey is repeated, alpha is dropped. Deeper values are scaled to 8 bits from the fewest bits of `SENSOR_BITS` that
    hold the largest one: sensors of 10, 12 or 14 bits write 16-bit files whose upper bits stay empty. Floats are
    scaled from the smallest of `FLOAT_WHITES` that the largest one does not pass; Radiance files are cut off at 1.

    Args:
        path: The file; its name may hold any bytes, since only its contents reach OpenCV.

    Returns:
        (h, w, 3) uint8 BGR.

    Raises:
        ImageError: Where the file is missing, empty, too large or no image; the size is read from the header first.
    """
    path = Path(path)
    data = _read_bytes(path)
    size = image_size(data)
    if size is None:
        raise _undecodable(path, "no header of an image")
    if size[0] * size[1] > MAX_PIXELS:
        raise _undecodable(path, f"{size[0]}x{size[1]} pixels, expected at most {MAX_PIXELS}")
    try:
        image = _decode(data)
    except cv2.error as error:
        raise _undecodable(path, str(error).strip().splitlines()[-1]) from error
    except (MemoryError, OSError) as error:  # OSError: no room for the copy that `_decode_as` makes
        raise _undecodable(path, getattr(error, "strerror", None) or "not enough memory") from error
    if image is None:
        raise _undecodable(path, "no decodable image data")
    return np.asarray(image, np.uint8)


def _decode(data: bytes) -> npt.NDArray[np.uint8] | None:
    image = _decode_as(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None and data[:2] in (b"II", b"MM"):  # OpenCV makes no colours of a TIFF of grey floats
        image = _decode_as(data, cv2.IMREAD_ANYDEPTH)
    if image is None or image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        largest = int(image.max(initial=0))
        bits = next(bits for bits in SENSOR_BITS if largest < 1 << bits)
        np.right_shift(image, bits - 8, out=image)  # in place: a large image takes a gigabyte here
        return _three_channels(image.astype(np.uint8))
    if image.dtype.kind == "f" and not data.startswith(b"#?"):
        return _three_channels(_from_floats(image))
    return _decode_as(data, cv2.IMREAD_COLOR)  # signed integers and radiances, as OpenCV scales them


def _from_floats(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    np.nan_to_num(image, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(image.max(initial=0))
    white = next((white for white in FLOAT_WHITES if largest <= white * OVERSHOOT), largest)
    np.multiply(image, 255 / white, out=image)
    return np.asarray(np.clip(np.rint(image, out=image), 0, 255, out=image), np.uint8)


def _three_channels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _decode_as(data: bytes, flags: int) -> npt.NDArray[Any] | None:
    """Decode from memory; where that fails, as `cv2.imread` does from a file: it forgives a JPEG without its end."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        with tempfile.TemporaryDirectory(prefix="edgekit-image-") as folder:
            plain = Path(folder) / "image"  # a name that OpenCV can open, whatever the image is called
            plain.write_bytes(data)
            image = cv2.imread(str(plain), flags)
    return image


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ImageError(f"{path} is a folder, expected an image", hint="give the folder as --source or --images")
        if size == 0:
            raise ImageError(f"{path} is empty, expected an image", hint="copy the file again")
        if size > MAX_FILE_BYTES:
            raise ImageError(f"{path} has {size} bytes, expected at most {MAX_FILE_BYTES}", hint="scale it down")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ImageError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}), expected an image",
            hint="check the path",
        ) from error


def _undecodable(path: Path, why: str) -> ImageError:
    return ImageError(
        f"{path} cannot be decoded ({why}), expected an image such as {', '.join(IMAGE_SUFFIXES)}",
        hint="open it in an image viewer; export it as JPEG or PNG again",
    )


def mirrored(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return an image's mirror image: left becomes right.

    Args:
        bgr: (h, w, 3) uint8.
    """
    return np.ascontiguousarray(bgr[:, ::-1])
