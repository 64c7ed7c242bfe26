"""The static estimate of a graph: its frame, its layers, what bounds each, and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ModelError
from edgekit.latency.band import Rated, error_band
from edgekit.latency.compute import compute_us, factors_of
from edgekit.latency.cpu import cpu_us
from edgekit.latency.features import group_of, unit_of
from edgekit.latency.frame import frame_timeline
from edgekit.latency.layer import Layer, graph_layers
from edgekit.latency.parameters import LatencyParameters, load_parameters
from edgekit.latency.source import COMPILE, read_source

__all__ = [
    "MEMORY",
    "Estimate",
    "LayerEstimate",
    "estimate_layers",
    "estimate_model",
    "inner_cpu_layers",
    "time_by_bound",
]

MEMORY = "memory"
WAITING = 0.5  # of a layer's time from which the memory bounds it


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer of the frame.

    `frame_us`: what it adds to the frame, waiting included; `compute_us`: computing alone; `transfer_us`: its loads
    and stores, which run beside other layers' computing; `bound`: the unit or "memory"; `fitted`: whether a fitted
    build had layers of its kind.
    """

    name: str
    op: str
    bound: str
    bits: int
    start_us: float
    frame_us: float
    compute_us: float
    transfer_us: float
    load_bytes: int
    store_bytes: int
    fitted: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """A frame at O3 on one BPU at full clock, as the compiler's static performance file would give it.

    `band`: nine of ten compiled builds lie within this share of the estimate, by cross-validation over families and
    widened for what the fit did not see; `ddr_bytes`: weights, images, results and maps that cannot wait on the chip
    (compiled builds move 3 to 45 % more); `cpu_nodes`: nodes between parts of the BPU's work, not in `frame_us`;
    `cpu_us`: what these and the copies around them take at least.
    """

    march: str
    task: str
    frame_us: float
    band: float
    ddr_bytes: int
    layers: tuple[LayerEstimate, ...]
    cpu_nodes: tuple[str, ...]
    cpu_us: float
    notes: tuple[str, ...]

    @property
    def fps(self) -> float:
        """Frames per second of one thread."""
        return 1e6 / self.frame_us

    @property
    def low_us(self) -> float:
        """Lower end of the band of the frame time, in microseconds."""
        return self.frame_us / (1 + self.band)

    @property
    def high_us(self) -> float:
        """Upper end of the band of the frame time, in microseconds."""
        return self.frame_us * (1 + self.band)

    def slowest(self, count: int) -> tuple[LayerEstimate, ...]:
        """Return the `count` layers that take most of the frame."""
        return tuple(sorted(self.layers, key=lambda layer: (-layer.frame_us, layer.name))[:count])


def estimate_model(path: Path, *, parameters: LatencyParameters | None = None) -> Estimate:
    """Estimate a model file.

    Args:
        path: A quantized graph, a simulated `.bin`, or a real `.bin` beside its quantized graph.
        parameters: The fitted factors; those of the package where None.

    Returns:
        The estimate.

    Raises:
        ModelError: for another march, an empty graph, shapes that are not fixed, operators that nobody knows.
    """
    parameters = parameters or load_parameters()
    source = read_source(Path(path))
    if source.march not in ("", parameters.march):
        raise ModelError(
            f"{path} is for march {source.march}, expected {parameters.march}: the estimate is fitted to its BPU alone",
            hint=f"build it for {parameters.march}, or read the compiler's own static performance file: edgekit report",
        )
    notes = () if source.march else (f"no file says the march: taken as {parameters.march}",)
    return estimate_layers(
        graph_layers(source.graph), parameters=parameters, task=source.task, notes=notes, location=str(path)
    )


def estimate_layers(
    layers: Sequence[Layer],
    *,
    parameters: LatencyParameters | None = None,
    task: str = "",
    notes: Sequence[str] = (),
    location: str = "the graph",
) -> Estimate:
    """Estimate a graph by its layers.

    Args:
        layers: All of them, in order, those of the CPU included.
        parameters: The fitted factors; those of the package where None.
        task: The model's task, "" where nothing says it.
        notes: Remarks that the caller has already.
        location: What the graph is called in messages.

    Returns:
        The estimate.

    Raises:
        ModelError: where no layer runs on the BPU.
    """
    parameters = parameters or load_parameters()
    on_bpu = [layer for layer in layers if not layer.on_cpu]
    if not on_bpu:
        raise ModelError(f"{location} has no layer that runs on the BPU, expected a quantized graph", hint=COMPILE)
    rows, frame_us = _rows(on_bpu, parameters)
    inner = inner_cpu_layers(layers)
    cpu, inner_us = tuple(layer.name for layer in inner if layer.op != "Dequantize"), cpu_us(inner)
    rated = [
        Rated(group_of(layer), row.fitted, row.bits, row.frame_us) for layer, row in zip(on_bpu, rows, strict=True)
    ]
    band, more = error_band(rated, frame_us, cpu, inner_us, parameters)
    return Estimate(
        march=parameters.march,
        task=task,
        frame_us=frame_us,
        band=band,
        ddr_bytes=sum(row.load_bytes + row.store_bytes for row in rows),
        layers=rows,
        cpu_nodes=cpu,
        cpu_us=inner_us,
        notes=(*notes, *more),
    )


def time_by_bound(estimate: Estimate) -> tuple[tuple[str, float], ...]:
    """Add up the frame's microseconds by what bounds the layers, the most first."""
    sums: dict[str, float] = {}
    for layer in estimate.layers:
        sums[layer.bound] = sums.get(layer.bound, 0.0) + layer.frame_us
    return tuple(sorted(sums.items(), key=lambda row: (-row[1], row[0])))


def _rows(layers: Sequence[Layer], parameters: LatencyParameters) -> tuple[tuple[LayerEstimate, ...], float]:
    """Every layer's figures, which add up to the frame's microseconds, and these."""
    computed = [compute_us(layer, parameters) for layer in layers]
    timeline, moved = frame_timeline(
        layers, computed, scales=parameters.scales, on_chip=parameters.spill, channel=parameters.channel
    )
    rows, before = [], 0.0
    ends = (*timeline.end_us[:-1], timeline.frame_us)  # the last results are stored behind the last layer
    for index, (layer, bytes_, end) in enumerate(zip(layers, moved, ends, strict=True)):
        waits = timeline.waits_us[index] + end - timeline.end_us[index]
        rows.append(
            LayerEstimate(
                name=layer.name,
                op=layer.op,
                bound=MEMORY if waits > WAITING * (end - before) else unit_of(layer),
                bits=layer.bits,
                start_us=timeline.start_us[index],
                frame_us=end - before,
                compute_us=computed[index],
                transfer_us=(bytes_.load + bytes_.store) / parameters.channel.bytes_per_us,
                load_bytes=round(bytes_.load),
                store_bytes=round(bytes_.store),
                fitted=factors_of(layer, parameters)[1],
            )
        )
        before = end
    return tuple(rows), timeline.frame_us


def inner_cpu_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the CPU's layers that have work of the BPU before and behind them, conversions included.

    Args:
        layers: All layers of the graph, in order.
    """
    running = [index for index, layer in enumerate(layers) if not layer.on_cpu]
    return tuple(layer for layer in layers[running[0] : running[-1]] if layer.on_cpu) if running else ()
