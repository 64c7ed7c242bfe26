"""A build: all that its files say, each kind at most once, whatever of them is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.binary.bin_format import BinInfo
from edgekit.calibration.data_check import DataCheck
from edgekit.logs.hrt_model_exec import BoardLog, BoardPerfRun
from edgekit.logs.mapper_log import CompilerEstimate, MapperLog
from edgekit.logs.model_info import ModelInfo
from edgekit.logs.modifier import ModifierLog
from edgekit.logs.quant_info import QuantNode
from edgekit.logs.read_log import Content, ReadFile
from edgekit.logs.sensitivity import Sensitivity
from edgekit.logs.sidecar import Sidecar
from edgekit.logs.static_perf import StaticPerf


@dataclass(frozen=True, slots=True)
class Build:
    """The files of one build, read.

    `log` is the makertbin or simulated compile, `checker` a checker run of the same model; `bin` is the stripped
    one where there are two (`plain_bin` the other). `quantized_onnx` is a path only: it is opened on demand.
    `data_check` is what edgekit compile found in the calibration files, None where another tool compiled.
    """

    name: str
    sources: tuple[ReadFile[Content], ...]
    log: MapperLog | None = None
    checker: MapperLog | None = None
    bin: BinInfo | None = None
    plain_bin: BinInfo | None = None
    modifier: ModifierLog | None = None
    model_info: ModelInfo | None = None
    board: BoardLog | None = None
    perf: tuple[BoardPerfRun, ...] = ()
    static: StaticPerf | None = None
    sidecar: Sidecar | None = None
    quant_nodes: tuple[QuantNode, ...] = ()
    sensitivity: Sensitivity | None = None
    quantized_onnx: Path | None = None
    data_check: DataCheck | None = None
    remarks: tuple[str, ...] = field(default=())

    @property
    def compile_log(self) -> MapperLog | None:
        """The log that holds the node table: of the compile, else of the checker."""
        return self.log or self.checker

    @property
    def march(self) -> str:
        """The march that the log, the `.bin` or the sidecar declares; "" if none does."""
        log = self.compile_log
        declared_march = (log.march if log else "") or (self.bin.march if self.bin else "")
        return declared_march or (self.sidecar.spec.march if self.sidecar else "")

    @property
    def simulated(self) -> bool:
        """Whether the built-in simulated compiler made it."""
        return bool((self.log and self.log.simulated) or (self.sidecar and self.sidecar.spec.simulated))

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the tools that built it; the .bin's word counts before a log's."""
        tool_versions: dict[str, str] = {}
        for part in (self.compile_log, self.model_info, self.bin):
            tool_versions |= dict(part.versions) if part else {}
        return tool_versions

    @property
    def estimate(self) -> CompilerEstimate | None:
        """The static estimate of the compile: several sub-graphs run after another, so their times add up."""
        if self.log and self.log.estimates:
            return _sum_of(self.log.estimates)
        if self.static and self.static.fps:
            return CompilerEstimate(
                self.static.subgraph, self.static.fps, self.static.latency_us, self.static.ddr_bytes
            )
        return None

    @property
    def deleted_nodes(self) -> tuple[str, ...]:
        """Nodes that hb_model_modifier took out, by the first source that tells."""
        if self.bin and self.bin.deleted_nodes:
            return self.bin.deleted_nodes
        if self.model_info and self.model_info.deleted_nodes:
            return self.model_info.deleted_nodes
        return self.modifier.removed if self.modifier else ()

    def setting(self, section: str, key: str) -> str:
        """A yaml field as used, wherever it is told; "" where nowhere."""
        value = self.log.setting(section, key) if self.log else ""
        if not value and self.model_info:
            value = self.model_info.settings.get(section, {}).get(key, "")
        if not value and self.bin:
            value = self.bin.metadata.get(_BIN_KEYS.get(key, key.upper()), "").rstrip(";")
        return value


_BIN_KEYS = {
    "calibration_type": "CALI_TYPE",
    "input_type_rt": "INPUT_TYPE_RT",
    "optimize_level": "hbdk_pass_through_params",
}


def make_build(
    name: str, files: tuple[ReadFile[Content], ...], *, onnx: Path | None = None, data_check: DataCheck | None = None
) -> Build:
    """Put files that belong together into one build; of two of a kind the more telling one is kept."""
    build = Build(name=name, sources=files, quantized_onnx=onnx, data_check=data_check)
    for file in files:
        build = _add(build, file)
    return build


def _add(build: Build, file: ReadFile[Content]) -> Build:
    content = file.content
    if isinstance(content, MapperLog):
        if content.tool == "checker":
            return replace(build, checker=_richer(build.checker, content))
        return replace(build, log=_richer(build.log, content))
    if isinstance(content, BinInfo):
        kept = [info for info in (build.bin, build.plain_bin, content) if info is not None]
        kept.sort(key=lambda info: (not info.deleted_nodes, str(info.path)))
        return replace(build, bin=kept[0], plain_bin=kept[1] if len(kept) > 1 else None)
    if isinstance(content, BoardLog):
        board = content if content.outputs or build.board is None else build.board
        return replace(build, board=board, perf=(*build.perf, *content.perf))
    if isinstance(content, ModifierLog):
        better = build.modifier is None or len(content.removed) >= len(build.modifier.removed)
        return replace(build, modifier=content) if better else build
    if isinstance(content, ModelInfo):
        return replace(build, model_info=content)
    if isinstance(content, StaticPerf):
        return replace(build, static=_joined(build.static, content))
    if isinstance(content, Sidecar):
        return replace(build, sidecar=_more_final(build.sidecar, content))
    if isinstance(content, Sensitivity):
        return replace(build, sensitivity=content)
    return replace(build, quant_nodes=content)


def _richer(old: MapperLog | None, new: MapperLog) -> MapperLog:
    """A file log and a console log of one run: the one with the yaml, then with more rows, counts."""
    if old is None:
        return new

    def completeness(log: MapperLog) -> tuple[bool, int, bool]:
        return log.finished, len(log.nodes) + len(log.output_rows), log.config is not None

    return new if completeness(new) > completeness(old) else old


def _joined(old: StaticPerf | None, new: StaticPerf) -> StaticPerf:
    """The sub-graphs of a model run one after another: times, bytes and operations add up; copies count once."""
    if old is None or new.subgraph in old.subgraph.split(" + "):
        return new if old is None else old
    latency_us = old.latency_us + new.latency_us
    return StaticPerf(
        subgraph=f"{old.subgraph} + {new.subgraph}",
        march_code=old.march_code,
        hbdk=old.hbdk,
        fps=1e6 / latency_us if latency_us else 0.0,
        latency_us=latency_us,
        ddr_bytes=old.ddr_bytes + new.ddr_bytes,
        loaded_bytes=old.loaded_bytes + new.loaded_bytes,
        stored_bytes=old.stored_bytes + new.stored_bytes,
        ops=old.ops + new.ops,
        interval_ms=old.interval_ms,
        utilization=(*old.utilization, *new.utilization),
        load_mb_s=(*old.load_mb_s, *new.load_mb_s),
        store_mb_s=(*old.store_mb_s, *new.store_mb_s),
        layers=(*old.layers, *new.layers),
    )


def _more_final(old: Sidecar | None, new: Sidecar) -> Sidecar:
    """Of a model's sidecars that of the stripped .bin counts, then that of the .bin, then the quantized graph's."""
    if old is None:
        return new

    def completeness(sidecar: Sidecar) -> tuple[bool, bool]:
        return sidecar.stripped, sidecar.spec.stage == "bin"

    return new if completeness(new) > completeness(old) else old


def _sum_of(estimates: tuple[CompilerEstimate, ...]) -> CompilerEstimate:
    if len(estimates) == 1:
        return estimates[0]
    latency_us = sum(e.latency_us for e in estimates)
    name = " + ".join(e.subgraph for e in estimates)
    return CompilerEstimate(
        name, 1e6 / latency_us if latency_us else 0.0, latency_us, sum(e.ddr_bytes for e in estimates)
    )
