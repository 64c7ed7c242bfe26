"""The log of a compile: hb_mapper makertbin or checker of both generations, or the built-in simulated compiler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from edgekit.logs.failures import FailureWatch
from edgekit.logs.lines import LogLine
from edgekit.logs.mapper_log import Calibration, CompilerEstimate, CompileStage, GraphTensor, MapperLog
from edgekit.logs.mapper_yaml import Config, config_of
from edgekit.logs.numbers import finite
from edgekit.logs.tables import NODE_TITLES, OUTPUT_TITLE, TableReader

MAX_KEPT = 200  # warnings, saved files, stages: more than any build has
MAX_YAML_CHARS = 1 << 16
STAMP_FORMAT = "%Y-%m-%d %H:%M:%S,%f"

TENSOR = re.compile(r"\s+(?P<name>\S.*?):\s+shape=\[(?P<shape>[^\]]*)\], dtype=(?P<dtype>[A-Z]+\d*)\s*$")
KEY_VALUE = re.compile(r"(?P<key>[\w&][\w& -]*?)\s*:\s+(?P<value>.*?),?;?\s*$")
SECTION = re.compile(r"#+ (?P<name>[\w ]+?) info #+")
ESTIMATE = re.compile(
    r"FPS=(?P<fps>[\d.]+), latency = (?P<latency>[\d.]+) us, DDR = (?P<ddr>\d+) bytes(?:\s+\(see (?P<page>\S+)\))?"
)
VERSION = re.compile(r"(hb_mapper|hbdk runtime|hbdk|horizon_nn) version\s*:?\s*(\d[\w.+-]*)\s*$")
PROGRESS_STAGE = re.compile(r"(?P<edge>Start|End) to (?P<stage>[a-z].*?)(?: with march [\w-]+)?\.\s*$")


def parse_mapper(lines: Iterable[LogLine]) -> MapperLog:
    """Read one compile log; never raises for its content."""
    parser = _MapperParser()
    for line in lines:
        parser.feed(line)
    return parser.result()


@dataclass(slots=True)
class _Run:
    """What one run has said so far."""

    tool: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    march: str = ""
    onnx_model: str = ""
    prefix: str = ""
    opset: str = ""
    producer: str = ""
    inputs: list[GraphTensor] = field(default_factory=list)
    outputs: list[GraphTensor] = field(default_factory=list)
    yaml_lines: list[str] = field(default_factory=list)
    yaml_whole: bool = False
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    samples: int | None = None
    run_method: str = ""
    selected: str = ""
    calibration: dict[str, str] = field(default_factory=dict)
    subgraph: str = ""
    estimates: dict[str, CompilerEstimate] = field(default_factory=dict)
    hbdk_options: str = ""
    open_stages: dict[str, str] = field(default_factory=dict)
    stages: list[CompileStage] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    finished: bool = False
    first_stamp: str = ""
    last_stamp: str = ""
    tables: TableReader = field(default_factory=TableReader)
    watch: FailureWatch = field(default_factory=FailureWatch)


class _MapperParser:
    """The state machine: a stamped line is dispatched by its first word, others by the block they stand in."""

    def __init__(self) -> None:
        self.run = _Run()
        self.runs = 0
        self.block = ""  # the block that continuation lines belong to
        self.section = ""

    def feed(self, line: LogLine) -> None:
        text = line.text
        if line.stamp:
            self._stamped(line)
        elif self.run.tables.open:
            if len(text) < 1000:
                self.run.tables.feed(text, complete=line.complete)
        elif self.block:
            self._continued(line)
        elif text[:1].isalpha() or text.startswith("***"):  # no array dump: those begin with blanks or a bracket
            self._plain(line)

    def _stamped(self, line: LogLine) -> None:
        run, text = self.run, line.text
        if text.startswith("Start hb_mapper") or (text.startswith("edgekit") and "simulated" in text):
            self._begin()
            run = self.run
        run.first_stamp = run.first_stamp or line.stamp
        run.last_stamp = line.stamp
        if self.block == "yaml" and run.yaml_lines:
            run.yaml_whole = True
        self.block = ""
        run.tables.stamped(text)
        if not run.tables.open:
            self._plain(line)
        if line.source == "hb_mapper_makertbin.py" and not run.tool:
            run.tool = "makertbin"
        if line.level == "WARNING" and len(run.warnings) < MAX_KEPT and text not in run.warnings:
            run.warnings.append(text[:400])

    def _begin(self) -> None:
        """A new run in the same file, since the tool appends to its log: what was before no longer counts."""
        self.runs += 1
        if self.runs > 1 or self.run.tables.nodes:
            self.run = _Run()
        self.section = ""

    def _plain(self, line: LogLine) -> None:
        """A line outside every block: a fact by its first word, else a setting of the open section."""
        text = line.text
        if text.startswith((*NODE_TITLES, OUTPUT_TITLE)):
            self.run.tables.stamped(text)
            return
        self.run.watch.feed(text, level=line.level)
        first = "FPS=" if text.startswith("FPS=") else text.split(" ", 1)[0]
        if handle := _FACTS.get(first):
            handle(self, line)
        if self.section and line.complete and (match := KEY_VALUE.match(text)):
            value = match["value"].lstrip(": ").rstrip(",;")
            self.run.settings.setdefault(self.section, {})[_setting_key(match["key"])] = value

    def _continued(self, line: LogLine) -> None:
        text, run = line.text, self.run
        if self.block == "yaml":
            if line.complete and sum(map(len, run.yaml_lines)) < MAX_YAML_CHARS:
                run.yaml_lines.append(text)
        elif self.block == "calibration":
            if line.complete and text.startswith(" ") and (match := KEY_VALUE.match(text.strip())):
                run.calibration[match["key"]] = match["value"]
        elif self.block in ("graph", "input", "output"):
            self._graph(line)

    def _graph(self, line: LogLine) -> None:
        text, run = line.text, self.run
        if text.startswith("Graph input"):
            self.block = "input"
        elif text.startswith("Graph output"):
            self.block = "output"
        elif self.block == "graph" and line.complete and (match := KEY_VALUE.match(text)):
            if match["key"] == "Opset version":
                run.opset = match["value"]
            elif match["key"] == "Producer":
                run.producer = match["value"]
        elif (match := TENSOR.match(text)) and (line.complete or text.endswith(("FLOAT32", "FLOAT16"))):
            kept = run.inputs if self.block == "input" else run.outputs
            tensor = GraphTensor(match["name"], _shape(match["shape"]), match["dtype"].lower())
            if tensor not in kept:
                kept.append(tensor)

    def result(self) -> MapperLog:
        run = self.run
        # the last line of a dump that was cut is not trusted
        config = config_of(run.yaml_lines if run.yaml_whole else run.yaml_lines[:-1])
        return MapperLog(
            tool=run.tool or "makertbin",
            generation=_generation(run),
            versions=run.versions,
            march=run.march or _used(run, config, "model_parameters", "march"),
            onnx_model=run.onnx_model or run.settings.get("model_parameters", {}).get("onnx_model", ""),
            prefix=_used(run, config, "model_parameters", "output_model_file_prefix") or run.prefix,
            opset=run.opset,
            producer=run.producer,
            inputs=tuple(run.inputs),
            outputs=tuple(run.outputs),
            config=config,
            settings=run.settings,
            calibration=Calibration(
                samples=run.samples,
                requested=_used(run, config, "calibration_parameters", "calibration_type"),
                run=run.run_method,
                selected=run.selected,
                parameters=run.calibration,
            ),
            nodes=tuple(run.tables.nodes),
            output_rows=tuple(run.tables.outputs),
            estimates=tuple(run.estimates.values()),
            hbdk_options=run.hbdk_options,
            stages=(*run.stages, *(CompileStage(name, None) for name in run.open_stages)),
            warnings=tuple(run.warnings),
            failure=None if run.finished else run.watch.failure,
            notes=run.watch.notes,
            finished=run.finished,
            started_at=run.first_stamp,
            seconds=_seconds(run.first_stamp, run.last_stamp),
            runs=max(self.runs, 1),
        )

    # The facts, each by the first word of its line.

    def _version(self, line: LogLine) -> None:
        if line.complete and (match := VERSION.match(line.text)):
            self.run.versions[match[1].replace(" ", "_")] = match[2]

    def _stage(self, line: LogLine) -> None:
        text, run = line.text, self.run
        if text.startswith("Start Model Convert"):
            run.tool = run.tool or "makertbin"
        elif text.startswith(("End Model Convert", "End model checking")):
            run.finished = True
            run.tool = run.tool or ("checker" if "checking" in text else "makertbin")
        elif match := PROGRESS_STAGE.match(text):
            stage = match["stage"]
            if match["edge"] == "Start":
                run.open_stages[stage] = line.stamp
            elif stage in run.open_stages and len(run.stages) < MAX_KEPT:
                run.stages.append(CompileStage(stage, _seconds(run.open_stages.pop(stage), line.stamp)))

    def _begin_checking(self, line: LogLine) -> None:
        if line.text.startswith("Begin model checking"):
            self.run.tool = "checker"

    def _dump(self, line: LogLine) -> None:
        if line.text.startswith("Dump config"):
            self.section = "dump"

    def _yaml(self, line: LogLine) -> None:
        if self.section == "dump" and line.complete and not self.run.yaml_lines:
            self.block, self.section = "yaml", ""
            self.run.yaml_lines.append(line.text)

    def _the(self, line: LogLine) -> None:
        text = line.text
        if match := re.match(r"The specified model compilation architecture: ([\w-]+)\.", text):
            self.run.march = match[1]
        elif text.startswith("The activation calibration parameters"):
            self.block = "calibration"

    def _march(self, line: LogLine) -> None:
        if line.complete and (match := re.match(r"march: ([\w-]+)\s*$", line.text)):
            self.run.march = match[1]

    def _using(self, line: LogLine) -> None:
        if line.complete and line.text.startswith("Using onnx model file: "):
            self.run.onnx_model = line.text.split(": ", 1)[1].strip()

    def _input(self, line: LogLine) -> None:
        if line.text.startswith("Input ONNX Model Information"):
            self.block = "graph"

    def _there(self, line: LogLine) -> None:
        if match := re.match(r"There are (\d+) samples in the (?:calibration )?data set", line.text):
            self.run.samples = int(match[1][:9])

    def _run_method(self, line: LogLine) -> None:
        if match := re.match(r"Run calibration model with (.{1,200}?) method\.", line.text):
            self.run.run_method = match[1]
            if match[1].startswith("fixed"):
                self.run.tool = self.run.tool or "checker"

    def _select(self, line: LogLine) -> None:
        if match := re.match(r"Select (.{1,200}?) method\.", line.text):
            self.run.selected = match[1]

    def _saving(self, line: LogLine) -> None:
        if match := re.match(r"Saving model(?: to)?: (\S+?)_(?:original|optimized)_float_model\.onnx\.", line.text):
            self.run.prefix = match[1].rpartition("/")[2]

    def _compile(self, line: LogLine) -> None:
        if line.complete and (match := re.match(r"Compile submodel: (\S+)\s*$", line.text)):
            self.run.subgraph = match[1]

    def _hbdk_cc(self, line: LogLine) -> None:
        if match := re.match(r"hbdk-cc parameters:\[(.*)\]", line.text):
            self.run.hbdk_options = match[1].replace("'", "").replace(",", "")

    def _estimate(self, line: LogLine) -> None:
        if match := ESTIMATE.match(line.text):
            fps, latency = finite(match["fps"]), finite(match["latency"])
            if fps is not None and latency is not None:
                page = (match["page"] or "").rpartition("/")[2].removesuffix(".html")
                name = page or self.run.subgraph
                self.run.estimates[name] = CompilerEstimate(name, fps, latency, int(match["ddr"][:18]))

    def _section(self, line: LogLine) -> None:
        if match := SECTION.match(line.text):
            self.section = match["name"].replace(" ", "_")

    def _simulated(self, line: LogLine) -> None:
        if "simulated" in line.text:
            self.run.tool = "sim"


_FACTS: dict[str, Callable[[_MapperParser, LogLine], None]] = {
    "hbdk": _MapperParser._version,
    "hb_mapper": _MapperParser._version,
    "horizon_nn": _MapperParser._version,
    "Start": _MapperParser._stage,
    "End": _MapperParser._stage,
    "Begin": _MapperParser._begin_checking,
    "Dump": _MapperParser._dump,
    "calibration_parameters:": _MapperParser._yaml,
    "compiler_parameters:": _MapperParser._yaml,
    "input_parameters:": _MapperParser._yaml,
    "model_parameters:": _MapperParser._yaml,
    "The": _MapperParser._the,
    "march:": _MapperParser._march,
    "Using": _MapperParser._using,
    "Input": _MapperParser._input,
    "There": _MapperParser._there,
    "Run": _MapperParser._run_method,
    "Select": _MapperParser._select,
    "Saving": _MapperParser._saving,
    "Compile": _MapperParser._compile,
    "hbdk-cc": _MapperParser._hbdk_cc,
    "FPS=": _MapperParser._estimate,
    "#############": _MapperParser._section,
    "edgekit": _MapperParser._simulated,
}


def _used(run: _Run, config: Config | None, section: str, key: str) -> str:
    """A yaml field by the dumped yaml, else by the tool's closing list."""
    return str((config or {}).get(section, {}).get(key, "")) or run.settings.get(section, {}).get(key, "")


def _generation(run: _Run) -> str:
    """Which of the two log shapes this is: by the node table's last column, else by the tool's version."""
    if any(row.dtype for row in run.tables.nodes):
        return "2024" if any("/" in row.dtype for row in run.tables.nodes) else "2025"
    version = run.versions.get("hb_mapper", "")
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if not parts:
        return "unknown"
    return "2025" if parts >= (1, 24) else "2024"


def _setting_key(key: str) -> str:
    """The closing list's names, as the yaml spells them."""
    names = {
        "BPU march": "march",
        "input_space&range": "input_space_and_range",
        "working dir": "working_dir",
        "node info": "node_info",
    }
    return names.get(key.strip(), key.strip().rstrip(":").strip())


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(p) if p.strip().isdecimal() and len(p) < 12 else -1 for p in text.split(",") if p.strip())


def _seconds(start: str, end: str) -> float | None:
    try:
        span = datetime.strptime(end, STAMP_FORMAT) - datetime.strptime(start, STAMP_FORMAT)
    except ValueError:
        return None
    return span.total_seconds() if span.total_seconds() >= 0 else None
