"""The size of an image from the first bytes of its file, before any pixel is decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

Size = tuple[int, int]
MAX_BOXES = 256  # of an ISO file (AVIF, JPEG 2000): a real one has a few dozen
MAX_MARKERS = 4096  # of a JPEG before its frame: a phone's depth map takes hundreds


def image_size(data: bytes) -> Size | None:
    """Read width and height in pixels from an image's header.

    Args:
        data: The bytes of the file, from its beginning.

    Returns:
        (width, height) before any EXIF rotation; None where the bytes are no image of a known format, or their
        header is cut off.
    """
    for fits, read in READERS:
        if fits(data):
            try:
                return read(data)
            except (struct.error, IndexError, ValueError, OverflowError):  # OverflowError: an offset of 64 bits
                return None
    return None


def _png(data: bytes) -> Size | None:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> Size | None:
    at = 2
    for _ in range(MAX_MARKERS):
        at = data.index(b"\xff", at)
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
        if marker == 0xDA:  # the pixels begin, and no frame was declared
            return None
        if marker != 0x01 and not 0xD0 <= marker <= 0xD8:
            at += struct.unpack_from(">H", data, at)[0]
    return None


def _gif(data: bytes) -> Size | None:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: bytes) -> Size | None:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # OS/2's header
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # a negative height: rows from top to bottom


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(data: bytes) -> Size | None:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), data, at)[0]
    first, step = (at + 8, 20) if big else (at + 2, 12)
    sides: dict[int, int] = {}
    for index in range(min(count, 4096)):
        entry = first + index * step
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            formats = {3: "H", 4: "I", 16: "Q"}
            sides[tag] = struct.unpack_from(order + formats.get(kind, "I"), data, entry + (12 if big else 8))[0]
    return (sides[256], sides[257]) if len(sides) == 2 else None


def _netpbm(data: bytes) -> Size | None:
    text = re.sub(rb"#[^\n]*\n", b" ", data[:4096])
    match = re.match(rb"P[1-6Ff]\s+(\d{1,10})\s+(\d{1,10})", text)
    return (int(match[1]), int(match[2])) if match else None


def _pam(data: bytes) -> Size | None:
    width = re.search(rb"\nWIDTH\s+(\d{1,10})", data[:4096])
    height = re.search(rb"\nHEIGHT\s+(\d{1,10})", data[:4096])
    return (int(width[1]), int(height[1])) if width and height else None


def _radiance(data: bytes) -> Size | None:
    match = re.search(rb"\n[-+]Y (\d{1,10}) [-+]X (\d{1,10})\n", data[:65536])
    return (int(match[2]), int(match[1])) if match else None


def _sun(data: bytes) -> Size | None:
    width, height = struct.unpack_from(">II", data, 4)
    return width, height


def _jpeg2000_stream(data: bytes) -> Size | None:
    right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
    return right - left, bottom - top


def _jpeg2000(data: bytes) -> Size | None:
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"jp2h":
            for inner, at, _ in _boxes(data, start, end):
                if inner == b"ihdr":
                    height, width = struct.unpack_from(">II", data, at)
                    return width, height
    return None


def _avif(data: bytes) -> Size | None:
    """Return the largest image that the file's properties declare: the image itself, or a grid of tiles."""
    sizes = [
        size for kind, start, end in _boxes(data, 0, len(data)) if kind == b"meta" for size in _ispe(data, start, end)
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _ispe(data: bytes, start: int, end: int) -> Iterator[Size]:
    for kind, inside, after in _boxes(data, start + 4, end):
        if kind == b"iprp":
            for inner, first, last in _boxes(data, inside, after):
                for name, at, _ in _boxes(data, first, last) if inner == b"ipco" else ():
                    if name == b"ispe":
                        width, height = struct.unpack_from(">II", data, at + 4)
                        yield width, height


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, begin, end) of the contents of the boxes of an ISO media file."""
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        size, kind, head = struct.unpack_from(">I", data, at)[0], data[at + 4 : at + 8], 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = end - at if size == 0 else size
        if size < head:
            return
        yield kind, at + head, min(at + size, end)
        at += size


def _begins(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(signatures)


READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Size | None]], ...] = (
    (_begins(b"\x89PNG\r\n\x1a\n"), _png),
    (_begins(b"\xff\xd8\xff"), _jpeg),
    (_begins(b"GIF87a", b"GIF89a"), _gif),
    (_begins(b"BM"), _bmp),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
    (_begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (_begins(b"P7"), _pam),
    (_begins(b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"PF", b"Pf"), _netpbm),
    (_begins(b"#?RADIANCE", b"#?RGBE"), _radiance),
    (_begins(b"\x59\xa6\x6a\x95"), _sun),
    (_begins(b"\0\0\0\x0cjP  \r\n\x87\n"), _jpeg2000),
    (_begins(b"\xff\x4f\xff\x51"), _jpeg2000_stream),
    (lambda data: data[4:8] == b"ftyp", _avif),
)
