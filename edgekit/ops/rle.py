"""Binary masks as COCO run-length strings and as polygons."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def encode_rle(mask: Mask) -> dict[str, list[int] | str]:
    """Encode a mask as COCO's compressed RLE.

    Runs alternate off, on, ... in column order; from the fourth on each is written as the difference to the second
    before it, in groups of 5 bits, lowest first, as printable characters (cocoapi, maskApi.c).

    Args:
        mask: (h, w) bool.

    Returns:
        {"size": [h, w], "counts": str}.
    """
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": pack_runs(_runs(mask))}


def decode_rle(rle: dict[str, list[int] | str]) -> Mask:
    """Decode a compressed RLE that `encode_rle` wrote.

    Args:
        rle: {"size": [h, w], "counts": str}.

    Returns:
        (h, w) bool.
    """
    height, width = (int(side) for side in rle["size"])
    runs = _unpack(str(rle["counts"]))
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def mask_polygons(mask: Mask) -> list[list[float]]:
    """Trace the outlines of a mask; holes are filled, specks dropped.

    Args:
        mask: (h, w) bool.

    Returns:
        [x1, y1, x2, y2, ...] in pixels, per outline.
    """
    outlines = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    return [c.reshape(-1).astype(float).tolist() for c in outlines if len(c) >= 3]


def _runs(mask: Mask) -> npt.NDArray[np.int64]:
    flat = np.asarray(mask, np.bool_).T.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    runs = np.diff(bounds)
    return np.concatenate([[0], runs]) if flat.size and flat[0] else runs


def pack_runs(runs: npt.NDArray[np.int64]) -> str:
    """Write run lengths (n,), off first, as the characters of `encode_rle`."""
    deltas = runs.copy()
    deltas[3:] -= runs[1:-2]
    text = []
    for value in deltas.tolist():
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            text.append(chr(48 + (group | 32 if more else group)))
    return "".join(text)


def _unpack(text: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for char in text:
        group = ord(char) - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs
