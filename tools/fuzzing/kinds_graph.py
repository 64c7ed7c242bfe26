"""Kinds that hold a network: quantized graphs, both kinds of `.bin`, bundles, stock exports."""

from __future__ import annotations

import functools
import io
import json
import tarfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.kind import DifferentError, Kind, as_file
from fuzzing.mutate_bytes import mutate_bytes
from fuzzing.mutate_graph import mutate_graph
from fuzzing.mutate_tree import mutate_json
from fuzzing.mutate_wire import mutate_wire
from fuzzing.seeds_graph import quantized_seeds

SMALL = 1 / 1024  # of the limits on work and memory: what is also run, by both executions


@functools.cache
def stock_seeds() -> tuple[bytes, ...]:
    """Tiny exports of every family, the tasks in turn."""
    from tests.tiny_yolo import FAMILIES, tiny_yolo

    tasks = ("detect", "segment", "pose", "obb", "classify")
    options: list[dict[str, Any]] = [{"family": f, "task": "detect"} for f in FAMILIES]
    options += [{"family": "yolov8", "task": task} for task in tasks[1:]] + [{"family": "yolo26", "end_to_end": True}]
    options += [{"family": "yolov8", "opset": 17, "batch": "batch"}, {"family": "yolo11", "dynamic_size": True}]
    return tuple(bytes(tiny_yolo(**one).SerializeToString()) for one in options)


def check_quantized(path: Path) -> None:
    """Load a graph; run it by both executions where it is small, and compare the integers."""
    from edgekit.sim.graph import load_graph

    load_graph(path)
    _run_small(path.read_bytes())


def _run_small(data: bytes, removed: tuple[str, ...] = ()) -> None:
    from edgekit.errors import ModelError
    from edgekit.sim import budget
    from edgekit.sim.graph import load_graph, strip_dequantize
    from edgekit.sim.verify import verify_graph

    limits = ("MAX_WORK", "MAX_BYTES", "MAX_SCRATCH", "MAX_TENSOR")
    usual = {name: getattr(budget, name) for name in limits}
    try:
        for name in limits:
            setattr(budget, name, int(usual[name] * SMALL) if name == "MAX_WORK" else int(usual[name] / 16))
        graph = strip_dequantize(load_graph(data), removed)
    except ModelError:
        return  # sound, and too large to be run here
    finally:
        for name in limits:
            setattr(budget, name, usual[name])
    rng = np.random.default_rng(len(data))
    frames = [{name: _values(rng, kind.shape, kind.dtype) for name, kind in graph.inputs.items()}]
    with np.errstate(all="ignore"):
        comparisons = verify_graph(graph, frames)
    for comparison in comparisons:
        if comparison.differing:
            ops = ", ".join(op.op_type for op in comparison.ops if op.differing and not op.inexact)
            raise DifferentError(f"{comparison.differing} of {comparison.elements} elements ({comparison.kind}): {ops}")


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "f":
        return rng.normal(0, 50, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


@functools.cache
def sim_bin_seeds() -> tuple[bytes, ...]:
    import tempfile

    from edgekit.sim.container import write_sim_bin

    found = []
    for data in (*quantized_seeds()[::5], quantized_seeds()[-1]):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.bin"
            write_sim_bin(path, data, march="bayes-e", tools={"edgekit": "1"})
            found.append(path.read_bytes())
    return tuple(found)


def mutate_sim_bin(rng: Random, data: bytes) -> bytes:
    """Damage the header, the graph with a right hash, or the bytes."""
    import hashlib

    from edgekit.artifacts import SIM_MAGIC as MAGIC
    from edgekit.sim.container import PREFIX_BYTES, VERSION

    draw = rng.random()
    if draw < 0.3:
        return mutate_bytes(rng, data)
    length = int(data[PREFIX_BYTES - 9 : PREFIX_BYTES - 1], 16)
    header, graph = data[PREFIX_BYTES : PREFIX_BYTES + length], data[PREFIX_BYTES + length :]
    if draw < 0.6:
        header = mutate_json(rng, header)
    else:
        graph = mutate_graph(rng, graph)
        digest = {"size": len(graph), "sha256": hashlib.sha256(graph).hexdigest()}
        header = json.dumps({**json.loads(header), **digest}).encode()
    return MAGIC + b" %02d %08x\n" % (VERSION, len(header)) + header + graph


def check_sim_bin(path: Path) -> None:
    from edgekit.logs.detect_kind import kind_of
    from edgekit.sim.container import read_sim_bin
    from edgekit.sim.graph import load_graph, strip_dequantize

    read = read_sim_bin(path)
    strip_dequantize(load_graph(read.graph), read.removed)
    kind_of(path)
    _run_small(read.graph, read.removed)


@functools.cache
def real_bin_seeds() -> tuple[bytes, ...]:
    from tests.logs.synthetic_bin import compiled_bin

    return compiled_bin(), compiled_bin(stripped=True)


def check_real_bin(path: Path) -> None:
    from edgekit.binary.bin_format import read_bin
    from fuzzing.reports import report_on

    read_bin(path)
    report_on(path)


@functools.cache
def bundle_seeds() -> tuple[bytes, ...]:
    """Archives as `deploy` writes them: a simulated model, its sidecar, the record."""
    return (_archive(_bundle_files()), _archive(_bundle_files(), top=""))


def _bundle_files() -> dict[str, bytes]:
    import hashlib

    parts = {"model": ("m.bin", sim_bin_seeds()[0]), "sidecar": ("m.json", b"{}"), "quantized": ("q.onnx", b"graph")}
    members = [
        {"part": part, "name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for part, (name, data) in parts.items()
    ]
    record = {"schema": "edgekit.bundle/1", "edgekit": "0.1.0", "name": "m", "task": "detect", "members": members}
    return {"bundle.json": json.dumps(record).encode(), **dict(parts.values())}


def _archive(files: dict[str, bytes], top: str = "m/", odd: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in odd:
            tar.addfile(info, io.BytesIO(b"x" * min(info.size, 1 << 20)) if info.isreg() else None)
    return stream.getvalue()


def mutate_bundle(rng: Random, data: bytes) -> bytes:
    """Damage the record, add members that do not belong there, or damage the archive's bytes."""
    import gzip

    draw = rng.random()
    if draw < 0.25:
        return mutate_bytes(rng, data)
    if draw < 0.45:
        return gzip.compress(mutate_bytes(rng, gzip.decompress(data)), 1)
    files = dict(_bundle_files())
    if draw < 0.85:
        files["bundle.json"] = mutate_json(rng, files["bundle.json"])
        return _archive(files)
    info = tarfile.TarInfo(
        rng.choice(("../x", "/tmp/x", "m/m.bin", "m/sub/x", "m", "é" * 200, "a/" * 300, "m/\x1b[31m", "."))
    )
    info.type = rng.choice(
        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.CHRTYPE)
    )
    info.linkname = rng.choice(("", "/etc/passwd", "../..", "m/m.bin"))
    info.size = rng.choice((0, 5)) if info.type == tarfile.REGTYPE else 0
    return _archive(files, odd=(info,))


def check_bundle(path: Path) -> None:
    from edgekit.bundle import open_bundle

    open_bundle(path, unpack_to=path.parent / "unpacked")


def check_stock(path: Path) -> None:
    from edgekit.export import cut_model

    cut_model(path, path.parent / "heads.onnx")


KINDS = (
    Kind(
        "quantized", "quantized graphs (ONNX), loaded and run by both executions",
        quantized_seeds, mutate_graph, as_file("q_quantized_model.onnx"), check_quantized,
    ),
    Kind("simbin", "simulated .bin", sim_bin_seeds, mutate_sim_bin, as_file("m.bin"), check_sim_bin,
         lambda path: ["report", str(path)]),
    Kind("realbin", "compiled .bin (protobuf)", real_bin_seeds, mutate_wire, as_file("m.bin"), check_real_bin,
         lambda path: ["report", str(path)]),
    Kind("bundle", "bundles as archives", bundle_seeds, mutate_bundle, as_file("m.tar.gz"), check_bundle),
    Kind("stock", "stock ONNX exports, cut at their heads", stock_seeds, mutate_graph, as_file("stock.onnx"),
         check_stock, lambda path: ["cut", str(path), "-o", str(path.parent / "heads.onnx")]),
)  # fmt: skip
