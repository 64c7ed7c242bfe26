"""Fusing: several nodes that are one operation to the BPU become one node."""

from __future__ import annotations

from dataclasses import replace

from edgekit.graph.float_graph import SOFTMAX, SPLIT_SOFTMAX, FloatGraph, FloatNode, unsupported
from edgekit.graph.passes.canonicalize import drop_dead

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
INVERSE_ROOT = "rsqrt"  # the vendor's name of 1 / sqrt(x)
GATES = {"Sigmoid": "swish", "HardSigmoid": "hard_swish"}  # what x times this function of x is


def fuse_swish(graph: FloatGraph) -> FloatGraph:
    """Fuse x * Sigmoid(x) and x * HardSigmoid(x) into one table; single-input functions become tables, too."""
    producers, consumers = graph.producers(), graph.consumers()
    fused: set[str] = set()
    nodes: list[FloatNode] = []
    for node in graph.nodes:
        gate = _swish_gate(node, producers)
        if gate is not None:
            attrs = {"function": GATES[gate.op]}
            nodes.append(FloatNode(node.name, "Table", gate.inputs, node.outputs, attrs))
            if len(consumers[gate.output]) == 1:
                fused.add(gate.name)
        elif node.op in TABLE_FUNCTIONS:
            attrs = {**node.attrs, "function": TABLE_FUNCTIONS[node.op]}
            nodes.append(FloatNode(node.name, "Table", node.inputs[:1], node.outputs, attrs))
        else:
            nodes.append(node)
    return graph.with_nodes(n for n in nodes if n.name not in fused)


def _swish_gate(node: FloatNode, producers: dict[str, FloatNode]) -> FloatNode | None:
    """The Sigmoid of `x * Sigmoid(x)`, or the HardSigmoid of HardSwish, where `node` is that product."""
    if node.op != "Mul":
        return None
    for x, gate_name in (node.inputs, node.inputs[::-1]):
        gate = producers.get(gate_name)
        if gate is not None and gate.op in GATES and gate.inputs[0] == x and _is_gate(gate):
            return gate
    return None


def _is_gate(gate: FloatNode) -> bool:
    """Whether a HardSigmoid is that of HardSwish (ONNX): slope 1/6, 0.5 at 0."""
    if gate.op == "Sigmoid":
        return True
    return abs(gate.attrs.get("alpha", 0.2) - 1 / 6) < 1e-6 and abs(gate.attrs.get("beta", 0.5) - 0.5) < 1e-6


def fuse_relu(graph: FloatGraph) -> FloatGraph:
    """A relu behind a convolution that nothing else reads becomes its activation."""
    consumers = graph.consumers()
    nodes: list[FloatNode] = []
    for node in graph.nodes:
        is_relu = node.op == "Table" and node.attrs["function"] == "relu"
        conv = next((n for n in nodes if n.op == "Conv" and n.output in node.inputs), None) if is_relu else None
        if conv is not None and len(consumers[conv.output]) == 1 and conv.output not in graph.outputs.values():
            nodes[nodes.index(conv)] = replace(conv, outputs=node.outputs, attrs={**conv.attrs, "activation": "relu"})
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def fuse_inverse_root(graph: FloatGraph) -> FloatGraph:
    """Fuse 1 / sqrt(x), written as two nodes, into one table, as the board's compiler does."""
    producers, consumers = graph.producers(), graph.consumers()
    fused: set[str] = set()
    nodes: list[FloatNode] = []
    for node in graph.nodes:
        root = producers.get(node.inputs[0]) if node.op == "Reciprocal" else None
        if root is not None and root.op == "Sqrt":
            nodes.append(FloatNode(node.name, "Table", root.inputs, node.outputs, {"function": INVERSE_ROOT}))
            if len(consumers[root.output]) == 1 and root.output not in graph.outputs.values():
                fused.add(root.name)
        else:
            nodes.append(node)
    return graph.with_nodes(n for n in nodes if n.name not in fused)


def mark_split_softmax(graph: FloatGraph) -> FloatGraph:
    """Mark the steps of a Softmax that is divided by the root of its sum, once in front of a product and once behind.

    The exponential becomes a table. Every step keeps the name of the table of the inverse root in
    `attrs[SPLIT_SOFTMAX]`.
    """
    producers, consumers = graph.producers(), graph.consumers()
    owner: dict[str, str] = {}
    for node in graph.nodes:
        if node.op == "Table" and node.attrs["function"] == INVERSE_ROOT:
            owner |= dict.fromkeys(_split_steps(node, producers, consumers), node.name)
    nodes = []
    for node in graph.nodes:
        if node.name in owner:
            marked = replace(node, attrs={**node.attrs, SPLIT_SOFTMAX: owner[node.name]})
            nodes.append(_exp_table(marked) if node.op == "Exp" else marked)
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def _exp_table(node: FloatNode) -> FloatNode:
    return replace(node, op="Table", attrs={**node.attrs, "function": "exp"})


def _split_steps(root: FloatNode, producers: dict[str, FloatNode], consumers: dict[str, list[FloatNode]]) -> list[str]:
    """Names of the steps around the inverse root of a sum of exponentials, and of the products with it; else []."""
    total = _behind_clip(root.inputs[0], producers)
    exp = producers.get(total.inputs[0]) if total is not None and total.op in ("ReduceSum", "Conv") else None
    subtract = _behind_clip(exp.inputs[0], producers) if exp is not None and exp.op == "Exp" else None
    if total is None or exp is None or subtract is None or subtract.op != "Sub":
        return []
    peak = producers.get(subtract.inputs[1])
    if peak is None or peak.op != "ReduceMax" or peak.inputs[0] != subtract.inputs[0]:
        return []
    readers = list(consumers.get(root.output, []))
    for reader in list(readers):
        if reader.op == "Transpose":
            readers += consumers.get(reader.output, [])
    products = [node.name for node in readers if node.op == "Mul"]
    return [root.name, total.name, exp.name, subtract.name, peak.name, *products]


def _behind_clip(tensor: str, producers: dict[str, FloatNode]) -> FloatNode | None:
    """What makes the tensor, or what a Clip that makes it bounds."""
    node = producers.get(tensor)
    return producers.get(node.inputs[0]) if node is not None and node.op == "Clip" else node


def lower_softmax(graph: FloatGraph) -> FloatGraph:
    """The steps that `edgekit cut` writes for a Softmax become those that the board's compiler makes of them.

    Max, subtract, exp, sum and divide along the channels stand between two Transposes. The division becomes the
    reciprocal of the sum, a tensor that the file does not have, and a product. Every step keeps the name of the
    Softmax's last node in `attrs[SOFTMAX]`.
    """
    producers = graph.producers()
    owner: dict[str, str] = {}
    for node in graph.nodes:
        steps = [step.name for step in _softmax_steps(node, producers)]
        if owner.keys().isdisjoint(steps):  # a second Transpose of the same shares is only that
            owner |= dict.fromkeys(steps, node.name)
    nodes: list[FloatNode] = []
    taken = {*graph.inputs, *graph.constants, *producers}
    made, shapes = dict(graph.made), dict(graph.shapes)
    for node in graph.nodes:
        marked = replace(node, attrs={**node.attrs, SOFTMAX: owner[node.name]}) if node.name in owner else node
        if node.name in owner and node.op == "Exp":
            nodes.append(_exp_table(marked))
        elif node.name in owner and node.op == "Div":
            exp, total = node.inputs
            inverse = f"{total}_reciprocal"
            if inverse in taken:
                raise unsupported(node, f"needs the name {inverse!r}, which is taken", "rename that tensor")
            made[inverse], shapes[inverse] = total, graph.shapes[total]
            attrs = {"function": "reciprocal", SOFTMAX: owner[node.name]}
            nodes.append(FloatNode(f"{node.name}_reciprocal", "Table", (total,), (inverse,), attrs))
            nodes.append(replace(marked, name=f"{node.name}_mul", op="Mul", inputs=(exp, inverse)))
        else:
            nodes.append(marked)
    return graph.with_nodes(nodes, shapes=shapes, made=made)


def fuse_softmax(graph: FloatGraph) -> FloatGraph:
    """The opposite of `lower_softmax`: one Softmax again, for those that compute in floats."""
    forth = {
        node.attrs[SOFTMAX]: node.inputs[0]
        for node in graph.nodes
        if node.op == "Transpose" and SOFTMAX in node.attrs and node.attrs[SOFTMAX] != node.name
    }
    nodes = [
        FloatNode(node.name, "Softmax", (forth[node.name],), node.outputs, {"axis": -1})
        if node.attrs.get(SOFTMAX) == node.name
        else node
        for node in graph.nodes
    ]
    return drop_dead(graph.with_nodes(nodes))


def _softmax_steps(back: FloatNode, producers: dict[str, FloatNode]) -> list[FloatNode]:
    """The steps that end with the Transpose `back`, down to the Transpose that begins them; else []."""
    chain = [back]
    for op in ("Transpose", "Div", "Exp", "Sub", "Transpose"):
        node = chain[-1] if op == "Transpose" and len(chain) == 1 else producers.get(chain[-1].inputs[0])
        if node is None or node.op != op:
            return []
        if node is not back:
            chain.append(node)
    _, divide, exp, subtract, forth = chain
    total, peak = producers.get(divide.inputs[1]), producers.get(subtract.inputs[1])
    sums = total is not None and total.op == "ReduceSum" and total.inputs[0] == exp.output
    peaks = peak is not None and peak.op == "ReduceMax" and peak.inputs[0] == forth.output
    perm_forth, perm_back = list(forth.attrs["perm"]), list(back.attrs["perm"])
    last_axis = perm_forth[1] == len(perm_forth) - 1 and [perm_forth[i] for i in perm_back] == sorted(perm_forth)
    along_channels = all(
        list(step.attrs.get("axes", [])) == [1] and step.attrs.get("keepdims", 1) == 1
        for step in (total, peak)
        if step is not None
    )
    if not (sums and peaks and last_axis and along_channels):
        return []
    return [*chain, *(step for step in (total, peak) if step is not None)]
