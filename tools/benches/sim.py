"""The simulated BPU: fast execution against onnxruntime float32 of the same model, and against the reference."""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import numpy as np

from benches.heads import MODEL, SHARED
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.fast.executor import FastExecutor
from edgekit.sim.graph import Graph, load_graph, strip_dequantize
from edgekit.sim.ops.dequantize import Dequantize

BUILDS = {
    "nv12": SHARED / "horizon/yolov8n_seg_nv12/yolov8n_seg_bayese_640x640_nv12_quantized_model.onnx",
    "rgb": SHARED / "horizon/yolov8n_seg_rgb/yolov8n_seg_bayese_640x640_nchw_quantized_model.onnx",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--graph", type=Path, help="a quantized graph (default: the shared yolov8n-seg builds)")
    parser.add_argument("--float", type=Path, help="the float model to compare with (default: shared yolov8n-seg)")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference-frames", type=int, default=3)


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print the table; return the ratios by build and pair."""
    graphs = {args.graph.name: args.graph} if args.graph else {k: p for k, p in BUILDS.items() if p.is_file()}
    float_model = args.float or (MODEL if MODEL.is_file() else None)
    if not graphs:
        graphs, float_model = _demo_build()
    floating = _float_run(float_model, args.threads) if float_model else None
    ratios: dict[str, float] = {}
    for name, path in graphs.items():
        ratios |= _bench(name, path, floating, args)
    print(f"peak memory of this process, all of it together: {_peak_mb():.0f} MB")
    return ratios


def _bench(name: str, path: Path, floating: Callable[[], object] | None, args: argparse.Namespace) -> dict[str, float]:
    started = time.perf_counter()
    graph = load_graph(path)
    executor = make_executor(graph, threads=args.threads)
    loaded = time.perf_counter() - started
    inputs = _inputs(graph)
    reference = ReferenceExecutor(graph)
    _check_same(graph, inputs, args.threads)
    runs: dict[str, Callable[[], object]] = {"fast": lambda: executor.run(inputs)}
    if floating:
        runs["float32"] = floating
    times = _side_by_side(runs, args.frames)
    times |= _side_by_side({"reference": lambda: reference.run(inputs)}, args.reference_frames)
    fast = median(times["fast"])
    slow_nodes = len(executor.reference_nodes()) if isinstance(executor, FastExecutor) else len(graph.nodes)
    print(f"{name}: loaded and planned in {loaded:.2f} s; {slow_nodes} of {len(graph.nodes)} nodes by the reference")
    for kind, values in times.items():
        print(f"  {kind:<10} median {median(values) * 1e3:8.1f} ms   best {min(values) * 1e3:8.1f} ms")
    ratios = {f"{name}: reference / fast": median(times["reference"]) / fast}
    if floating:
        ratios[f"{name}: fast / float32"] = fast / median(times["float32"])
        print(f"  fast / float32   {fast / median(times['float32']):.2f}   (target: 1.3 at most, below 1 the aim)")
    print(f"  reference / fast {median(times['reference']) / fast:.1f}   (target: at least 8)")
    return ratios


def _side_by_side(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every round; one after the other within a round, so that a busy machine slows all alike."""
    for call in runs.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, call in runs.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return times


def _check_same(graph: Graph, inputs: Mapping[str, np.ndarray], threads: int) -> None:
    """Speed counts only for the same integers."""
    raw = strip_dequantize(graph, [n.name for n in graph.nodes if _ends_in_output(graph, n.operator, n.outputs[0])])
    expected = ReferenceExecutor(raw).run(inputs)
    integers = make_executor(raw, threads=threads).run(inputs)
    differing = sum(int(np.sum(expected[name] != integers[name])) for name in expected)
    print(f"{sum(v.size for v in expected.values())} integers compared with the reference, {differing} differ")
    if differing:
        raise SystemExit(1)


def _ends_in_output(graph: Graph, operator: object, tensor: str) -> bool:
    return isinstance(operator, Dequantize) and tensor in graph.outputs


def _inputs(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for name, kind in graph.inputs.items():
        if kind.dtype == np.float32:
            made[name] = rng.standard_normal(kind.shape).astype(np.float32)
        else:
            made[name] = rng.integers(-128, 128, kind.shape).astype(np.int8)
    return made


def _float_run(path: Path, threads: int) -> Callable[[], object]:
    """The float heads model on onnxruntime: a stock export is cut first."""
    import onnxruntime

    from edgekit.export import cut_graph
    from edgekit.graph.onnx_graph import load_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    heads = cut_graph(load_model(path)).model.SerializeToString()
    session = onnxruntime.InferenceSession(heads, options, providers=["CPUExecutionProvider"])
    value = session.get_inputs()[0]
    image = np.random.default_rng(0).random(value.shape, np.float32)
    return lambda: session.run(None, {value.name: image})


def _demo_build() -> tuple[dict[str, Path], Path]:
    """Where the shared data is absent: the demo model, compiled by the simulated compiler on noise."""
    from benches.demo_build import build_demo

    return build_demo()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
