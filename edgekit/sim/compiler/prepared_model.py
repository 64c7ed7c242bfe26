"""The model in work: what is read and checked once, and what is done with it for every set of thresholds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import ConfigError
from edgekit.graph.float_graph import FloatGraph, read_float_graph
from edgekit.graph.float_runner import THREADS
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.calibration.thresholds import check_calibration
from edgekit.sim.compiler.emit.preprocess import BoardInput, ImageInput, centred_affine
from edgekit.sim.compiler.inputs import CalibrationImage, board_inputs, calibration_images
from edgekit.sim.compiler.measure import Distance, measure
from edgekit.sim.compiler.mixed_precision import int16_everywhere, int16_outputs, int16_tensors
from edgekit.sim.compiler.quantize import QuantizedGraph, check_supported, quantize
from edgekit.sim.compiler.scales import ScalePlan, plan_scales
from edgekit.sim.compiler.sidecars import quantized_spec
from edgekit.sim.executor import Executor

if TYPE_CHECKING:
    import onnx

    from edgekit.compiler_api import CompileJob

INT16_MARCHES = ("bayes", "bayes-e")  # bernoulli2 has int8 only
INT16_BY_OPTIMIZATION = {"set_model_output_int16": int16_outputs, "set_all_nodes_int16": int16_everywhere}


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """What does not change between calibration methods."""

    job: CompileJob
    graph: FloatGraph
    plan: ScalePlan
    inputs: tuple[BoardInput, ...]

    def quantized(self, thresholds: Mapping[str, float]) -> QuantizedGraph:
        """Return the integer graph with these thresholds (tensor -> largest magnitude)."""
        return quantize(self.graph, self.plan, self.plan.scales(thresholds), *self.inputs)

    def images(self, files: Sequence[Path], tensors: Iterable[str]) -> Iterator[CalibrationImage]:
        """Return the calibration images of `files`, with the float model's `tensors`, one after the other."""
        return calibration_images(self.job, self.graph, self.inputs, files, list(dict.fromkeys(tensors)))

    def distances(
        self, quantized: QuantizedGraph, compared: Iterable[CalibrationImage], *, inner: bool
    ) -> dict[str, Distance]:
        """Compare the integer graph with the float model; see `measure`."""
        return measure(self.graph, quantized, executor_of(quantized.model), compared, inner=inner)


def prepare_model(job: CompileJob) -> PreparedModel:
    """Everything that can be refused is refused here, by name, before the first image is read."""
    check_calibration(job.config)
    check_options(job)
    graph = simplify(read_float_graph(job.onnx_path))
    check_supported(graph)
    inputs = board_inputs(job)
    for image in inputs:
        if isinstance(image, ImageInput):
            centred_affine(image)
    quantized_spec(job, graph, *inputs)
    plan = plan_scales(graph, int16_tail=job.march in INT16_MARCHES, int16=requested_int16(job, graph))
    quantize(graph, plan, dict.fromkeys(plan.source, 1.0), *inputs)  # a trial: what is refused is refused now
    return PreparedModel(job, graph, plan, inputs)


def with_int16(model: PreparedModel, tensors: Collection[str]) -> PreparedModel:
    """Return the model with more tensors in 16 bits; the same where the BPU has 8 alone."""
    if not tensors or model.job.march not in INT16_MARCHES:
        return model
    present = {name for name, bits in model.plan.bits.items() if bits == 16}
    return replace(model, plan=plan_scales(model.graph, int16={*present, *tensors}))


def requested_int16(job: CompileJob, graph: FloatGraph) -> frozenset[str]:
    """The tensors that the yaml asks 16 bits for, by `node_info` and by `optimization`."""
    tensors = int16_tensors(graph, job.config.model_parameters.node_info or {})
    for name in job.config.calibration_parameters.optimization or ():
        tensors |= INT16_BY_OPTIMIZATION[name](graph)
    return tensors


def check_options(job: CompileJob) -> None:
    """Refuse, by name, what would change the result and is not done here."""
    group, calibration = job.config.model_parameters, job.config.calibration_parameters
    unsupported_options = {
        "input_parameters.input_layout_train NHWC": any(item.source.layout_train == "NHWC" for item in job.inputs),
        "calibration_parameters.preprocess_on": calibration.preprocess_on,
        "model_parameters.output_nodes": group.output_nodes,
        "calibration_parameters.run_on_cpu": calibration.run_on_cpu,
        "calibration_parameters.run_on_bpu": calibration.run_on_bpu,
        **{
            f"calibration_parameters.optimization {name}": True
            for name in calibration.optimization or ()
            if name not in INT16_BY_OPTIMIZATION
        },
    }
    for name, value in unsupported_options.items():
        if value:
            raise ConfigError(
                f"{name} is set, which the simulated compiler does not do, expected the default",
                hint=f"change {name.split('.')[1].split()[0]} in the yaml, or compile with --toolchain hb_mapper",
            )


def executor_of(model: onnx.ModelProto) -> Executor:
    """The device's own execution of the integer graph."""
    from edgekit.sim.fast import make_executor
    from edgekit.sim.graph import load_graph

    return make_executor(load_graph(model.SerializeToString()), threads=THREADS)
