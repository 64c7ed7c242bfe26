"""What `edgekit verify` does with a model file of any kind."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.compilation.toolchain.find import find_toolchain
from edgekit.errors import ConfigError, ModelError
from edgekit.progress import Progress, silent
from edgekit.runtime.registry import quantized_beside
from edgekit.sim.container import is_sim_bin, read_sim_bin
from edgekit.sim.device import SimDevice
from edgekit.sim.graph import Graph, load_graph
from edgekit.sim.hbdk import HbdkSimDevice
from edgekit.sim.input import graph_input_kind
from edgekit.sim.provenance import execution_notes
from edgekit.sim.tensor_stats import OpTime, TensorStats, fast_profile, tensor_stats
from edgekit.sim.verify import Comparison, compare_integers, comparison_to_dict, raw_outputs, verify_graph
from edgekit.sim.verify_inputs import generated_frames, generated_images, image_frames, image_inputs
from edgekit.workers import Workers

HBDK_KIND = "simulated device against the instructions of the .bin (hbdk-sim)"


@dataclass(frozen=True, slots=True)
class Verification:
    """All comparisons of one model, and what was asked for besides."""

    model: Path
    frames: int
    comparisons: tuple[Comparison, ...]
    stats: tuple[TensorStats, ...]
    profile: tuple[OpTime, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Something was compared, and nothing differs that must not."""
        compared = any(comparison.elements for comparison in self.comparisons)
        return compared and all(comparison.differing == 0 for comparison in self.comparisons)


def verify_model(
    path: Path,
    *,
    images: Path | None = None,
    num: int = 1,
    oracle: str | None = None,
    stats: bool = False,
    profile: bool = False,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> Verification:
    """Compare the executions of a model: not one integer may differ.

    A real `.bin` is run by the toolchain's instruction simulator and compared with its quantized graph beside it.

    Args:
        path: A quantized graph, a simulated `.bin`, or a real `.bin`.
        images: A folder of images to feed; None: generated inputs.
        num: How many frames.
        oracle: "hb_mapper": compare every operator with the vendor's executor, too.
        stats: Whether to measure how much of its range every tensor uses.
        profile: Whether to time every operator.
        workers: Where frames are compared; None: in this process.
        progress: Called with stage, done and total.

    Returns:
        All comparisons, and what was asked for besides.

    Raises:
        ModelError: The file or its graph is wrong.
        DataError: The images are.
        ToolchainError: The vendor's toolchain is needed and not usable.
    """
    path = Path(path)
    source, real_bin = _graph_source(path)
    graph = load_graph(source)
    toolchain = find_toolchain() if oracle else None
    frames = list(image_frames(graph, path, images, num) if images else generated_frames(graph, num))
    comparisons = list(
        verify_graph(graph, frames, source=source, toolchain=toolchain, workers=workers, progress=progress)
    )
    if real_bin:
        comparisons.append(_verify_bin(path, graph, images, num, progress))
    return Verification(
        model=path,
        frames=len(frames),
        comparisons=tuple(comparisons),
        stats=tensor_stats(graph, frames) if stats else (),
        profile=fast_profile(graph, frames) if profile else (),
        notes=execution_notes(graph),
    )


def verification_to_dict(verification: Verification) -> dict[str, Any]:
    """As plain JSON values."""
    return {
        "model": str(verification.model),
        "frames": verification.frames,
        "passed": verification.passed,
        "comparisons": [comparison_to_dict(comparison) for comparison in verification.comparisons],
        "stats": [asdict(row) for row in verification.stats],
        "profile": [asdict(row) for row in verification.profile],
        "notes": list(verification.notes),
    }


def _graph_source(path: Path) -> tuple[Path | bytes, bool]:
    """The quantized graph of the model, and whether the model is a real `.bin`."""
    if not path.is_file():
        raise ModelError(f"{path} does not exist, expected a model", hint="check the path")
    if path.suffix == ".onnx":
        return path, False
    if is_sim_bin(path):
        return read_sim_bin(path).graph, False
    quantized = quantized_beside(path)
    if quantized is None:
        raise ConfigError(
            f"{path} has no quantized graph beside it, expected *_quantized_model.onnx of the same build",
            hint="put it beside the .bin; the toolchain writes both",
        )
    return quantized, True


def _verify_bin(path: Path, graph: Graph, images: Path | None, num: int, progress: Progress) -> Comparison:
    if len(graph.inputs) != 1 or graph_input_kind(graph) == "featuremap":
        raise ModelError(
            f"{path} takes {', '.join(graph.inputs)}, expected one image, the one input that is simulated instruction "
            "by instruction",
            hint="verify its quantized graph, which executes the same integers",
        )
    raw = raw_outputs(graph)
    simulated, instructions = SimDevice(raw), HbdkSimDevice(path)
    (name,) = graph.inputs
    inputs = list(image_inputs(graph, path, images, num) if images else generated_images(graph, num))
    expected: dict[str, list[np.ndarray]] = {}
    actual: dict[str, list[np.ndarray]] = {}
    try:
        for done, image in enumerate(inputs):
            progress("instructions of the .bin (about 20 s per frame)", done, len(inputs))
            integers = instructions.infer_integers({name: image})
            for output, values in simulated.infer({name: image}).items():
                expected.setdefault(output, []).append(values.astype(np.int64))
                actual.setdefault(output, []).append(integers[output])
    finally:
        instructions.close()
    return compare_integers(HBDK_KIND, _stacked(expected), _stacked(actual))


def _stacked(frames: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack(values) for name, values in frames.items()}
