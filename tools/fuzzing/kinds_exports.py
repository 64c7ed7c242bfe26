"""Kinds of exports beside YOLO's plain ones, and the maps that semantic segmentation and depth are scored against."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from fuzzing.kind import Kind, as_file
from fuzzing.kinds_graph import check_stock
from fuzzing.kinds_work import mutate_lines
from fuzzing.mutate_bytes import mutate_bytes
from fuzzing.mutate_graph import mutate_graph

MAP_WH = (12, 8)


@functools.cache
def export_seeds() -> tuple[bytes, ...]:
    """Q/DQ twins, open vocabularies, class maps and depth maps."""
    from tests.export.test_similarity import SPELLINGS, open_vocabulary
    from tests.qdq_twins import qdq_twin
    from tests.tiny_maps import tiny_depth, tiny_semantic
    from tests.tiny_yolo import save_tiny_yolo

    with tempfile.TemporaryDirectory() as folder:
        stock = save_tiny_yolo(Path(folder) / "stock.onnx", opset=13)
        twins = [qdq_twin(stock, symmetric=symmetric) for symmetric in (True, False)]
    maps = [tiny_semantic(), tiny_semantic(tail="scores"), tiny_depth()]
    return _serialized([*twins, *maps, *(open_vocabulary(spelling) for spelling in SPELLINGS)])


@functools.cache
def network_seeds() -> tuple[bytes, ...]:
    """Networks that are no YOLO: classifiers, several outputs and inputs, attention over words, Q/DQ pairs."""
    from tests.export.test_classify import SPELLINGS
    from tests.export.test_qdq import pair_graph
    from tests.export.test_raw import two_outputs
    from tests.export.test_word_attention import attention
    from tests.tiny_inputs import NETS

    with tempfile.TemporaryDirectory() as folder:
        nets = [onnx.load(make(Path(folder) / f"{name}.onnx")) for name, make in NETS.items()]
    return _serialized([*SPELLINGS.values(), two_outputs(), attention(), attention(13), pair_graph(low=0), *nets])


def _serialized(models: list[onnx.ModelProto]) -> tuple[bytes, ...]:
    return tuple(bytes(model.SerializeToString()) for model in models)


def check_network(path: Path) -> None:
    """Cut it as raw, and as a classifier where it may be one; ask whether the simulated compiler knows the result."""
    from edgekit.errors import ConfigError, EdgekitError
    from edgekit.export import CutOptions, cut_model
    from edgekit.export.input_options import InputOptions
    from edgekit.sim.compiler.supported import support_warning

    inputs = InputOptions(mean=(0.0,), std=(255.0,))
    with contextlib.suppress(EdgekitError):  # refused as a classifier; what it is as arrays decides
        cut_model(path, path.parent / "classifier.onnx", CutOptions(task="classify", inputs=inputs))
    raw = path.parent / "raw.onnx"
    try:
        spec = cut_model(path, raw, CutOptions(task="raw", inputs=inputs))
    except ConfigError:  # no input is an image
        spec = cut_model(path, raw, CutOptions(task="raw"))
    support_warning(raw, spec)


@functools.cache
def sample_seeds() -> tuple[bytes, ...]:
    """Archives of an image and a vector, with and without the batch; and the vector alone as an array."""
    image, vector = np.zeros((8, 12, 3), np.uint8), np.arange(12, dtype=np.float32)
    archives = []
    for arrays in ({"image": image, "state": vector[None]}, {"image": image[..., 0], "state": vector}):
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # allow_pickle is no parameter of numpy 1
        archives.append(stream.getvalue())
    stream = io.BytesIO()
    np.save(stream, vector)
    return (*archives, stream.getvalue())


def check_samples(path: Path) -> None:
    """Read it as a sample of a model of two inputs, and as one of a single featuremap; prepare what it holds."""
    from edgekit.errors import EdgekitError
    from edgekit.ops.buffers import Buffers
    from edgekit.runtime.array_source import open_samples
    from edgekit.runtime.model_inputs import prepare_arrays
    from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess

    data, last = path.read_bytes(), None
    vector, image = InputSpec("state", "featuremap", shape=(1, 12)), InputSpec("image")
    for suffix, inputs in ((".npz", (image, vector)), (".npy", (vector,))):
        sample = path.with_suffix(suffix)
        sample.write_bytes(data)
        first, *more = inputs
        heads = (HeadSpec("y", "raw", (1, 2)),)
        spec = ModelSpec("raw", (), first, Preprocess(16, 16), heads, more_inputs=tuple(more))
        try:
            for item in open_samples(sample, inputs):
                prepare_arrays(item.read(), spec, Buffers())
            return
        except EdgekitError as error:
            last = error
    assert last is not None
    raise last


@functools.cache
def map_seeds() -> tuple[bytes, ...]:
    """A class map, a depth map, both as a PNG and the second as an array."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 5, MAP_WH[::-1], np.uint8)
    depths = rng.integers(0, 9000, MAP_WH[::-1]).astype(np.uint16)
    stream = io.BytesIO()
    np.save(stream, depths.astype(np.float32) / 1000)
    return (*(cv2.imencode(".png", values)[1].tobytes() for values in (classes, depths)), stream.getvalue())


def check_map(path: Path) -> None:
    """Read it as each label that it could be."""
    from edgekit.errors import EdgekitError
    from edgekit.evaluation.map_labels import MapLabels

    data, last = path.read_bytes(), None
    for suffix, task in ((".png", "semantic"), (".png", "depth"), (".npy", "depth")):
        label = path.with_suffix(suffix)
        label.write_bytes(data)
        labels = MapLabels(task, {path: label}, class_of={1: 0, 2: 1} if task == "semantic" else {})
        try:
            labels.read(path, MAP_WH)
        except EdgekitError as error:
            last = error
        else:
            return
    assert last is not None
    raise last


def counts_seeds() -> tuple[bytes, ...]:
    """Unfinished counts of class maps and of depth maps."""
    from edgekit.evaluation.map_scores import ERROR_EDGES

    classes = {"pairs": [[0, 0, 90], [0, 2, 4], [2, 1, 2]]}
    depth = {"depth": [0.9, 0.1, None], "errors": [3] * (len(ERROR_EDGES) - 1)}
    files = []
    for task, counts in (("semantic", classes), ("depth", depth)):
        head = {"task": task, "classes": 3, "images": 3}
        rows = [{"image_id": 0, "model": counts, "agreement": counts}, {"image_id": 2, "error": "e"}]
        files.append("".join(json.dumps(line) + "\n" for line in [head, *rows]).encode())
    return tuple(files)


def _counted_image(task: str, row: Any) -> int:
    from edgekit.evaluation.map_rows import counts_from_row

    return counts_from_row(row, task, 3).image_id


def check_counts(path: Path) -> None:
    from edgekit.evaluation.map_rows import counts_from_row
    from edgekit.evaluation.row_file import resume_rows

    for seed in counts_seeds():
        head = json.loads(seed.splitlines()[0])
        copy = path.with_name(f"{head['task']}.jsonl")
        copy.write_bytes(path.read_bytes())
        task = str(head["task"])
        row_id = functools.partial(_counted_image, task)
        resume_rows(copy, head, row_id, range(3))
        for line in copy.read_bytes().splitlines()[1:]:
            counts_from_row(json.loads(line), task, 3)


KINDS = (
    Kind("counts", "unfinished counts of maps of eval", counts_seeds, mutate_lines, as_file("c.jsonl"), check_counts),
    Kind("exports", "Q/DQ, open-vocabulary, semantic and depth exports, cut", export_seeds, mutate_graph,
         as_file("stock.onnx"), check_stock, lambda path: ["cut", str(path), "-o", str(path.parent / "heads.onnx")]),
    Kind("network", "networks that are no YOLO, cut as raw and as classifiers", network_seeds, mutate_graph,
         as_file("network.onnx"), check_network,
         lambda path: ["cut", str(path), "--task", "raw", "--normalize", "unit", "-o", str(path.parent / "cut.onnx")]),
    Kind("map", "class maps and depth maps, as PNG and arrays", map_seeds, mutate_bytes, as_file("label"), check_map),
    Kind("samples", "arrays for models of several inputs", sample_seeds, mutate_bytes, as_file("s"), check_samples),
)  # fmt: skip
