"""The simulated side of the compile seam: read, calibrate, quantize, measure, write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from edgekit.errors import ConfigError
from edgekit.files import write_bytes, write_json, write_text
from edgekit.host.compile import Built
from edgekit.progress import Progress
from edgekit.sim.compiler.board_input import picture_input
from edgekit.sim.compiler.calibrate import Choice, Thresholds, check_calibration, choose, methods
from edgekit.sim.compiler.emit.preprocess import PictureInput, affine_of
from edgekit.sim.compiler.float_graph import FloatGraph, read_float_graph
from edgekit.sim.compiler.float_runner import THREADS
from edgekit.sim.compiler.log import BuildLog
from edgekit.sim.compiler.measure import Distance, Executor, measure
from edgekit.sim.compiler.observe import observe
from edgekit.sim.compiler.quantize import QuantizedGraph, check_supported, output_shape, quantize
from edgekit.sim.compiler.record import node_rows, output_rows, quant_info
from edgekit.sim.compiler.samples import spread
from edgekit.sim.compiler.scales import ScalePlan, plan_scales
from edgekit.sim.compiler.sidecars import bin_spec, dequantize_nodes, quantized_spec, raw_heads, with_raw_heads
from edgekit.sim.compiler.simplify import simplify
from edgekit.spec import ModelSpec, save_spec
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.host.compile_job import CompileJob

LOG_NAME = "edgekit_sim_compile.log"
SEARCH_PHOTOS = 8  # on which the calibration methods are compared
REPORT_PHOTOS = 4  # on which the cosines of all nodes are measured
INT16_MARCHES = ("bayes", "bayes-e")  # bernoulli2 has int8 only
QUANTIZED_PART, BIN_PART, MODIFIED_PART = "quantized", "bin", "modified_bin"


@dataclass(frozen=True, slots=True)
class Subject:
    """The model in work: what does not change between calibration methods."""

    job: CompileJob
    graph: FloatGraph
    plan: ScalePlan
    picture: PictureInput

    def quantized(self, thresholds: Mapping[str, float]) -> QuantizedGraph:
        return quantize(self.graph, self.plan, self.plan.scales(thresholds), self.picture)

    def distances(
        self, quantized: QuantizedGraph, photos: int, *, inner: bool, progress: Progress
    ) -> dict[str, Distance]:
        executor = _executor(quantized.model)
        files = spread(self.job.calibration_files, photos)
        return measure(self.job, self.graph, quantized, executor, self.picture, files, inner=inner, progress=progress)


class SimCompiler:
    """The post-training quantizer as a `Compiler`; it needs nothing installed besides edgekit's host extra."""

    simulated = True

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        import onnxruntime

        return f"{__version__} with onnxruntime {onnxruntime.__version__}"

    def build(self, job: CompileJob, build_dir: Path, *, progress: Progress) -> Built:
        log = BuildLog()
        subject = _subject(job, log)
        choice = _calibrated(subject, log, progress)
        quantized = subject.quantized(choice.thresholds)
        log.say("End to quantize the model.")
        found = subject.distances(quantized, REPORT_PHOTOS, inner=True, progress=progress)
        return _write(subject, quantized, choice, found, log, build_dir)


def _subject(job: CompileJob, log: BuildLog) -> Subject:
    """Everything that can be refused is refused here, before the first photo is read."""
    check_calibration(job.config)
    _check_options(job)
    log.say(f"march: {job.march}")
    log.say_config(job.yaml_path.read_text(encoding="utf-8"))
    log.say(f"Using onnx model file: {job.onnx_path.name}")
    log.say("Start to prepare the onnx model.")
    stock = read_float_graph(job.onnx_path)
    graph = simplify(stock)
    check_supported(graph)
    picture = picture_input(job)
    affine_of(picture)
    quantized_spec(job, graph, picture)
    outputs = {name: output_shape(graph, tensor) for name, tensor in graph.outputs.items()}
    log.say_graph(stock.opset, {graph.input: graph.shapes[graph.input]}, outputs)
    log.say("End to prepare the onnx model.")
    plan = plan_scales(graph, int16_tail=job.march in INT16_MARCHES)
    quantize(graph, plan, dict.fromkeys(plan.source, 1.0), picture)  # a trial: what is refused is refused now
    return Subject(job, graph, plan, picture)


def _check_options(job: CompileJob) -> None:
    """Refuses, by name, what would change the result and is not done here."""
    group, calibration = job.config.model_parameters, job.config.calibration_parameters
    given, batch = job.config.inputs[0], job.config.input_parameters.input_batch
    asked = {
        "input_parameters.input_layout_train NHWC": given.layout_train == "NHWC",
        "input_parameters.input_batch": batch is not None and batch > 1,
        "calibration_parameters.preprocess_on": calibration.preprocess_on,
        "model_parameters.node_info": group.node_info,
        "model_parameters.output_nodes": group.output_nodes,
        "calibration_parameters.run_on_cpu": calibration.run_on_cpu,
        "calibration_parameters.run_on_bpu": calibration.run_on_bpu,
        "calibration_parameters.optimization": calibration.optimization,
    }
    for name, value in asked.items():
        if value:
            raise ConfigError(
                f"{name} is set, which the simulated compiler does not do, expected the default",
                hint=f"change {name.split('.')[1]} in the yaml, or compile with --toolchain hb_mapper",
            )


def _calibrated(subject: Subject, log: BuildLog, progress: Progress) -> Choice:
    job = subject.job
    log.say("Start to calibrate the model.")
    log.say(f"There are {len(job.calibration_files)} samples in the data set.")
    asked = methods(job.config)
    log.say(f"Run calibration model with {' | '.join(asked)} method.")
    histograms = observe(job, subject.graph, subject.plan.observed, progress=progress)
    done = 0

    def score(thresholds: Thresholds) -> float:
        nonlocal done
        progress("search", done, len(asked))
        done += 1
        found = subject.distances(subject.quantized(thresholds), SEARCH_PHOTOS, inner=False, progress=_quiet)
        return sum(found[name].cosine for name in subject.graph.outputs) / len(subject.graph.outputs)

    choice = choose(asked, histograms, subject.plan, score)
    for name, value in choice.scores.items():
        log.say(f"Method {name}: mean cosine of the outputs {value:.6f}")
    if choice.scores:
        progress("search", len(asked), len(asked))
        log.say(f"Select {choice.method} method.")
    log.say("End to calibrate the model.")
    log.say("Start to quantize the model.")
    return choice


def _quiet(stage: str, done: int, total: int) -> None:
    """Comparisons inside the search have no bar of their own."""


def _executor(model: onnx.ModelProto) -> Executor:
    from edgekit.sim.fast import make_executor
    from edgekit.sim.graph import load_graph

    return make_executor(load_graph(model.SerializeToString()), threads=THREADS)


def _write(
    subject: Subject,
    quantized: QuantizedGraph,
    choice: Choice,
    found: Mapping[str, Distance],
    log: BuildLog,
    build_dir: Path,
) -> Built:
    job, graph = subject.job, subject.graph
    scales = subject.plan.scales(choice.thresholds)
    nodes = node_rows(quantized, subject.plan, scales, found)
    outputs = output_rows(graph, found)
    parts = _write_models(subject, quantized, build_dir)
    info = quant_info(graph, quantized, subject.plan, scales, found)
    parts |= {"quant_info": f"{job.prefix}_quant_info.json", "log": LOG_NAME}
    write_json(build_dir / parts["quant_info"], info)
    log.say_nodes(nodes)
    log.say_outputs(outputs)
    log.say("End Model Convert")
    write_text(build_dir / LOG_NAME, log.text)
    return Built(
        parts=parts,
        output_cosines={row.name: row.cosine for row in outputs},
        node_cosines={row.name: row.cosine for row in nodes if row.cosine is not None},
        notes=_notes(subject, choice),
    )


def _write_models(subject: Subject, quantized: QuantizedGraph, build_dir: Path) -> dict[str, str]:
    """The quantized graph, the .bin and the .bin with raw heads, each with its sidecar; part -> file name."""
    from edgekit.sim.container import write_sim_bin

    prefix = subject.job.prefix
    data = quantized.model.SerializeToString(deterministic=True)
    spec = quantized_spec(subject.job, subject.graph, subject.picture)
    raw = raw_heads(spec, subject.graph, quantized)
    paths = {
        QUANTIZED_PART: build_dir / f"{prefix}_quantized_model.onnx",
        BIN_PART: build_dir / f"{prefix}.bin",
        MODIFIED_PART: build_dir / f"{prefix}_modified.bin",
    }
    write_bytes(paths[QUANTIZED_PART], data)
    march, kind = subject.job.march, subject.picture.kind
    removed = dequantize_nodes(subject.graph, raw)
    write_sim_bin(paths[BIN_PART], data, march=march, input_kind=kind)
    write_sim_bin(paths[MODIFIED_PART], data, march=march, input_kind=kind, removed=removed)
    related = {QUANTIZED_PART: paths[QUANTIZED_PART]}
    specs: dict[str, ModelSpec] = {
        QUANTIZED_PART: spec,
        BIN_PART: bin_spec(spec, {"model": paths[BIN_PART], **related}),
        MODIFIED_PART: bin_spec(with_raw_heads(spec, raw), {"model": paths[MODIFIED_PART], **related}),
    }
    for part, path in paths.items():
        save_spec(path.with_suffix(".json"), specs[part])
    sidecars = {f"{part}_sidecar": path.with_suffix(".json").name for part, path in paths.items()}
    return {part: path.name for part, path in paths.items()} | sidecars


def _notes(subject: Subject, choice: Choice) -> tuple[str, ...]:
    notes = [f"calibration: {choice.method}, {len(subject.job.calibration_files)} samples"]
    softmax = [node.name for node in subject.graph.nodes if node.op == "Softmax"]
    if softmax:
        notes.append(f"{len(softmax)} Softmax run as floats: integers behind them may differ by one between machines")
    if subject.job.march not in ("bayes-e",):
        notes.append(f"arithmetic of bayes-e stands in for {subject.job.march}")
    return tuple(notes)
