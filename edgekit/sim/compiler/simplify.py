"""Passes over the float graph: from what exporters write to the few operations that the quantizer knows.

Each pass takes a graph and gives a graph; none touches a tensor name that stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.compiler.float_graph import FloatGraph, Node

NHWC_PERM = [0, 2, 3, 1]
TABLE_FUNCTIONS = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "HardSwish": "hard_swish",
    "HardSigmoid": "hard_sigmoid",
    "Elu": "elu",
    "Softplus": "softplus",
}
Pass = Callable[[FloatGraph], FloatGraph]


def simplify(graph: FloatGraph) -> FloatGraph:
    """All passes in their order."""
    for step in PASSES:
        graph = step(graph)
    return graph


def fold_constants(graph: FloatGraph) -> FloatGraph:
    """Nodes whose inputs are all known become constants; Shape of a static tensor is known."""
    constants = dict(graph.constants)
    kept: list[Node] = []
    for node in graph.nodes:
        value = _folded(node, constants, graph)
        if value is None:
            kept.append(node)
        else:
            constants.update(zip(node.outputs, value, strict=False))
    return graph.with_nodes(kept, constants=constants)


def _folded(node: Node, constants: dict[str, np.ndarray], graph: FloatGraph) -> list[np.ndarray] | None:
    if node.op == "Constant":
        return [np.asarray(next(iter(node.attrs.values())))]
    shape = graph.shapes.get(node.inputs[0], ()) if node.inputs else ()
    if node.op == "Shape" and shape and min(shape) > 0:
        return [np.asarray(shape, np.int64)]
    if not node.inputs or any(name and name not in constants for name in node.inputs):
        return None
    return _evaluate(node, constants)


def _evaluate(node: Node, constants: dict[str, np.ndarray]) -> list[np.ndarray]:
    from onnx import helper, reference

    proto = helper.make_node(node.op, list(node.inputs), list(node.outputs), **node.attrs)
    graph = helper.make_graph(
        [proto],
        "fold",
        [],
        [helper.make_empty_tensor_value_info(name) for name in node.outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    feeds = {name: constants[name] for name in node.inputs if name}
    return [np.asarray(value) for value in reference.ReferenceEvaluator(model).run(None, feeds)]


def drop_identities(graph: FloatGraph) -> FloatGraph:
    """Identity, inference Dropout and casts of floats vanish."""
    alias: dict[str, str] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if node.op in ("Identity", "Dropout", "Cast"):
            alias[node.output] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    outputs = {name: alias.get(tensor, tensor) for name, tensor in graph.outputs.items()}
    return graph.with_nodes(kept, outputs=outputs)


def fold_batch_norm(graph: FloatGraph) -> FloatGraph:
    """BatchNormalization joins the convolution before it, else becomes a depthwise 1x1 convolution."""
    constants = dict(graph.constants)
    consumers = graph.consumers()
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op != "BatchNormalization":
            nodes.append(node)
            continue
        gamma, beta, mean, var = (constants[name].astype(np.float64) for name in node.inputs[1:5])
        factor = gamma / np.sqrt(var + float(node.attrs.get("epsilon", 1e-5)))
        offset = beta - mean * factor
        before = next((n for n in nodes if n.output == node.inputs[0] and n.op == "Conv"), None)
        if before is not None and len(consumers[before.output]) == 1:
            nodes[nodes.index(before)] = _scaled_conv(before, node, factor, offset, constants)
        else:
            nodes.append(_channel_affine(node, node.inputs[0], factor, offset, constants))
    return graph.with_nodes(nodes, constants=constants)


def _scaled_conv(
    conv: Node, norm: Node, factor: np.ndarray, offset: np.ndarray, constants: dict[str, np.ndarray]
) -> Node:
    weight = constants[conv.inputs[1]].astype(np.float64) * factor[:, None, None, None]
    bias = constants[conv.inputs[2]].astype(np.float64) * factor if len(conv.inputs) > 2 else 0.0
    names = (f"{conv.inputs[1]}_folded", f"{conv.name}.bias_folded")
    constants[names[0]] = weight.astype(np.float32)
    constants[names[1]] = (offset + bias).astype(np.float32)
    return replace(conv, inputs=(conv.inputs[0], *names), outputs=norm.outputs)


def _channel_affine(
    node: Node, x: str, factor: np.ndarray, offset: np.ndarray, constants: dict[str, np.ndarray]
) -> Node:
    """`x * factor + offset` per channel as a depthwise 1x1 convolution."""
    names = (f"{node.name}.weight", f"{node.name}.bias")
    constants[names[0]] = factor.astype(np.float32).reshape(-1, 1, 1, 1)
    constants[names[1]] = offset.astype(np.float32).reshape(-1)
    attrs = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1]}
    return Node(node.name, "Conv", (x, *names), node.outputs, {**attrs, "group": factor.size})


def constant_arithmetic(graph: FloatGraph) -> FloatGraph:
    """Mul, Div, Add and Sub with a constant: a change of scale, else a depthwise 1x1 convolution."""
    constants = dict(graph.constants)
    nodes = [
        _constant_operand(node, graph, constants) if node.op in ("Mul", "Div", "Add", "Sub") else node
        for node in graph.nodes
    ]
    return graph.with_nodes(nodes, constants=constants)


def _constant_operand(node: Node, graph: FloatGraph, constants: dict[str, np.ndarray]) -> Node:
    if sum(name in constants for name in node.inputs) != 1:
        return node
    factor, offset, x = _affine(node, constants)
    if factor.size == 1 and factor.item() > 0 and not offset.any():
        return Node(node.name, "Scale", (x,), node.outputs, {"alpha": float(factor.item())})
    shape = graph.shapes.get(x, ())
    channels = shape[1] if len(shape) == 4 else 0
    value = next(constants[name] for name in node.inputs if name in constants)
    per_channel = value.size == channels and value.shape[-3:] == (channels, 1, 1)
    if not channels or not (value.size == 1 or per_channel):
        return node  # the quantizer refuses it by name
    wide = [np.broadcast_to(v.reshape(-1), (channels,)) for v in (factor, offset)]
    return _channel_affine(node, x, wide[0], wide[1], constants)


def _affine(node: Node, constants: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, str]:
    """(factor, offset, tensor) of `tensor * factor + offset`."""
    first_known = node.inputs[0] in constants
    value = constants[node.inputs[0 if first_known else 1]].astype(np.float64)
    x = node.inputs[1 if first_known else 0]
    one, zero = np.ones(1), np.zeros(1)
    if node.op == "Mul":
        return value, zero, x
    if node.op == "Div":
        if first_known:
            raise unsupported(node, "divides a constant by a tensor")
        return 1.0 / value, zero, x
    if node.op == "Add":
        return one, value, x
    return (-one, value, x) if first_known else (one, -value, x)


def average_as_conv(graph: FloatGraph) -> FloatGraph:
    """AveragePool becomes a depthwise convolution with equal weights; borders must count as zeros."""
    constants = dict(graph.constants)
    nodes = [_average(node, graph, constants) if node.op == "AveragePool" else node for node in graph.nodes]
    return graph.with_nodes(nodes, constants=constants)


def _average(node: Node, graph: FloatGraph, constants: dict[str, np.ndarray]) -> Node:
    kernel = list(node.attrs["kernel_shape"])
    pads = list(node.attrs.get("pads", [0] * 4))
    if node.attrs.get("auto_pad", "NOTSET") != "NOTSET" or node.attrs.get("ceil_mode", 0):
        raise unsupported(node, "uses auto_pad or ceil_mode")
    if any(pads) and not node.attrs.get("count_include_pad", 0):
        raise unsupported(node, "leaves padding out of the average (count_include_pad 0)")
    channels = graph.shapes[node.inputs[0]][1]
    name = f"{node.name}.weight"
    constants[name] = np.full((channels, 1, *kernel), 1.0 / np.prod(kernel), np.float32)
    attrs = {
        "kernel_shape": kernel,
        "pads": pads,
        "strides": list(node.attrs.get("strides", [1, 1])),
        "dilations": [1, 1],
        "group": channels,
    }
    return Node(node.name, "Conv", (node.inputs[0], name), node.outputs, attrs)


def split_as_slices(graph: FloatGraph) -> FloatGraph:
    """Split becomes one Slice per output, with plain attributes; ONNX Slice gets the same form."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op == "Split":
            nodes += _slices_of_split(node, graph)
        elif node.op == "Slice":
            nodes.append(_plain_slice(node, graph))
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def _slices_of_split(node: Node, graph: FloatGraph) -> list[Node]:
    shape = graph.shapes[node.inputs[0]]
    axis = int(node.attrs.get("axis", 0)) % len(shape)
    sizes = node.attrs.get("split")
    if sizes is None and len(node.inputs) > 1:
        sizes = graph.constants[node.inputs[1]].tolist()
    sizes = sizes or [shape[axis] // len(node.outputs)] * len(node.outputs)
    ends = np.cumsum(sizes).tolist()
    return [
        Node(
            f"{node.name}_{i}",
            "Slice",
            node.inputs[:1],
            (output,),
            {"axis": axis, "start": end - size, "end": end},
        )
        for i, (output, size, end) in enumerate(zip(node.outputs, sizes, ends, strict=True))
    ]


def _plain_slice(node: Node, graph: FloatGraph) -> Node:
    parts = [graph.constants.get(name) for name in node.inputs[1:] if name]
    if any(part is None or part.size != 1 for part in parts) or len(parts) < 2:
        raise unsupported(node, "slices several axes or with computed bounds")
    start, end, *rest = (int(part.item()) for part in parts if part is not None)
    shape = graph.shapes[node.inputs[0]]
    axis = (rest[0] if rest else 0) % len(shape)
    if len(rest) > 1 and rest[1] != 1:
        raise unsupported(node, f"slices with a step of {rest[1]}")
    start, end, _ = slice(start, end).indices(shape[axis])
    return Node(node.name, "Slice", node.inputs[:1], node.outputs, {"axis": axis, "start": start, "end": end})


def fuse_swish(graph: FloatGraph) -> FloatGraph:
    """x * Sigmoid(x) becomes one table; single-input functions become tables, too."""
    producers, consumers = graph.producers(), graph.consumers()
    fused: set[str] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        gate = _swish_gate(node, producers)
        if gate is not None:
            nodes.append(Node(node.name, "Table", gate.inputs, node.outputs, {"function": "swish"}))
            if len(consumers[gate.output]) == 1:
                fused.add(gate.name)
        elif node.op in TABLE_FUNCTIONS:
            attrs = {**node.attrs, "function": TABLE_FUNCTIONS[node.op]}
            nodes.append(Node(node.name, "Table", node.inputs[:1], node.outputs, attrs))
        else:
            nodes.append(node)
    return graph.with_nodes(n for n in nodes if n.name not in fused)


def _swish_gate(node: Node, producers: dict[str, Node]) -> Node | None:
    """The Sigmoid of `x * Sigmoid(x)`, where `node` is that product."""
    if node.op != "Mul":
        return None
    for x, gate_name in (node.inputs, node.inputs[::-1]):
        gate = producers.get(gate_name)
        if gate is not None and gate.op == "Sigmoid" and gate.inputs[0] == x:
            return gate
    return None


def fuse_relu(graph: FloatGraph) -> FloatGraph:
    """A relu behind a convolution that nothing else reads becomes its activation."""
    consumers = graph.consumers()
    nodes: list[Node] = []
    for node in graph.nodes:
        is_relu = node.op == "Table" and node.attrs["function"] == "relu"
        conv = next((n for n in nodes if n.op == "Conv" and n.output in node.inputs), None) if is_relu else None
        if conv is not None and len(consumers[conv.output]) == 1 and conv.output not in graph.outputs.values():
            nodes[nodes.index(conv)] = replace(conv, outputs=node.outputs, attrs={**conv.attrs, "activation": "relu"})
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def drop_head_transposes(graph: FloatGraph) -> FloatGraph:
    """The NCHW to NHWC Transpose before a graph output vanishes: integers are NHWC anyway."""
    producers = graph.producers()
    outputs: dict[str, str] = {}
    dropped: set[str] = set()
    for name, tensor in graph.outputs.items():
        node = producers.get(tensor)
        if node is not None and node.op == "Transpose" and list(node.attrs.get("perm", [])) == NHWC_PERM:
            outputs[name] = node.inputs[0]
            dropped.add(node.name)
        else:
            raise ModelError(
                f"output {name!r} does not end in a Transpose to NHWC, expected a cut heads model",
                hint="run edgekit cut on the stock export and compile its result",
            )
    return graph.with_nodes((n for n in graph.nodes if n.name not in dropped), outputs=outputs)


def drop_dead(graph: FloatGraph) -> FloatGraph:
    """Nodes that reach no output vanish."""
    alive = set(graph.outputs.values())
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if alive.intersection(node.outputs):
            kept.append(node)
            alive.update(node.inputs)
    return graph.with_nodes(reversed(kept))


def unsupported(node: Node, what: str, hint: str = "") -> ModelError:
    """The refusal of a node, by name."""
    return ModelError(
        f"node {node.name!r} ({node.op}) {what}, expected an operation that the simulated compiler can quantize",
        hint=hint or "cut the model nearer to its convolutions, or compile with --toolchain hb_mapper",
    )


PASSES: tuple[Pass, ...] = (
    fold_constants,
    drop_identities,
    drop_head_transposes,
    drop_dead,
    fold_batch_norm,
    split_as_slices,
    fuse_swish,
    fuse_relu,
    constant_arithmetic,
    average_as_conv,
    drop_dead,
)


def describe_ops(graph: FloatGraph) -> dict[str, int]:
    """How many nodes of each operation there are."""
    counts: dict[str, Any] = {}
    for node in graph.nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    return counts
