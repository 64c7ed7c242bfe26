"""The simulated side of the compile seam: read, calibrate, quantize, measure, write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.artifacts import Part, part_name
from edgekit.calibration.samples import evenly_spaced
from edgekit.compiler_api import Built
from edgekit.files import write_bytes, write_json, write_text
from edgekit.progress import Progress
from edgekit.ptq.calibrator import CALIBRATOR_KEY
from edgekit.sim.compiler.calibration.search import CalibrationResult, calibrated
from edgekit.sim.compiler.inputs import CalibrationImage
from edgekit.sim.compiler.log import BuildLog
from edgekit.sim.compiler.measure import Distance
from edgekit.sim.compiler.prepared_model import PreparedModel, prepare_model, requested_int16
from edgekit.sim.compiler.quant_info import node_rows, output_rows, quant_info
from edgekit.sim.compiler.quantize import QuantizedGraph, output_shape
from edgekit.sim.compiler.sidecars import bin_spec, dequantize_nodes, quantized_spec, raw_heads, with_raw_heads
from edgekit.spec import ModelSpec, file_ref, save_spec
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.compiler_api import CompileJob

LOG_NAME = "edgekit_sim_compile.log"
REPORT_IMAGES = 4  # on which the cosines of all nodes are measured
QUANTIZED_PART: Part = "quantized"
BIN_PART: Part = "bin"
MODIFIED_PART: Part = "modified_bin"


class SimCompiler:
    """The post-training quantizer as a `Compiler`; it needs nothing installed besides edgekit's host extra."""

    simulated = True

    def missing(self) -> str | None:
        """Return None: it is always usable."""
        return None

    def version(self) -> str:
        """Return the versions that decide its result."""
        import onnxruntime

        return f"{__version__} with onnxruntime {onnxruntime.__version__}"

    def build(self, job: CompileJob, build_dir: Path, *, progress: Progress) -> Built:
        """Compile a job: calibrate, quantize, compare with the float model, write. See `Compiler.build`."""
        log = BuildLog()
        prepared = _read_model(job, log)
        calibration = calibrated(prepared, log, progress)
        log.add("Start to quantize the model.")
        quantized = prepared.quantized(calibration.thresholds)
        log.add("End to quantize the model.")
        files = evenly_spaced(job.calibration_files, REPORT_IMAGES)
        tensors = [mapping.float_name for mapping in quantized.mappings.values()]
        images = _counted(prepared.images(files, tensors), len(files), progress)
        distances = prepared.distances(quantized, images, inner=True)
        return _write(prepared, quantized, calibration, distances, log, build_dir)


def _read_model(job: CompileJob, log: BuildLog) -> PreparedModel:
    log.add(f"march: {job.march}")
    log.add_config(job.yaml_path.read_text(encoding="utf-8"))
    log.add(f"Using onnx model file: {job.onnx_path.name}")
    log.add("Start to prepare the onnx model.")
    prepared = prepare_model(job)
    graph = prepared.graph
    outputs = {name: output_shape(graph, tensor) for name, tensor in graph.outputs.items()}
    log.add_graph(graph.opset, {name: graph.shapes[name] for name in graph.inputs}, outputs)
    log.add("End to prepare the onnx model.")
    return prepared


def _counted(images: Iterator[CalibrationImage], total: int, progress: Progress) -> Iterator[CalibrationImage]:
    for done, image in enumerate(images):
        progress("compare", done, total)
        yield image
    progress("compare", total, total)


def _write(
    prepared: PreparedModel,
    quantized: QuantizedGraph,
    calibration: CalibrationResult,
    distances: Mapping[str, Distance],
    log: BuildLog,
    build_dir: Path,
) -> Built:
    job, graph = prepared.job, prepared.graph
    scales = prepared.plan.scales(calibration.thresholds)
    nodes = node_rows(quantized, prepared.plan, scales, distances)
    outputs = output_rows(graph, distances)
    parts = _write_models(prepared, quantized, build_dir)
    info = quant_info(graph, quantized, prepared.plan, scales, distances)
    parts |= {"quant_info": part_name(job.prefix, "quant_info"), "log": LOG_NAME}
    write_json(build_dir / parts["quant_info"], info)
    log.add_nodes(nodes)
    log.add_outputs(outputs)
    log.add("End Model Convert")
    write_text(build_dir / LOG_NAME, log.text)
    return Built(
        parts=parts,
        output_cosines={row.name: row.cosine for row in outputs},
        node_cosines={row.name: row.cosine for row in nodes if row.cosine is not None},
        notes=_notes(prepared, calibration),
        record={CALIBRATOR_KEY: calibration.calibrator.to_json()},
    )


def _write_models(prepared: PreparedModel, quantized: QuantizedGraph, build_dir: Path) -> dict[str, str]:
    """The quantized graph, the .bin and the .bin with raw heads, each with its sidecar; part -> file name."""
    from edgekit.sim.container import write_sim_bin

    prefix, march = prepared.job.prefix, prepared.job.march
    kinds = {source.name: source.kind for source in prepared.inputs}
    first, batch = prepared.inputs[0].kind, prepared.job.batch
    data = quantized.model.SerializeToString(deterministic=True)
    spec = quantized_spec(prepared.job, prepared.graph, *prepared.inputs)
    raw = raw_heads(spec, prepared.graph, quantized)
    paths = {part: build_dir / part_name(prefix, part) for part in (QUANTIZED_PART, BIN_PART, MODIFIED_PART)}
    removed = dequantize_nodes(prepared.graph, raw)
    write_bytes(paths[QUANTIZED_PART], data)
    write_sim_bin(paths[BIN_PART], data, march=march, input_kind=first, input_kinds=kinds, batch=batch)
    write_sim_bin(
        paths[MODIFIED_PART], data, march=march, input_kind=first, input_kinds=kinds, batch=batch, removed=removed
    )
    related: dict[str, Path] = {QUANTIZED_PART: paths[QUANTIZED_PART]}
    specs: dict[str, ModelSpec] = {
        QUANTIZED_PART: replace(spec, files={"model": file_ref(paths[QUANTIZED_PART])}),
        BIN_PART: bin_spec(spec, {"model": paths[BIN_PART], **related}, batch=batch),
        MODIFIED_PART: bin_spec(with_raw_heads(spec, raw), {"model": paths[MODIFIED_PART], **related}, batch=batch),
    }
    for part, path in paths.items():
        save_spec(path.with_suffix(".json"), specs[part])
    sidecars = {f"{part}_sidecar": path.with_suffix(".json").name for part, path in paths.items()}
    return {part: path.name for part, path in paths.items()} | sidecars


def _notes(prepared: PreparedModel, calibration: CalibrationResult) -> tuple[str, ...]:
    notes = [f"calibration: {calibration.calibrator}, {len(prepared.job.calibration_files)} samples"]
    if declared := prepared.graph.declared:
        notes.append(
            f"{len(declared.thresholds)} thresholds and {len(declared.weight_scales)} weight grids are the model's own "
            "(Q/DQ); calibration chose the others"
        )
    int16 = requested_int16(prepared.job, prepared.graph)
    if int16:
        notes.append(f"int16 as the yaml asks: {len(int16)} tensors")
    softmax = [node.name for node in prepared.graph.nodes if node.op == "Softmax"]
    if softmax:
        notes.append(f"{len(softmax)} Softmax run as floats here; the board's build may compute them in integers")
    if prepared.job.march != "bayes-e":
        notes.append(f"arithmetic of bayes-e stands in for {prepared.job.march}")
    return tuple(notes)
