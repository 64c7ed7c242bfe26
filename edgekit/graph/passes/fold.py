"""Folding: constants, identities, and normalisation and constant arithmetic into convolutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.graph.float_graph import FloatGraph, FloatNode, unsupported


def fold_constants(graph: FloatGraph) -> FloatGraph:
    """Nodes whose inputs are all known become constants; Shape of a static tensor is known."""
    constants = dict(graph.constants)
    kept: list[FloatNode] = []
    for node in graph.nodes:
        value = _folded(node, constants, graph)
        if value is None:
            kept.append(node)
        else:
            constants.update(zip(node.outputs, value, strict=False))
    return graph.with_nodes(kept, constants=constants)


def _folded(node: FloatNode, constants: dict[str, np.ndarray], graph: FloatGraph) -> list[np.ndarray] | None:
    if node.op == "Constant":
        return [np.asarray(next(iter(node.attrs.values())))]
    shape = graph.shapes.get(node.inputs[0], ()) if node.inputs else ()
    if node.op == "Shape" and shape and min(shape) > 0:
        return [np.asarray(shape, np.int64)]
    if not node.inputs or any(name and name not in constants for name in node.inputs):
        return None
    return _evaluate(node, constants, graph.opset)


def _evaluate(node: FloatNode, constants: dict[str, np.ndarray], opset: int) -> list[np.ndarray]:
    from onnx import helper, reference

    proto = helper.make_node(node.op, list(node.inputs), list(node.outputs), **node.attrs)
    graph = helper.make_graph(
        [proto],
        "fold",
        [],
        [helper.make_empty_tensor_value_info(name) for name in node.outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    feeds = {name: constants[name] for name in node.inputs if name}
    return [np.asarray(value) for value in reference.ReferenceEvaluator(model).run(None, feeds)]


def drop_identities(graph: FloatGraph) -> FloatGraph:
    """Identity, inference Dropout and casts of floats vanish."""
    alias: dict[str, str] = {}
    kept: list[FloatNode] = []
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
    nodes: list[FloatNode] = []
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
    conv: FloatNode, norm: FloatNode, factor: np.ndarray, offset: np.ndarray, constants: dict[str, np.ndarray]
) -> FloatNode:
    weight = constants[conv.inputs[1]].astype(np.float64) * factor[:, None, None, None]
    bias = constants[conv.inputs[2]].astype(np.float64) * factor if len(conv.inputs) > 2 else 0.0
    names = (f"{conv.inputs[1]}_folded", f"{conv.name}.bias_folded")
    constants[names[0]] = weight.astype(np.float32)
    constants[names[1]] = (offset + bias).astype(np.float32)
    return replace(conv, inputs=(conv.inputs[0], *names), outputs=norm.outputs)


def _channel_affine(
    node: FloatNode, x: str, factor: np.ndarray, offset: np.ndarray, constants: dict[str, np.ndarray]
) -> FloatNode:
    """`x * factor + offset` per channel as a depthwise 1x1 convolution."""
    names = (f"{node.name}.weight", f"{node.name}.bias")
    constants[names[0]] = factor.astype(np.float32).reshape(-1, 1, 1, 1)
    constants[names[1]] = offset.astype(np.float32).reshape(-1)
    attrs = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1]}
    return FloatNode(node.name, "Conv", (x, *names), node.outputs, {**attrs, "group": factor.size})


def constant_arithmetic(graph: FloatGraph) -> FloatGraph:
    """Mul, Div, Add and Sub with a constant: a change of scale, else a depthwise 1x1 convolution.

    The factor of attention's queries is a convolution, too, whose result has a range of its own: so it is in the
    vendor's builds.
    """
    constants = dict(graph.constants)
    nodes = [
        _constant_operand(node, graph, constants) if node.op in ("Mul", "Div", "Add", "Sub") else node
        for node in graph.nodes
    ]
    return graph.with_nodes(nodes, constants=constants)


def _constant_operand(node: FloatNode, graph: FloatGraph, constants: dict[str, np.ndarray]) -> FloatNode:
    if sum(name in constants for name in node.inputs) != 1:
        return node
    factor, offset, x = _affine(node, constants)
    if factor.size == 1 and factor.item() > 0 and not offset.any() and not _feeds_matmul(node, graph):
        return FloatNode(node.name, "Scale", (x,), node.outputs, {"alpha": float(factor.item())})
    shape = graph.shapes.get(x, ())
    channels = shape[1] if len(shape) == 4 else 0
    value = next(constants[name] for name in node.inputs if name in constants)
    per_channel = value.size == channels and value.shape[-3:] == (channels, 1, 1)
    if not channels or not (value.size == 1 or per_channel):
        return node  # the quantizer refuses it by name
    per_channel_affine = [np.broadcast_to(v.reshape(-1), (channels,)) for v in (factor, offset)]
    return _channel_affine(node, x, per_channel_affine[0], per_channel_affine[1], constants)


def _feeds_matmul(node: FloatNode, graph: FloatGraph) -> bool:
    """Whether a product of two tensors reads the node's image, as it is or transposed."""
    if len(graph.shapes.get(node.output, ())) != 4:
        return False
    names = set(graph.reached_through(node.output, lambda reader: reader.op == "Transpose"))
    return any(reader.op == "MatMul" and not names.isdisjoint(reader.inputs) for reader in graph.nodes)


def _affine(node: FloatNode, constants: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, str]:
    """(factor, offset, tensor) of `tensor * factor + offset`."""
    first_known = node.inputs[0] in constants
    value = constants[node.inputs[0 if first_known else 1]].astype(np.float64)
    x = node.inputs[1 if first_known else 0]
    ones, zeros = np.ones(1), np.zeros(1)
    if node.op == "Mul":
        return value, zeros, x
    if node.op == "Div":
        if first_known:
            raise unsupported(node, "divides a constant by a tensor")
        return 1.0 / value, zeros, x
    if node.op == "Add":
        return ones, value, x
    return (-ones, value, x) if first_known else (ones, -value, x)
