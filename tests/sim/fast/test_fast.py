"""The fast execution gives the reference's integers, however the kernels were built and however it is called."""

from __future__ import annotations

import ctypes
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import ConfigError
from edgekit.kernels.library import OFF, compile_kernels
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.fast.arena import Lifetime, arrange
from edgekit.sim.fast.build import bpu_source, kernels
from edgekit.sim.fast.executor import FastExecutor
from edgekit.sim.fast.tables import eltwise_numbers
from edgekit.sim.graph import Graph, load_graph
from edgekit.sim.ops.elementwise_mul import ElementwiseMul
from edgekit.sim.ops.rescale import Rescale
from tests.sim.random_ops import MAKERS, random_graph, random_input
from tests.sim.synthetic import NodeSpec, graph_bytes


def assert_same(graph: Graph, inputs: dict[str, np.ndarray], executor: Any) -> None:
    tensors = [name for node in graph.nodes for name in node.outputs]
    expected = ReferenceExecutor(graph).run(inputs, tensors)
    for found in (executor.run(inputs), executor.run(inputs, tensors)):
        for name, value in found.items():
            assert value.dtype == expected[name].dtype
            assert np.array_equal(value, expected[name]), (name, graph.producers[name].attributes)


@pytest.mark.needs_kernels
@pytest.mark.parametrize("kind", sorted(MAKERS))
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_nodes(kind: str, seed: int) -> None:
    graph = load_graph(random_graph(kind, seed, count=8))
    assert_same(graph, random_input(seed), make_executor(graph))


@pytest.mark.needs_kernels
@pytest.mark.parametrize("kind", ["add", "sub", "mul"])
def test_pairs_of_any_width_have_a_kernel(kind: str) -> None:
    graph = load_graph(random_graph(kind, 5, count=16))
    executor = make_executor(graph)
    assert isinstance(executor, FastExecutor)
    assert not [name for name in executor.reference_nodes() if "Elementwise" in name]
    assert_same(graph, random_input(5), executor)


def test_numbers_that_32_bits_cannot_hold_are_left_to_the_reference() -> None:
    def numbers(scale: int, shift: int) -> np.ndarray | None:
        one = np.ones(1, np.int64)
        end = Rescale(one, one * scale, one * shift, 0 * one, True, 16)
        return eltwise_numbers(ElementwiseMul(end, ()), 4, 2)

    assert numbers(32768, 20) is None and numbers(-32768, 20) is None and numbers(5, 31) is None
    held = numbers(-32767, 30)
    assert held is not None and held.tolist()[:3] == [2, 1, 2] and held.tolist()[-8:] == [-32767] * 4 + [30] * 4


@pytest.fixture(
    scope="module", params=[("-mavx2", "-mno-avx512f"), ("-mno-avx2",), ()], ids=["avx2", "no-avx2", "plain"]
)
def other_build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels as other processors would have them."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    built = compile_kernels(bpu_source(), compiler, [request.param], tmp_path_factory.mktemp("kernels"))
    if built.library is None:
        pytest.skip(built.reason)
    return built.library


@pytest.mark.parametrize("kind", ["conv", "depthwise", "conv_transpose", "lut2layer", "add", "sub", "mul"])
def test_other_processors_compute_the_same(kind: str, other_build: ctypes.CDLL) -> None:
    graph = load_graph(random_graph(kind, 11))
    assert_same(graph, random_input(11), FastExecutor(graph, other_build))


def block(channels: int = 8) -> Graph:
    """Convolution and table twice, slices, a sum, requantized parts joined, pooled, enlarged: what a plan fuses."""
    rng = np.random.default_rng(0)

    def conv(name: str, source: str, inputs: int, outputs: int, **more: Any) -> NodeSpec:
        constants = {
            f"{name}_w": rng.integers(-128, 128, (outputs, 3, 3, inputs)).astype(np.int8),
            f"{name}_b": rng.integers(-3000, 3000, outputs).astype(np.int32),
            f"{name}_s": np.zeros(outputs, np.int8),
        }
        attributes = {
            "kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "right_shift": [3] * outputs, "scale": [18000] * outputs,
            "out_shift": [20] * outputs, "output_bit": 8, **more,
        }  # fmt: skip
        return NodeSpec("HzSQuantizedConv", [source, *constants], [name], attributes, constants, name)

    def part(name: str, source: str, first: int, last: int) -> NodeSpec:
        constants = {f"{name}_{k}": np.array([v], np.int64) for k, v in (("b", first), ("e", last), ("a", 3))}
        return NodeSpec("Slice", [source, *constants], [name], {}, constants, name)

    def requantized(name: str, source: str, count: int) -> NodeSpec:
        scales = {"output_scale": [25000] * count, "output_right_shift": [15] * count}
        return NodeSpec(
            "HzRequantize", [source], [name], {"axis": 3, "bits": 8, "method": "Rescale", **scales}, {}, name
        )

    half, table = channels // 2, np.random.default_rng(1).permutation(np.arange(-128, 128)).astype(np.int8)
    add = {
        "x_shift": [14],
        "e_scale": [9000],
        "accu_right_shift": [7],
        "output_scale": [16600],
        "output_right_shift": [20],
        "rounding_method": "ROUND",
    }
    nodes = [
        NodeSpec("Transpose", ["x"], ["t"], {"perm": [0, 2, 3, 1]}),
        conv("c1", "t", 3, channels, activation="relu"),
        NodeSpec("HzLut", ["c1", "table"], ["l1"], {}, {"table": table}),
        part("low", "l1", 0, half),
        part("high", "l1", half, channels),
        conv("c2", "high", half, half),
        NodeSpec("HzLut", ["c2", "table"], ["l2"], {}),
        NodeSpec("HzSElementwiseAdd", ["high", "l2"], ["sum"], add),
        requantized("r1", "low", half),
        requantized("r2", "high", half),
        NodeSpec("Concat", ["r1", "r2", "sum"], ["joined"], {"axis": 3}),
        NodeSpec("HzQuantizedMaxPool", ["joined"], ["pooled"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        NodeSpec("HzQuantizedResizeUpsample", ["pooled"], ["up"], {"mode": "nearest", "scale": [2, 2]}),
        NodeSpec("Concat", ["up", "joined", "joined"], ["all"], {"axis": 3}),
        conv("head", "all", 9 * half, 5, output_bit=32, high_precision_output=1),
        NodeSpec(
            "HzDequantize", ["head", "unit"], ["y"], {"axis": 3}, {"unit": np.linspace(0.01, 0.5, 5, dtype=np.float32)}
        ),
        NodeSpec("HzDequantize", ["sum", "one"], ["z"], {"axis": 3}, {"one": np.array([0.25], np.float32)}),
    ]
    outputs = {"y": ("float32", (1, 10, 14, 5)), "z": ("float32", (1, 10, 14, half)), "l2": ("int8", (1, 10, 14, half))}
    return load_graph(graph_bytes(nodes, {"x": ("int8", (1, 3, 10, 14))}, outputs))


def frame(seed: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).integers(-128, 128, (1, 3, 10, 14)).astype(np.int8)}


@pytest.mark.needs_kernels
@pytest.mark.parametrize("channels", [8, 12, 64])
def test_a_fused_plan(channels: int) -> None:
    graph = block(channels)
    executor = make_executor(graph)
    assert isinstance(executor, FastExecutor)
    assert len(executor.plan().calls) < len(graph.nodes)
    assert_same(graph, frame(3), executor)


@pytest.mark.needs_kernels
def test_frames_are_independent_and_results_stay() -> None:
    graph = block()
    executor = make_executor(graph)
    first = executor.run(frame(0))
    kept = {name: value.copy() for name, value in first.items()}
    executor.run(frame(1))
    assert all(np.array_equal(first[name], kept[name]) for name in kept)
    assert all(np.array_equal(executor.run(frame(0))[name], kept[name]) for name in kept)


@pytest.mark.needs_kernels
def test_several_threads_share_one_executor() -> None:
    graph = block()
    executor = make_executor(graph, threads=2)
    expected = [ReferenceExecutor(graph).run(frame(seed)) for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(20):
            found = executor.run(frame(seed))
            if not all(np.array_equal(found[name], expected[seed][name]) for name in found):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_without_a_compiler_the_reference_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "1")
    kernels.cache_clear()
    try:
        assert isinstance(make_executor(block()), ReferenceExecutor)
        assert OFF in kernels().reason
    finally:
        monkeypatch.delenv(OFF)
        kernels.cache_clear()


def test_a_compiler_that_fails_is_no_accident(tmp_path: Path) -> None:
    false = shutil.which("false")
    if false is None:
        pytest.skip("no program that fails")
    built = compile_kernels(bpu_source(), false, [()], tmp_path)
    assert built.library is None and built.reason


def test_unknown_executions_are_refused() -> None:
    with pytest.raises(ConfigError, match="execution 'quick'"):
        make_executor(block(), execution="quick")


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 20), st.integers(0, 8)), max_size=30))
def test_buffers_alive_together_never_overlap(drawn: list[tuple[int, int, int]]) -> None:
    lives = {str(i): Lifetime(size, first, first + length) for i, (size, first, length) in enumerate(drawn)}
    offsets, total = arrange(lives)
    for a, x in lives.items():
        assert offsets[a] + x.size <= total
        for b, y in lives.items():
            if a < b and x.first <= y.last and y.first <= x.last:
                assert offsets[a] + x.size <= offsets[b] or offsets[b] + y.size <= offsets[a]
