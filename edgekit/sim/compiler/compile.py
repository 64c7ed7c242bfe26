"""The simulated side of the compile seam: read, calibrate, quantize, measure, write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.calibration.samples import spread
from edgekit.compiler_api import Built
from edgekit.files import write_bytes, write_json, write_text
from edgekit.progress import Progress
from edgekit.ptq.calibrator import CALIBRATOR_KEY
from edgekit.sim.compiler.calibration.search import Choice, calibrated
from edgekit.sim.compiler.inputs import Image
from edgekit.sim.compiler.log import BuildLog
from edgekit.sim.compiler.measure import Distance
from edgekit.sim.compiler.prepared_model import Subject, asked_wide, read_subject
from edgekit.sim.compiler.quant_info import node_rows, output_rows, quant_info
from edgekit.sim.compiler.quantize import QuantizedGraph, output_shape
from edgekit.sim.compiler.sidecars import bin_spec, dequantize_nodes, quantized_spec, raw_heads, with_raw_heads
from edgekit.spec import ModelSpec, file_ref, save_spec
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

LOG_NAME = "edgekit_sim_compile.log"
REPORT_IMAGES = 4  # on which the cosines of all nodes are measured
QUANTIZED_PART, BIN_PART, MODIFIED_PART = "quantized", "bin", "modified_bin"


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
        subject = _prepared(job, log)
        choice = calibrated(subject, log, progress)
        log.say("Start to quantize the model.")
        quantized = subject.quantized(choice.thresholds)
        log.say("End to quantize the model.")
        files = spread(job.calibration_files, REPORT_IMAGES)
        tensors = [link.float_name for link in quantized.links.values()]
        images = _counted(subject.images(files, tensors), len(files), progress)
        found = subject.distances(quantized, images, inner=True)
        return _write(subject, quantized, choice, found, log, build_dir)


def _prepared(job: CompileJob, log: BuildLog) -> Subject:
    log.say(f"march: {job.march}")
    log.say_config(job.yaml_path.read_text(encoding="utf-8"))
    log.say(f"Using onnx model file: {job.onnx_path.name}")
    log.say("Start to prepare the onnx model.")
    subject = read_subject(job)
    graph = subject.graph
    outputs = {name: output_shape(graph, tensor) for name, tensor in graph.outputs.items()}
    log.say_graph(graph.opset, {graph.input: graph.shapes[graph.input]}, outputs)
    log.say("End to prepare the onnx model.")
    return subject


def _counted(images: Iterator[Image], total: int, progress: Progress) -> Iterator[Image]:
    for done, image in enumerate(images):
        progress("compare", done, total)
        yield image
    progress("compare", total, total)


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
        record={CALIBRATOR_KEY: choice.calibrator.to_json()},
    )


def _write_models(subject: Subject, quantized: QuantizedGraph, build_dir: Path) -> dict[str, str]:
    """The quantized graph, the .bin and the .bin with raw heads, each with its sidecar; part -> file name."""
    from edgekit.sim.container import write_sim_bin

    prefix, march, kind = subject.job.prefix, subject.job.march, subject.image.kind
    data = quantized.model.SerializeToString(deterministic=True)
    spec = quantized_spec(subject.job, subject.graph, subject.image)
    raw = raw_heads(spec, subject.graph, quantized)
    paths = {
        QUANTIZED_PART: build_dir / f"{prefix}_quantized_model.onnx",
        BIN_PART: build_dir / f"{prefix}.bin",
        MODIFIED_PART: build_dir / f"{prefix}_modified.bin",
    }
    removed = dequantize_nodes(subject.graph, raw)
    write_bytes(paths[QUANTIZED_PART], data)
    write_sim_bin(paths[BIN_PART], data, march=march, input_kind=kind)
    write_sim_bin(paths[MODIFIED_PART], data, march=march, input_kind=kind, removed=removed)
    related = {QUANTIZED_PART: paths[QUANTIZED_PART]}
    specs: dict[str, ModelSpec] = {
        QUANTIZED_PART: replace(spec, files={"model": file_ref(paths[QUANTIZED_PART])}),
        BIN_PART: bin_spec(spec, {"model": paths[BIN_PART], **related}),
        MODIFIED_PART: bin_spec(with_raw_heads(spec, raw), {"model": paths[MODIFIED_PART], **related}),
    }
    for part, path in paths.items():
        save_spec(path.with_suffix(".json"), specs[part])
    sidecars = {f"{part}_sidecar": path.with_suffix(".json").name for part, path in paths.items()}
    return {part: path.name for part, path in paths.items()} | sidecars


def _notes(subject: Subject, choice: Choice) -> tuple[str, ...]:
    notes = [f"calibration: {choice.calibrator}, {len(subject.job.calibration_files)} samples"]
    wide = asked_wide(subject.job, subject.graph)
    if wide:
        notes.append(f"int16 as the yaml asks: {len(wide)} tensors")
    softmax = [node.name for node in subject.graph.nodes if node.op == "Softmax"]
    if softmax:
        notes.append(f"{len(softmax)} Softmax run as floats here; the board's build may compute them in integers")
    if subject.job.march != "bayes-e":
        notes.append(f"arithmetic of bayes-e stands in for {subject.job.march}")
    return tuple(notes)
