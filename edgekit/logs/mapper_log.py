"""What a compile log says, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.logs.failures import Failure
from edgekit.logs.tables import NodeRow, OutputRow


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """An input or output of the float ONNX model; a dimension is -1 where the log prints no number."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class CompilerEstimate:
    """The compiler's static estimate for one BPU sub-graph: per frame, at full clock, without CPU nodes."""

    subgraph: str
    fps: float
    latency_us: float
    ddr_bytes: int


@dataclass(frozen=True, slots=True)
class CompileStage:
    """A stage of the build; `seconds` is None where the log ends inside it."""

    name: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the thresholds were found: what was asked for, what was run, what was selected among candidates."""

    samples: int | None = None
    requested: str = ""
    run: str = ""
    selected: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The method behind the thresholds, as far as the log says."""
        return self.selected or self.run or self.requested


@dataclass(frozen=True, slots=True)
class MapperLog:
    """All that a compile log says.

    `tool` is "makertbin", "checker" or "sim". `config` is the yaml as used, by section, None where the log
    does not dump it (console logs); `settings` are the tool's own closing lists, by section. `runs` counts the
    runs found in the file: only the last one is told. `failure` is what stopped it, `notes` what did not.
    """

    tool: str
    generation: str
    versions: Mapping[str, str]
    march: str
    onnx_model: str
    prefix: str
    opset: str
    producer: str
    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]
    config: Mapping[str, Mapping[str, object]] | None
    settings: Mapping[str, Mapping[str, str]]
    calibration: Calibration
    nodes: tuple[NodeRow, ...]
    output_rows: tuple[OutputRow, ...]
    estimates: tuple[CompilerEstimate, ...]
    hbdk_options: str
    stages: tuple[CompileStage, ...]
    warnings: tuple[str, ...]
    failure: Failure | None
    notes: tuple[Failure, ...]
    finished: bool
    started_at: str
    seconds: float | None
    runs: int

    @property
    def simulated(self) -> bool:
        """Whether edgekit's simulated compiler wrote the log."""
        return self.tool == "sim"

    def setting(self, section: str, key: str) -> str:
        """A yaml field as used, from the dumped yaml, else from the tool's closing list, else ""."""
        if self.config and key in self.config.get(section, {}):
            return str(self.config[section][key])
        return self.settings.get(section, {}).get(key, "")
