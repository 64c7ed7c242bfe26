"""What a folder of builds says: per build its layers with the compiler's microseconds, and its frame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.latency.features import features, group_of
from edgekit.latency.layer import Layer, graph_layers
from edgekit.logs.static_perf import StaticPerf, read_static_perf
from edgekit.sim.graph import load_graph

LAYERS_FILE, FRAME_FILE, SECOND_FILE = "O0.json", "O3.json", "O2.json"
QUANTIZED = "*_quantized_model.onnx"
SUFFIXES = ("", "-conv", "channel_max")  # what the compiler adds to a node's name
FAMILIES = (("v5", "v5u"), ("v8", "v8"), ("v9", "v9"), ("v10", "v10"), ("11", "11"), ("12", "12"), ("26", "26"))
POOL16 = "Pool int16"
REST = 1.15  # of a frame by the sum of its layers: loads that nothing hides
MANY = 5  # maps joined by one layer; more occur in generated graphs alone and are moved in another way


@dataclass(frozen=True, slots=True)
class Build:
    """One compiled model.

    `times_us`: per layer of the graph, computing without memory (16-bit poolings: as the frame has them), None where
    the file has no such layer;
    `frame_us`: the frame at O3, 0.0 where it was compiled for its layers only; `second_us`: the same at O2.
    """

    name: str
    family: str
    int16: bool
    layers: tuple[Layer, ...]
    times_us: tuple[float | None, ...]
    frame_us: float
    second_us: float
    ddr_bytes: int


def read_builds(folder: Path) -> tuple[Build, ...]:
    """Read every build of a folder, in the order of their names.

    Raises:
        DataError: where there is none.
    """
    found = tuple(_read(one) for one in sorted(folder.iterdir()) if _is_build(one))
    if not found:
        raise DataError(
            f"{folder} holds no builds, expected folders with {LAYERS_FILE}", hint="make them: fit_latency.py --make"
        )
    return found


def family_of(name: str) -> str:
    """Return the family of a build by its name, such as "v8n-seg-320"; "" for graphs that belong to none."""
    return next((family for start, family in FAMILIES if re.match(rf"{start}[a-z]", name)), "")


def group_rows(builds: tuple[Build, ...]) -> Mapping[str, list[tuple[Mapping[str, float], float]]]:
    """Collect the features and times of all layers by their group."""
    rows: dict[str, list[tuple[Mapping[str, float], float]]] = {}
    for build in builds:
        for layer, time in _timed(build):
            rows.setdefault(group_of(layer), []).append((features(layer), time))
    return rows


def _timed(build: Build) -> Iterator[tuple[Layer, float]]:
    for layer, time in zip(build.layers, build.times_us, strict=True):
        if time is not None and not (layer.op == "Concat" and len(layer.inputs) > MANY):
            yield layer, time


def _is_build(folder: Path) -> bool:
    files = (folder / LAYERS_FILE, folder / FRAME_FILE)
    return any(file.is_file() for file in files) and any(folder.glob(QUANTIZED))


def _read(folder: Path) -> Build:
    layers = graph_layers(load_graph(next(iter(sorted(folder.glob(QUANTIZED))))))
    static = _static(folder / LAYERS_FILE)
    times = {layer.name: layer.compute_us for layer in static.layers} if static else {}
    frame, second = _static(folder / FRAME_FILE), _static(folder / SECOND_FILE)
    on_bpu = tuple(layer for layer in layers if not layer.on_cpu)
    frame_us = frame.latency_us if frame else 0.0
    return Build(
        name=folder.name,
        family=family_of(folder.name),
        int16=bool(re.search(r"-w\d+$", folder.name)),
        layers=on_bpu,
        times_us=tuple(_frame_times(on_bpu, [_time(times, layer.name) for layer in on_bpu], frame_us)),
        frame_us=frame_us,
        second_us=second.latency_us if second else 0.0,
        ddr_bytes=next((static.ddr_bytes for static in (frame, second) if static), 0),
    )


def _frame_times(layers: Sequence[Layer], times: Sequence[float | None], frame_us: float) -> Iterator[float | None]:
    """Give the 16-bit poolings what a frame takes beside all else.

    O0 has them at a fraction of what they cost once the frame is scheduled: three of 20x20x128 take 11 ms at O3.
    """
    pools = [group_of(layer) == POOL16 for layer in layers]
    if not any(pools):
        yield from times
        return
    rest = sum(time or 0.0 for time, pool in zip(times, pools, strict=True) if not pool)
    each = max(0.0, frame_us - REST * rest) / sum(pools) if frame_us else None
    yield from (each if pool else time for time, pool in zip(times, pools, strict=True))


def _static(path: Path) -> StaticPerf | None:
    return read_static_perf(path) if path.is_file() else None


def _time(times: Mapping[str, float], name: str) -> float | None:
    return next((times[name + suffix] for suffix in SUFFIXES if name + suffix in times), None)
