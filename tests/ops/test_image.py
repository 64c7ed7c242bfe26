from __future__ import annotations

import errno
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.ops.image import IMAGE_SUFFIXES, MAX_PIXELS, mirrored, read_image
from edgekit.ops.image_header import image_size

UNCOMPRESSED = [cv2.IMWRITE_TIFF_COMPRESSION, 1]  # OpenCV 4 writes floats as LogLuv, which is lossy


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
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), array)
    bgr = read_image(path)
    assert bgr.shape == (4, 6, 3)
    assert bgr.dtype == np.uint8
    assert (bgr == 100).all()


def test_exif_orientation_turns_the_image(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    jpeg = cv2.imencode(".jpg", np.zeros((10, 20, 3), np.uint8))[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    assert read_image(path).shape == (20, 10, 3)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims that size and whose data are none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"no image", "cannot be decoded"),
        (png_claiming(60000, 60000), "60000x60000 pixels"),
    ],
    ids=["empty", "text", "huge"],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path)
    assert "bad.png" in caught.value.message
    assert caught.value.hint


def test_truncated_jpeg_header(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:80])
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_image(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)


def test_the_size_is_checked_before_a_pixel_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_claiming(32000, 32000))
    monkeypatch.setattr(cv2, "imdecode", lambda *given: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match=f"32000x32000 pixels, expected at most {MAX_PIXELS}"):
        read_image(path)


def images(folder: Path) -> dict[str, bytes]:
    """The same 67 x 45 image in every format that this OpenCV writes, by the ending."""
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), (67, 45))
    written = {}
    for suffix in IMAGE_SUFFIXES:
        path = folder / f"x{'.jpg' if suffix in ('.jfif', '.jpe') else suffix}"
        try:
            if cv2.imwrite(str(path), image[..., 0] if suffix in (".pbm", ".pgm") else image):
                written[suffix] = path.read_bytes()
        except cv2.error:
            continue
    return written


def test_every_format_that_imread_reads_is_read_and_measured(tmp_path: Path) -> None:
    written = images(tmp_path)
    assert {".bmp", ".jpg", ".jfif", ".png", ".ppm", ".ras", ".tiff", ".webp"} <= set(written)
    for suffix, data in written.items():
        assert image_size(data) == (67, 45), suffix
        path = tmp_path / f"image{suffix}"
        path.write_bytes(data)
        np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


@pytest.mark.parametrize("missing", [1, 2, 10, 200])
def test_a_jpeg_without_its_last_bytes_is_what_imread_makes_of_it(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "cut.jpg"
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8), (160, 120))
    path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes()[:-missing])
    expected = cv2.imread(str(path))
    assert expected is not None
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_grey_is_scaled_from_the_bits_that_its_sensor_has(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "deep.png"
    ramp = np.linspace(0, (1 << bits) - 1, 256).astype(np.uint16).reshape(16, 16)
    cv2.imwrite(str(path), ramp)
    np.testing.assert_array_equal(read_image(path)[..., 0], (ramp >> (bits - 8)).astype(np.uint8))
    assert read_image(path).max() == 255


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3)], ids=["grey", "colour"])
def test_floats_are_scaled_from_their_white(tmp_path: Path, white: float, shape: tuple[int, ...]) -> None:
    path = tmp_path / "float.tiff"
    values = np.linspace(0, 1, int(np.prod(shape))).astype(np.float32).reshape(shape)
    cv2.imwrite(str(path), values * np.float32(white), UNCOMPRESSED)
    bgr = read_image(path)
    np.testing.assert_allclose(bgr if len(shape) == 3 else bgr[..., 0], values * 255, atol=0.51)
    assert bgr.shape == (16, 16, 3)


def test_floats_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    path = tmp_path / "holes.tiff"
    cv2.imwrite(str(path), np.array([[[np.nan] * 3, [np.inf] * 3, [1.0] * 3, [-1.0] * 3]], np.float32), UNCOMPRESSED)
    assert read_image(path)[0, :, 0].tolist() == [0, 0, 255, 0]


def test_a_jpeg_2000_stream_without_its_box_is_measured_and_read(tmp_path: Path) -> None:
    try:
        boxed = cv2.imencode(".jp2", np.full((45, 67, 3), 90, np.uint8))[1].tobytes()
    except cv2.error:
        pytest.skip("this OpenCV writes no JPEG 2000")
    path = tmp_path / "image.j2k"
    path.write_bytes(boxed[boxed.index(b"\xff\x4f\xff\x51") :])
    assert image_size(path.read_bytes()) == (67, 45)
    assert abs(int(read_image(path)[5, 5, 0]) - 90) <= 2


def test_a_full_disk_while_a_cut_image_is_read_is_an_image_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(prefix: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "cut.png"
    path.write_bytes(png_claiming(4, 4))
    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(ImageError, match="No space left"):
        read_image(path)


def test_a_name_of_any_bytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.png"  # "caf\xe9" in Latin-1, as old archives have it
    path.write_bytes(cv2.imencode(".png", np.full((4, 6, 3), 9, np.uint8))[1].tobytes())
    assert (read_image(path) == 9).all()


@pytest.mark.parametrize(
    "data",
    [b"\xff\xd8\xff", b"\xff\xd8\xff\xda" + b"\0" * 99, b"RIFF....WEBPVP8 ", b"II*\0\xff\xff\xff\xff", b"P6 x", b"BM",
     b"\0\0\0\x0cftypavif" + b"\0" * 64, b"\x89PNG\r\n\x1a\n", b"#?RADIANCE\n", b"GIF89a", b""],
)  # fmt: skip
def test_a_header_that_is_cut_off_has_no_size(data: bytes) -> None:
    assert image_size(data) is None


def test_a_path_that_no_file_system_takes_is_a_clear_error(tmp_path: Path) -> None:
    for name in ("n" * 300 + ".jpg", "a\0b.jpg"):
        with pytest.raises(ImageError, match="cannot be read"):
            read_image(tmp_path / name)


def test_left_and_right_change_places_in_a_mirror_image() -> None:
    bgr = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
    turned = mirrored(bgr)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned[0, :, 0], [9, 6, 3, 0])
    np.testing.assert_array_equal(mirrored(turned), bgr)
