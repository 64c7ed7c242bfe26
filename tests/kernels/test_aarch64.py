"""The kernels of aarch64, built by Debian's cross compiler and run by qemu-user, find the objects of this machine's.

apt install gcc-aarch64-linux-gnu qemu-user
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.decode import DecodeOptions, Decoder
from edgekit.decode.compiled import frame_block, plan_layout
from edgekit.kernels.decode_layout import plan_block
from edgekit.kernels.decode_structs import ObjectsBlock
from edgekit.kernels.decoding import decode_kernels, decode_source
from edgekit.kernels.levels import FLAGS
from edgekit.spec import ModelSpec
from tests.kernels.formats import FORMATS, Format, make_frame, make_letterbox, make_spec

COMPILER, QEMU = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_decode_kernels,
    pytest.mark.skipif(not COMPILER or not QEMU, reason="no aarch64-linux-gnu-gcc or no qemu-aarch64"),
]
CAPACITY = 100


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that calls the kernels on a file's memory, for aarch64."""
    folder = tmp_path_factory.mktemp("replay")
    unit, program = folder / "unit.c", folder / "replay"
    source = decode_source()
    parts = (source.path, Path(__file__).with_name("replay.c"))
    unit.write_text("".join(f'#include "{path}"\n' for path in parts) + source.layout_checks)
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")]
    subprocess.run([str(COMPILER), *flags, "-static", str(unit), "-o", str(program), "-lm"], check=True)
    return program


@pytest.mark.parametrize("frame", ["usual", "crowded", "hostile"])
@pytest.mark.parametrize("kind", FORMATS, ids=str)
def test_objects_are_this_machines(kind: Format, frame: str, replay: Path, tmp_path: Path) -> None:
    spec = make_spec(kind)
    here, there = _Memory(spec, frame), _Memory(spec, frame)
    expected = here.run_here()
    count = there.run_there(replay, tmp_path)
    assert count == expected > 0
    for name, array in here.columns.items():
        tolerance = 0 if array.dtype.kind == "i" else 2e-3
        if name == "extra" and frame == "hostile":
            continue  # NaN and infinities of the heads
        np.testing.assert_allclose(there.columns[name][:count], array[:count], atol=tolerance, rtol=1e-4, err_msg=name)


class _Memory:
    """Everything that one call reads and writes, and where pointers to it stand."""

    def __init__(self, spec: ModelSpec, frame: str) -> None:
        layout = plan_layout(Decoder(spec, DecodeOptions(max_detections=CAPACITY)).plan)
        self.plan, self.keep = plan_block(layout)
        self.frame = frame_block(make_letterbox(spec))
        heads = make_frame(spec, frame)
        roles = ("object", "none", "none") if layout.kind == "anchored" else ("class", "box", "none")
        extra = next((h.role for h in spec.outputs if h.role in ("mask", "keypoint", "angle")), "none")
        roles = (*roles[:2], extra) if layout.kind != "anchored" else roles
        arrays = [heads.get(f"{role}_{stride}") for stride in spec.strides for role in roles]
        self.arrays = [None if a is None else np.ascontiguousarray(a) for a in arrays]
        self.heads = (ctypes.c_void_p * len(arrays))(*(None if a is None else a.ctypes.data for a in self.arrays))
        numbers, channels = 5 if layout.kind == "rotated" else 4, layout.extra_channels
        self.columns: dict[str, np.ndarray] = {
            "boxes": np.zeros((CAPACITY, numbers), np.float32),
            "image_boxes": np.zeros((CAPACITY, 4), np.float32),
            "scores": np.zeros(CAPACITY, np.float32),
            "extra": np.zeros((CAPACITY, channels), np.float32),
            "class_ids": np.zeros(CAPACITY, np.int32),
            "strides": np.zeros(CAPACITY, np.int32),
            "cells": np.zeros(CAPACITY, np.int64),
            "windows": np.zeros((CAPACITY, 4), np.int64),
        }
        self.out = ObjectsBlock(*(a.ctypes.data for a in self.columns.values()), CAPACITY, 0)

    def run_here(self) -> int:
        library = decode_kernels().library
        assert library is not None
        return int(library.edgekit_objects(self.plan, self.heads, self.frame, self.out))

    def run_there(self, program: Path, folder: Path) -> int:
        blobs = [self.plan, self.heads, self.frame, self.out, *self.keep, *self.arrays, *self.columns.values()]
        blobs = [blob for blob in blobs if blob is not None and _size(blob)]
        data = [bytearray(ctypes.string_at(_address(blob), _size(blob))) for blob in blobs]
        pointers = []
        by_address = {_address(blob): index for index, blob in enumerate(blobs)}
        for index, blob in enumerate(blobs):
            if not isinstance(blob, np.ndarray):  # a parameter block
                for offset in range(0, len(data[index]) - 7, 8):
                    (word,) = struct.unpack_from("<q", data[index], offset)
                    if word in by_address:
                        pointers += [index, offset, by_address[word]]
        numbers = struct.pack("<q", len(data)) + b"".join(struct.pack("<q", len(d)) + bytes(d) for d in data)
        tail = [len(pointers) // 3, *pointers, 0, 1, 2, 3]
        (folder / "in").write_bytes(numbers + struct.pack(f"<{len(tail)}q", *tail))
        command = [str(QEMU), str(program), str(folder / "in"), str(folder / "out")]
        subprocess.run(command, check=True, timeout=120)
        answer = (folder / "out").read_bytes()
        (count,) = struct.unpack_from("<q", answer)
        offset = 8
        for blob in blobs:
            if any(blob is column for column in self.columns.values()):
                blob[...] = np.frombuffer(answer, blob.dtype, blob.size, offset).reshape(blob.shape)
            offset += _size(blob)
        return int(count)


def _address(blob: Any) -> int:
    return int(blob.ctypes.data) if isinstance(blob, np.ndarray) else ctypes.addressof(blob)


def _size(blob: Any) -> int:
    return int(blob.nbytes) if isinstance(blob, np.ndarray) else ctypes.sizeof(blob)
