"""The really compiled yolov8n-seg: not one integer differs from the vendor's executor on real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import Graph, load_graph, strip_dequantize

BUILDS = {
    "nv12": "horizon/yolov8n_seg_nv12/yolov8n_seg_bayese_640x640_nv12_quantized_model.onnx",
    "rgb": "horizon/yolov8n_seg_rgb/yolov8n_seg_bayese_640x640_nchw_quantized_model.onnx",
}
IMAGES = ("000000000776", "000000002006")


@pytest.fixture(scope="module", params=sorted(BUILDS))
def build(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, Graph]:
    return request.param, load_graph(shared_data / BUILDS[request.param])


def golden(shared_data: Path, kind: str, image: str) -> dict[str, np.ndarray]:
    with np.load(shared_data / "horizon" / "golden" / f"{kind}_{image}.npz", allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def raw(graph: Graph) -> Graph:
    return strip_dequantize(graph, [node.name for node in graph.nodes if node.op_type == "HzDequantize"])


@pytest.mark.parametrize("image", IMAGES)
def test_the_fast_execution_gives_the_vendors_integers_and_floats(
    build: tuple[str, Graph], image: str, shared_data: Path
) -> None:
    kind, graph = build
    kept = golden(shared_data, kind, image)
    integers = make_executor(raw(graph)).run({"images": kept["input"]})
    floats = make_executor(graph).run({"images": kept["input"]})
    for name, value in integers.items():
        assert value.dtype == kept[f"int:{name}"].dtype
        assert np.count_nonzero(value != kept[f"int:{name}"]) == 0, name
        assert np.array_equal(floats[name], kept[f"int:{name}"].astype(np.float32) * kept[f"scale:{name}"]), name


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("nv12", IMAGES[0]),
        pytest.param("nv12", IMAGES[1], marks=pytest.mark.slow),
        pytest.param("rgb", IMAGES[0], marks=pytest.mark.slow),
        pytest.param("rgb", IMAGES[1], marks=pytest.mark.slow),
    ],
)
def test_the_reference_gives_the_vendors_integers(kind: str, image: str, shared_data: Path) -> None:
    kept = golden(shared_data, kind, image)
    found = ReferenceExecutor(raw(load_graph(shared_data / BUILDS[kind]))).run({"images": kept["input"]})
    assert {name: int(np.count_nonzero(v != kept[f"int:{name}"])) for name, v in found.items()} == dict.fromkeys(
        found, 0
    )
