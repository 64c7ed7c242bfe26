"""Runs below QEMU: each way of decoding once between two marks that the plugin counts at; prints the ways' names."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported: what other threads run would count, too

import cv2
import numpy as np

from edgekit.decode import DecodeOptions, Decoder
from edgekit.kernels.decoding import decode_kernels
from edgekit.ops.letterbox import letterbox_of
from edgekit.results import Segmentations
from edgekit.spec import ModelSpec, load_spec

MARK = 2_000_000_000  # as in count_marks.c
WARM_UP = 2  # buffers are allocated and modules imported by then
MASKS = 8


def main(folder: Path, source_wh: tuple[int, int]) -> None:
    """Count on every NAME.npz of a folder, whose sidecar is model.json, for images of one size."""
    cv2.setNumThreads(1)
    if decode_kernels().library is None:
        raise SystemExit(f"error: {decode_kernels().reason}")
    spec = load_spec(folder / "model.json")
    names = ["nothing"]
    _count(0, lambda: None)
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            heads = dict(archive)
        for name, way in _ways(spec, heads, source_wh).items():
            _count(len(names), way)
            names.append(f"{path.stem}: {name}")
    print("\n".join(names))


def _ways(spec: ModelSpec, heads: dict[str, np.ndarray], source_wh: tuple[int, int]) -> dict[str, Callable[[], object]]:
    letterbox = letterbox_of(source_wh, spec.preprocess)
    classes = [heads[head.name] for head in spec.outputs if head.role == "class"]
    compiled, by_numpy = (Decoder(spec, DecodeOptions(), compiled=choice) for choice in (True, False))
    results = compiled(heads, letterbox)
    expected = by_numpy(heads, letterbox)
    assert isinstance(results, Segmentations) and isinstance(expected, Segmentations)
    assert results.class_ids.tolist() == expected.class_ids.tolist(), "the two ways do not agree"

    def full_masks(of: Segmentations) -> Callable[[], object]:
        return lambda: [of.masks[i % len(of)] for i in range(MASKS)]

    return {
        "max": lambda: [tensor.max() for tensor in classes],
        "compiled": lambda: compiled(heads, letterbox),
        "numpy": lambda: by_numpy(heads, letterbox),
        f"{MASKS} full masks": full_masks(results),
        f"{MASKS} full masks by numpy": full_masks(expected),
    }


def _count(number: int, way: Callable[[], object]) -> None:
    for _ in range(WARM_UP):
        way()
    _mark(2 * number)
    way()
    _mark(2 * number + 1)


def _mark(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # there is none
        os.getpriority(os.PRIO_PROCESS, MARK + number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3])))
