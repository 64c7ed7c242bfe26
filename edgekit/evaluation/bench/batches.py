"""Several images through a float model at once: the graph with a larger batch, and how long an image takes in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgekit.artifacts import QUANTIZED_SUFFIX
from edgekit.decode.plan import DecodeOptions
from edgekit.errors import UnfitError
from edgekit.graph.onnx_graph import graph_inputs, index_graph, load_model, open_session
from edgekit.ops.buffers import Buffers
from edgekit.progress import Progress, silent
from edgekit.runtime.ort import OrtDevice
from edgekit.runtime.perf import STAGES, Image, PerfRun, latency_of
from edgekit.runtime.providers import choose_provider
from edgekit.runtime.session import Session
from edgekit.spec import ModelSpec, load_spec, sidecar_path

__all__ = ["measure_batches", "open_batched", "with_batch"]

TOLERANCE = 1e-3  # of the largest value: sums in another order
LEAST_BATCHES = 2
PROVEN_BATCH = 2


@dataclass(frozen=True, slots=True)
class Batched:
    """A session whose device takes `batch` images at once."""

    session: Session
    batch: int


def open_batched(path: Path, device: str, *, batch: int, options: DecodeOptions, threads: int = 0) -> Batched:
    """Open a float model with a larger batch.

    Args:
        path: A float ONNX.
        device: "auto" or a provider of onnxruntime.
        batch: Images at once.
        options: Of decoding.
        threads: Of onnxruntime's CPU part; 0 leaves it the choice.

    Returns:
        The session and its batch.

    Raises:
        UnfitError: The model is compiled for one image, or its graph does not take more.
        EdgekitError: The model or the device is not usable.
    """
    if path.suffix != ".onnx" or path.name.endswith(QUANTIZED_SUFFIX):
        raise UnfitError(f"{path.name} is compiled for one image, expected a batch of {batch}", hint="remove --batch")
    model, spec = _heads(path)
    _prove(model, path.name)
    provider, note = choose_provider() if device == "auto" else (device, "")
    content = with_batch(model, batch).SerializeToString()
    opened = OrtDevice(content, name=path.name, provider=provider, threads=threads)
    return Batched(Session(spec, opened, options, (note,) if note else ()), batch)


def with_batch(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """Return a graph for several images.

    Args:
        model: For one image, which leads every shape that it spells out.
        batch: Images at once.

    Returns:
        A copy; it must be held against `model`, since a constant may mean another thing than the batch.
    """
    index = index_graph(model)
    larger = onnx.ModelProto()
    larger.CopyFrom(model)
    for node in larger.graph.node:
        position = {"Reshape": 1, "Expand": 1, "Resize": 3}.get(node.op_type)
        shape = index.constants.get(node.input[position]) if position and len(node.input) > position else None
        if shape is not None and shape.size and int(shape.ravel()[0]) == 1:
            name = f"{node.output[0]}_batch_shape"
            values = np.concatenate([[batch], shape.ravel()[1:]]).astype(np.int64)
            larger.graph.initializer.append(numpy_helper.from_array(values, name))
            node.input[position] = name
    for value in (*graph_inputs(larger), *larger.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del larger.graph.value_info[:]
    return larger


def measure_batches(
    batched: Batched, images: Sequence[Image], *, frames: int, warmup: int, progress: Progress = silent
) -> PerfRun:
    """Measure whole batches, one after another; the times are those of a batch divided by its images.

    Args:
        batched: The session.
        images: (h, w, 3) uint8 BGR each, taken in turn.
        frames: How many images are measured at least.
        warmup: How many are not.
        progress: Called per batch.

    Returns:
        The measurement, in milliseconds per image.
    """
    size = batched.batch
    rounds = max(LEAST_BATCHES, -(-frames // size))
    buffers = [Buffers() for _ in range(size)]
    for index in range(max(1, -(-warmup // size))):
        _run(batched, _taken(images, index, size), buffers)
    marks, objects = [], 0
    begin, cpu = time.perf_counter(), time.process_time()
    for index in range(rounds):
        clock, count = _run(batched, _taken(images, index, size), buffers)
        marks.append(clock)
        objects += count
        progress("measure", index + 1, rounds)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    per_image = np.asarray(marks) * 1000 / size
    return PerfRun(
        threads=1,
        frames=rounds * size,
        seconds=seconds,
        fps=rounds * size / seconds,
        cpu_percent=100 * cpu_seconds / seconds,
        objects_per_frame=objects / (rounds * size),
        total=latency_of(per_image[:, -1] - per_image[:, 0]),
        stages={stage: latency_of(ms) for stage, ms in zip(STAGES, np.diff(per_image, axis=1).T, strict=False)},
        sensors={},
    )


def _taken(images: Sequence[Image], index: int, size: int) -> list[Image]:
    return [images[(index * size + i) % len(images)] for i in range(size)]


def _run(batched: Batched, images: Sequence[Image], buffers: Sequence[Buffers]) -> tuple[tuple[float, ...], int]:
    """Return the clock before the first and after every stage of a batch, and how many objects there are."""
    session, clock = batched.session, time.perf_counter
    begin = clock()
    prepared = [session.prepare(image, buffers=own) for image, own in zip(images, buffers, strict=True)]
    inputs = np.concatenate([array for array, _ in prepared])
    ready = clock()
    heads = session.infer(inputs)
    inferred = clock()
    results = [
        session.decode({name: value[i : i + 1] for name, value in heads.items()}, letterbox)
        for i, (_, letterbox) in enumerate(prepared)
    ]
    return (begin, ready, inferred, clock()), sum(len(of_image) for of_image in results)


def _heads(path: Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return the cut graph of a float model for one image, and its description."""
    from edgekit.export import cut_graph

    model, sidecar = load_model(path), sidecar_path(path)
    known = load_spec(sidecar) if sidecar.exists() else None
    if known is not None and known.stage == "heads":
        return model, known
    cut = cut_graph(model, known=known)
    return cut.model, replace(cut.spec, stage="heads")


def _prove(model: onnx.ModelProto, name: str) -> None:
    """Raise UnfitError unless two images at once give what each gives alone."""
    source = graph_inputs(model)[0]
    shape = [dim.dim_value for dim in source.type.tensor_type.shape.dim]
    images = np.random.default_rng(0).random((PROVEN_BATCH, *shape[1:]), np.float32)
    try:
        together = open_session(with_batch(model, PROVEN_BATCH))({source.name: images})
    except Exception as error:  # onnxruntime has a class of its own per failure
        raise _not_batched(name) from error
    alone = open_session(model)
    for i in range(PROVEN_BATCH):
        for tensor, value in alone({source.name: images[i : i + 1]}).items():
            if not _close(together[tensor][i : i + 1], value):
                raise _not_batched(name)


def _close(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= TOLERANCE * max(1.0, np.abs(b).max(initial=0)))


def _not_batched(name: str) -> UnfitError:
    return UnfitError(
        f"the graph of {name} does not take several images at once as it takes each alone",
        hint="remove --batch for this model",
    )
