"""What hrt_model_exec prints on the board: model_info's tensors and perf's measurements, alone or after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgekit.logs.failures import Failure, FailureWatch
from edgekit.logs.lines import LogLine
from edgekit.logs.numbers import finite
from edgekit.runtime import hrt

MODEL = re.compile(r"\[model name\]:\s*(\S+)\s*$")
TENSOR = re.compile(r"(input|output)\[(\d{1,4})\]:\s*$")
FIELD = re.compile(r"([a-zA-Z][a-zA-Z ]*?):\s*(.*?)\s*$")
FRAMES = re.compile(
    r"Frame count: (?P<frames>\d+),\s+Thread Average: (?P<average>[\d.]+) ms,\s+"
    r"thread max latency: (?P<max>[\d.]+) ms,\s+thread min latency: (?P<min>[\d.]+) ms,\s+FPS: (?P<fps>\d+\.\d+)"
)
AVERAGE = re.compile(rf"\s*-?\s*{hrt.AVERAGE.pattern}")  # of a log, where bullets may stand before them
RATE = re.compile(rf"\s*-?\s*{hrt.RATE.pattern}")
COUNT = re.compile(r"\s*-?\s*Frame count\s+is: (\d+)\s*$")
THREADS = re.compile(r"\s*-?\s*Thread number is: (\d+)\s*$")
RUNTIME, DNN = hrt.HBRT, hrt.DNN
BUILDER = re.compile(rf".*{hrt.BUILDER.pattern}")
PLATFORM = re.compile(r"\[BPU_PLAT\]BPU Platform Version\(([\d.]+)\)!(?: soc info\((\w+)\))?")
LOADED = re.compile(r"Load model to DDR cost ([\d.]+)ms")
MODEL_FILE = re.compile(r"--model_file[= ](\S+)")
MAX_FIELDS = 40  # fields of one tensor; more is not this tool's


@dataclass(frozen=True, slots=True)
class BoardTensor:
    """A tensor as the board's runtime sees it. Trust `shape`; the printed layout can be wrong (proto: NCHW)."""

    name: str
    shape: tuple[int, ...]
    aligned_shape: tuple[int, ...]
    kind: str
    layout: str
    quantization: str
    scales: tuple[float, ...]
    axis: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class BoardPerfRun:
    """One measured run: average latency of a frame in one thread, frames per second of all threads together."""

    model: str
    threads: int | None
    frames: int | None
    latency_ms: float | None
    latency_min_ms: float | None
    latency_max_ms: float | None
    fps: float | None


@dataclass(frozen=True, slots=True)
class BoardLog:
    """What one console log of hrt_model_exec holds; `versions` are the board's, `builder` the model's."""

    model: str
    versions: dict[str, str]
    builder: str
    soc: str
    load_ms: float | None
    inputs: tuple[BoardTensor, ...]
    outputs: tuple[BoardTensor, ...]
    perf: tuple[BoardPerfRun, ...]
    failure: Failure | None
    notes: tuple[Failure, ...]


@dataclass(slots=True)
class _State:
    model: str = ""
    file: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    builder: str = ""
    soc: str = ""
    load_ms: float | None = None
    tensors: dict[tuple[str, int], dict[str, str]] = field(default_factory=dict)
    open_tensor: dict[str, str] | None = None
    run: dict[str, float] = field(default_factory=dict)
    perf: list[BoardPerfRun] = field(default_factory=list)


def parse_hrt_model_exec(lines: Iterable[LogLine]) -> BoardLog:
    """Read one log of hrt_model_exec; never raises for its content."""
    state, watch = _State(), FailureWatch()
    for line in lines:
        watch.feed(line.text)
        _feed(state, line)
    _close_run(state)
    tensors = {key: _tensor(fields) for key, fields in sorted(state.tensors.items()) if "name" in fields}
    return BoardLog(
        model=state.model or state.file,
        versions=state.versions,
        builder=state.builder,
        soc=state.soc,
        load_ms=state.load_ms,
        inputs=tuple(tensor for (way, _), tensor in tensors.items() if way == "input"),
        outputs=tuple(tensor for (way, _), tensor in tensors.items() if way == "output"),
        perf=tuple(state.perf),
        failure=watch.failure if not tensors and not state.perf else None,
        notes=watch.notes,
    )


def _feed(state: _State, line: LogLine) -> None:
    text = line.text
    if match := TENSOR.match(text):
        state.open_tensor = state.tensors.setdefault((match[1], int(match[2])), {})
        return
    if state.open_tensor is not None:
        if not text.strip() or text.startswith("---"):
            state.open_tensor = None
        elif line.complete and (match := FIELD.match(text)) and len(state.open_tensor) < MAX_FIELDS:
            state.open_tensor.setdefault(match[1], match[2])
        return
    for pattern, take, needs_end in _FACTS:
        if (line.complete or not needs_end) and (match := pattern.match(text)):
            take(state, match)
            return
    if text.startswith("hrt_model_exec") or "/hrt_model_exec" in text:
        _begin(state, text)


def _begin(state: _State, text: str) -> None:
    """A command line that was copied with its output: what follows belongs to its model file."""
    _close_run(state)
    if match := MODEL_FILE.search(text):
        name = match[1].rpartition("/")[2]
        state.file = name.removesuffix(".bin").removesuffix(".hbm")


def _tensor(fields: dict[str, str]) -> BoardTensor:
    axis, size = fields.get("quantizeAxis", ""), fields.get("aligned byte size", "")
    return BoardTensor(
        name=fields["name"],
        shape=_integers(fields.get("valid shape", "")),
        aligned_shape=_integers(fields.get("aligned shape", "")),
        kind=fields.get("tensor type", "")
        .removeprefix("HB_DNN_")
        .removeprefix("IMG_TYPE_")
        .removeprefix("TENSOR_TYPE_"),
        layout=fields.get("tensor layout", "").removeprefix("HB_DNN_LAYOUT_"),
        quantization=fields.get("quanti type", ""),
        scales=_floats(fields.get("scale data", "")),
        axis=int(axis) if axis.isdecimal() and len(axis) < 4 else None,
        bytes=int(size) if size.isdecimal() and len(size) < 16 else None,
    )


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(p) for p in re.findall(r"\d+", text) if len(p) < 16)


def _floats(text: str) -> tuple[float, ...]:
    words = re.findall(r"-?\d[\d.]*(?:e[+-]?\d+)?", text)
    return tuple(number for word in words if (number := finite(word)) is not None)


def _number(text: str) -> float:
    return finite(text) or 0.0


def _close_run(state: _State) -> None:
    """Keep the run that is being told, if it has a measurement."""
    run = state.run
    if "fps" in run or "latency" in run:
        state.perf.append(
            BoardPerfRun(
                model=state.model or state.file,
                threads=int(run["threads"]) if "threads" in run else None,
                frames=int(run["frames"]) if "frames" in run else None,
                latency_ms=run.get("latency"),
                latency_min_ms=run.get("min"),
                latency_max_ms=run.get("max"),
                fps=run.get("fps"),
            )
        )
    state.run = {}


def _take_frames(state: _State, match: re.Match[str]) -> None:
    frames = float(match["frames"][:15])
    if "rate" in state.run or frames < state.run.get("frames", 0):
        _close_run(state)  # the count begins again: another run
    state.run |= {
        "frames": frames,
        "latency": _number(match["average"]),
        "min": _number(match["min"]),
        "max": _number(match["max"]),
        "fps": _number(match["fps"]),
    }


def _take_threads(state: _State, match: re.Match[str]) -> None:
    if "rate" in state.run:
        _close_run(state)
    state.run["threads"] = float(match[1][:6])


def _take_count(state: _State, match: re.Match[str]) -> None:
    state.run["frames"] = float(match[1][:15])


def _take_average(state: _State, match: re.Match[str]) -> None:
    state.run["latency"] = _number(match[1])


def _take_rate(state: _State, match: re.Match[str]) -> None:
    """The summary's rate is the last line of a run; it counts the threads' start and end as well."""
    state.run |= {"fps": _number(match[1]), "rate": _number(match[1])}


def _take_model(state: _State, match: re.Match[str]) -> None:
    state.model = match[1]


def _take_platform(state: _State, match: re.Match[str]) -> None:
    state.versions["bpu_platform"] = match[1]
    state.soc = match[2] or state.soc


def _take_builder(state: _State, match: re.Match[str]) -> None:
    state.builder = match[1]


def _take_loaded(state: _State, match: re.Match[str]) -> None:
    state.load_ms = _number(match[1])


def _take_runtime(state: _State, match: re.Match[str]) -> None:
    state.versions["hbrt"] = match[1]


def _take_dnn(state: _State, match: re.Match[str]) -> None:
    state.versions["dnn"] = match[1]


# Pattern, what it tells, whether its value ends with the line (and may be cut where the file ends).
_FACTS: tuple[tuple[re.Pattern[str], Callable[[_State, re.Match[str]], None], bool], ...] = (
    (FRAMES, _take_frames, True),
    (THREADS, _take_threads, True),
    (COUNT, _take_count, True),
    (AVERAGE, _take_average, False),
    (RATE, _take_rate, False),
    (MODEL, _take_model, True),
    (PLATFORM, _take_platform, False),
    (BUILDER, _take_builder, True),
    (LOADED, _take_loaded, False),
    (RUNTIME, _take_runtime, True),
    (DNN, _take_dnn, False),
)
