"""From the simplified float graph and a scale per tensor to the integer graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.graph.float_graph import FloatGraph, FloatNode, unsupported
from edgekit.sim.compiler.emit.attention import emit_matmul, emit_reduce_sum, emit_softmax
from edgekit.sim.compiler.emit.conv import emit_conv, emit_conv_transpose, emit_sum
from edgekit.sim.compiler.emit.eltwise import emit_add, emit_global_average, emit_mul
from edgekit.sim.compiler.emit.layout import (
    emit_concat,
    emit_max_pool,
    emit_reduce_max,
    emit_reshape,
    emit_resize,
    emit_scale,
    emit_slice,
    emit_transpose,
)
from edgekit.sim.compiler.emit.lut import emit_table
from edgekit.sim.compiler.emit.preprocess import BoardInput, ImageInput, emit_input
from edgekit.sim.compiler.emit.writer import NCHW, NHWC, TO_NHWC, GraphWriter, TensorMapping
from edgekit.sim.compiler.scales import ScalePlan
from edgekit.version import __version__

if TYPE_CHECKING:
    import onnx

EMITTERS: dict[str, Callable[[GraphWriter, FloatNode], None]] = {
    "Conv": emit_conv,
    "ConvTranspose": emit_conv_transpose,
    "Table": emit_table,
    "Add": emit_sum,
    "Sub": emit_add,
    "Mul": emit_mul,
    "GlobalAveragePool": emit_global_average,
    "MaxPool": emit_max_pool,
    "ReduceMax": emit_reduce_max,
    "ReduceSum": emit_reduce_sum,
    "Resize": emit_resize,
    "Upsample": emit_resize,
    "Slice": emit_slice,
    "Concat": emit_concat,
    "Reshape": emit_reshape,
    "Flatten": emit_reshape,
    "Transpose": emit_transpose,
    "Scale": emit_scale,
    "MatMul": emit_matmul,
    "Softmax": emit_softmax,
}
IR_VERSION, OPSET = 6, 11  # those of the vendor's graphs


@dataclass(frozen=True, slots=True)
class QuantizedGraph:
    """The integer graph and how it corresponds to the float model.

    `mappings`: what each integer tensor stands for; `reads`: node -> the float tensor that it reads first.
    """

    model: onnx.ModelProto
    mappings: Mapping[str, TensorMapping]
    reads: Mapping[str, str]


ALL_INPUTS_ARE_DATA = ("Add", "Sub", "Mul", "Concat", "MatMul")  # other operations take weights behind the first


def check_supported(graph: FloatGraph) -> None:
    """Refuse the first node that the quantizer has no form for, by name, before any image is read."""
    for node in graph.nodes:
        if node.op not in EMITTERS:
            raise unsupported(node, "is not known to the simulated compiler")
        data = node.inputs if node.op in ALL_INPUTS_ARE_DATA else node.inputs[:1]
        if any(name in graph.constants for name in data):
            raise unsupported(node, "takes a constant tensor that is neither one number nor one per channel")


def quantize(graph: FloatGraph, plan: ScalePlan, scales: Mapping[str, float], *inputs: BoardInput) -> QuantizedGraph:
    """The integer graph of `graph`, which the board feeds `inputs`; `scales[t]` is the float value of t's integer 1."""
    writer = GraphWriter(graph, plan, scales)
    for source in inputs:
        emit_input(writer, source)
    for node in graph.nodes:
        EMITTERS[node.op](writer, node)
    _emit_outputs(writer)
    return QuantizedGraph(_model(writer, inputs), writer.mappings, writer.input_of)


def _emit_outputs(writer: GraphWriter) -> None:
    """One HzDequantize per output: per channel on int32 accumulators, else with the tensor's one scale."""
    for name, tensor in writer.graph.outputs.items():
        layout = NHWC if writer.rank(tensor) == 4 else NCHW
        source = writer.read(tensor, layout)
        scale = writer.tensor_scale(tensor)
        constant = writer.constant(f"{tensor}_{name}_x_scale", scale)
        attrs: dict[str, Any] = {"axis": writer.rank(tensor) - 1} if scale.size > 1 else {}
        writer.add("HzDequantize", f"{tensor}_HzDequantize", [source, constant], [name], **attrs)


def _input_info(writer: GraphWriter, source: BoardInput) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    shape = list(writer.graph.shapes[source.name])
    if isinstance(source, ImageInput):
        shape = shape if source.layout == "NCHW" else [shape[axis] for axis in TO_NHWC]
        return helper.make_tensor_value_info(source.name, TensorProto.INT8, shape)
    return helper.make_tensor_value_info(source.name, TensorProto.FLOAT, shape)


def _model(writer: GraphWriter, inputs: Sequence[BoardInput]) -> onnx.ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        writer.nodes,
        "main_graph",
        [_input_info(writer, source) for source in inputs],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, output_shape(writer.graph, tensor))
            for name, tensor in writer.graph.outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in writer.initializers.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("horizon", 1)]
    return helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="edgekit simulated compiler",
        producer_version=__version__,
    )


def output_shape(graph: FloatGraph, tensor: str) -> list[int]:
    """The NHWC shape of an output tensor (images), or its own."""
    shape = graph.shapes[tensor]
    return [shape[0], *shape[2:], shape[1]] if len(shape) == 4 else list(shape)
