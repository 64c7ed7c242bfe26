"""Inputs to verify a graph with: images as the model would get them, or generated ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgekit.data.frame_source import image_paths
from edgekit.errors import ModelError
from edgekit.ops.image import read_image
from edgekit.ops.letterbox import letterbox_image
from edgekit.ops.pixels import pack_input
from edgekit.sim.graph import Graph
from edgekit.sim.input import graph_input, graph_input_kind, input_size_hw
from edgekit.spec import InputSpec, Layout, Preprocess, load_spec, sidecar_path


def generated_frames(graph: Graph, count: int) -> Iterator[dict[str, np.ndarray]]:
    """What the graph takes, seeded: noise over the whole range, then smooth waves, which saturate other parts."""
    for index in range(count):
        rng = np.random.default_rng(index)
        frame: dict[str, np.ndarray] = {}
        for name, kind in graph.inputs.items():
            values = rng.uniform(-1, 1, kind.shape) if index % 2 == 0 else _waves(kind.shape, rng)
            if kind.dtype == np.float32:
                frame[name] = (3 * values).astype(np.float32)
            else:
                frame[name] = np.clip(np.floor(values * 128), -128, 127).astype(np.int8)
        yield frame


def image_frames(graph: Graph, model: Path, folder: Path, count: int) -> Iterator[dict[str, np.ndarray]]:
    """The first `count` images of `folder`, letterboxed and packed as the board does it, then as the graph takes it.

    The sidecar of `model` says how, where there is one. Raises DataError for a folder without images,
    ModelError for a graph that takes no image.
    """
    paths = image_paths(Path(folder), count)
    if len(graph.inputs) != 1 or graph_input_kind(graph) == "featuremap":
        raise ModelError("the graph takes no image, expected one image input", hint="leave --images away")
    ((name, kind),) = graph.inputs.items()
    input_spec, preprocess = _input_spec(graph, model, name)
    for path in paths:
        canvas, _ = letterbox_image(read_image(path), preprocess)
        packed = pack_input(canvas, input_spec, preprocess)
        yield {name: graph_input(packed, kind, name)}


def image_inputs(graph: Graph, model: Path, folder: Path, count: int) -> Iterator[np.ndarray]:
    """As image_frames, but packed for the device and no further: NV12 stays flat."""
    ((name, _),) = graph.inputs.items()
    input_spec, preprocess = _input_spec(graph, model, name)
    for path in image_paths(Path(folder), count):
        canvas, _ = letterbox_image(read_image(path), preprocess)
        yield pack_input(canvas, input_spec, preprocess)


def generated_images(graph: Graph, count: int) -> Iterator[np.ndarray]:
    """Device inputs without images: random luma and chroma, or random pixels."""
    ((_, kind),) = graph.inputs.items()
    height, width = input_size_hw(kind)
    shape = (height * width * 3 // 2,) if graph_input_kind(graph) == "nv12" else kind.shape
    for index in range(count):
        yield np.random.default_rng(index).integers(0, 256, shape).astype(np.uint8)


def _input_spec(graph: Graph, model: Path, name: str) -> tuple[InputSpec, Preprocess]:
    sidecar = sidecar_path(model)
    if sidecar.exists():
        spec = load_spec(sidecar)
        return spec.input, spec.preprocess
    kind = graph.inputs[name]
    height, width = input_size_hw(kind)
    layout: Layout = "NHWC" if kind.shape[3] in (1, 3) else "NCHW"
    return InputSpec(name, graph_input_kind(graph), layout), Preprocess(width, height)


def _waves(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    ramps = [np.linspace(0, rng.uniform(1, 9), size) for size in shape]
    grid = np.meshgrid(*ramps, indexing="ij")
    return np.asarray(np.sin(sum(grid)) * rng.uniform(0.5, 1.2))
