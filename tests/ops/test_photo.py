from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.ops.photo import read_photo


@pytest.mark.parametrize(
    "array",
    [
        np.full((4, 6), 100, np.uint8),
        np.full((4, 6), 100 * 257, np.uint16),
        np.full((4, 6, 3), 100, np.uint8),
        np.full((4, 6, 3), 100 * 257, np.uint16),
        np.full((4, 6, 4), 100, np.uint8),
    ],
    ids=["grey", "grey16", "colour", "colour16", "alpha"],
)
def test_every_depth_becomes_8_bit_bgr(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), array)
    bgr = read_photo(path)
    assert bgr.shape == (4, 6, 3)
    assert bgr.dtype == np.uint8
    assert (bgr == 100).all()


def test_exif_orientation_turns_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    jpeg = cv2.imencode(".jpg", np.zeros((10, 20, 3), np.uint8))[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    assert read_photo(path).shape == (20, 10, 3)


def huge_png() -> bytes:
    """A PNG whose header claims 60000 x 60000 pixels and whose data are none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content, message",
    [(b"", "is empty"), (b"no picture", "cannot be decoded"), (huge_png(), "cannot be decoded")],
    ids=["empty", "text", "huge"],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        read_photo(path)
    assert "bad.png" in caught.value.message
    assert caught.value.hint


def test_truncated_jpeg_header(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:80])
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_photo(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        read_photo(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_photo(tmp_path)
