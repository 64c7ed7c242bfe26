"""Damage to ONNX graphs: nodes, names, attributes, shapes and weights, or any field of the message."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import onnx

from fuzzing.mutate_bytes import mutate_bytes
from fuzzing.mutate_message import any_field, odd_integer, odd_text

Model = Any  # an onnx.ModelProto, which has no annotations


def mutate_graph(rng: Random, data: bytes) -> bytes:
    """Damage an ONNX file once to four times, one in ten as bytes."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    model = onnx.ModelProto.FromString(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        mutate = any_field if rng.random() < 0.25 else rng.choice(MUTATORS)
        mutate(rng, model)
    return bytes(model.SerializeToString())


def _node(rng: Random, model: Model) -> Any:
    return rng.choice(model.graph.node) if len(model.graph.node) else model.graph.node.add()


def _repeat_name(rng: Random, model: Model) -> None:
    _node(rng, model).name = rng.choice((_node(rng, model).name, ""))


def _rename_node(rng: Random, model: Model) -> None:
    _node(rng, model).name = odd_text(rng, _node(rng, model).name)


def _rewire(rng: Random, model: Model) -> None:
    """An input of a node becomes another tensor; in one of four an output does."""
    node = _node(rng, model)
    names = [n for other in model.graph.node for n in (*other.input, *other.output)] + ["", "nothing"]
    field = node.output if rng.random() < 0.25 else node.input
    if len(field):
        field[rng.randrange(len(field))] = rng.choice(names)


def _more_or_fewer_inputs(rng: Random, model: Model) -> None:
    node = _node(rng, model)
    if rng.random() < 0.5 and len(node.input):
        del node.input[rng.randrange(len(node.input))]
    else:
        node.input.extend(list(node.input)[-1:] * rng.choice((1, 2, 60)))


def _drop_node(rng: Random, model: Model) -> None:
    if len(model.graph.node):
        del model.graph.node[rng.randrange(len(model.graph.node))]


def _repeat_node(rng: Random, model: Model) -> None:
    copied = onnx.NodeProto()
    copied.CopyFrom(_node(rng, model))
    if rng.random() < 0.7:
        copied.name += "_again"
        copied.output[:] = [f"{name}_again" for name in copied.output]
        _rewire_one(rng, model, copied)
    model.graph.node.insert(rng.randrange(len(model.graph.node) + 1), copied)


def _rewire_one(rng: Random, model: Model, copied: Any) -> None:
    """Some node reads what the copy writes, and the copy what some node writes."""
    reader, source = _node(rng, model), _node(rng, model)
    if len(reader.input) and len(copied.output):
        reader.input[0] = copied.output[0]
    if len(copied.input) and len(source.output) and rng.random() < 0.5:
        copied.input[0] = source.output[0]


def _swap_nodes(rng: Random, model: Model) -> None:
    nodes = model.graph.node
    if len(nodes):
        a, b = rng.randrange(len(nodes)), rng.randrange(len(nodes))
        first, second = onnx.NodeProto(), onnx.NodeProto()
        first.CopyFrom(nodes[a]), second.CopyFrom(nodes[b])
        nodes[a].CopyFrom(second), nodes[b].CopyFrom(first)


def _change_op(rng: Random, model: Model) -> None:
    node, other = _node(rng, model), _node(rng, model)
    node.op_type = rng.choice((other.op_type, rng.choice(OPERATORS), odd_text(rng, node.op_type)))
    if rng.random() < 0.3:
        node.domain = rng.choice(("", "horizon", "ai.onnx.ml", "x"))


def _attribute(rng: Random, model: Model) -> None:
    """A value of an attribute changes, by a little or to an extreme; lists in length, too."""
    with_some = [node for node in model.graph.node if len(node.attribute)]
    if not with_some:
        return
    attribute = rng.choice(rng.choice(with_some).attribute)
    if len(attribute.ints):
        _change_list(rng, attribute.ints, lambda old: odd_integer(rng, old))
    elif len(attribute.floats):
        _change_list(rng, attribute.floats, lambda old: _odd_float(rng, old))
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = odd_integer(rng, attribute.i)
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = _odd_float(rng, attribute.f)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = rng.choice(
            (b"", b"FLOOR", b"ROUND", b"NCHW", b"NHWC", b"nearest", b"linear", b"\xff\xfe", attribute.s * 2)
        )
    if rng.random() < 0.08:
        attribute.type = rng.choice(onnx.AttributeProto.AttributeType.values())


def _attributes(rng: Random, model: Model) -> None:
    """Attributes vanish, are there twice, or come from another node."""
    node, other = _node(rng, model), _node(rng, model)
    draw = rng.random()
    if draw < 0.4 and len(node.attribute):
        del node.attribute[rng.randrange(len(node.attribute))]
    elif draw < 0.7 and len(other.attribute):
        node.attribute.add().CopyFrom(rng.choice(other.attribute))
    else:
        node.attribute.add(name=rng.choice(EXTRA), i=odd_integer(rng, 1), type=onnx.AttributeProto.INT)


def _dims(rng: Random, model: Model) -> None:
    """Dims of a constant change, swap or multiply, with or without its elements."""
    if not len(model.graph.initializer):
        return
    tensor = rng.choice(model.graph.initializer)
    draw = rng.random()
    if draw < 0.3 and len(tensor.dims) > 1:
        dims = list(tensor.dims)
        rng.shuffle(dims)
        tensor.dims[:] = dims
    elif draw < 0.5:
        tensor.dims[:] = rng.choice(([], [1], [*tensor.dims, 1], [1, *tensor.dims], [0], list(tensor.dims)[:-1]))
    else:
        _change_list(rng, tensor.dims, lambda old: odd_integer(rng, old))


def _values(rng: Random, model: Model) -> None:
    """Elements of a constant change; mostly it stays whole."""
    if not len(model.graph.initializer):
        return
    tensor = rng.choice(model.graph.initializer)
    draw = rng.random()
    if draw < 0.15:
        tensor.data_type = rng.randrange(25)
    elif draw < 0.3:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif draw < 0.4:
        tensor.CopyFrom(_renamed(rng.choice(model.graph.initializer), tensor.name))
    elif draw < 0.6:
        tensor.raw_data = rng.choice((b"\0", b"\x7f", b"\x80", b"\xff")) * len(tensor.raw_data)
    else:
        tensor.raw_data = rng.randbytes(len(tensor.raw_data))


def _renamed(tensor: Any, name: str) -> Any:
    copied = onnx.TensorProto()
    copied.CopyFrom(tensor)
    copied.name = name
    return copied


def _declared(rng: Random, model: Model) -> None:
    """What the graph says of an input or output: sizes, types, names."""
    values = [*model.graph.input, *model.graph.output]
    if not values:
        return
    value = rng.choice(values)
    draw, dims = rng.random(), value.type.tensor_type.shape.dim
    if draw < 0.5 and len(dims):
        dim = rng.choice(dims)
        dim.dim_value = odd_integer(rng, dim.dim_value)
    elif draw < 0.6 and len(dims):
        rng.choice(dims).dim_param = rng.choice(("batch", "", "N"))
    elif draw < 0.7:
        del dims[rng.randrange(len(dims) + 1) :]
    elif draw < 0.85:
        value.type.tensor_type.elem_type = rng.randrange(20)
    else:
        value.name = odd_text(rng, value.name)


def _outputs(rng: Random, model: Model) -> None:
    outputs = model.graph.output
    draw = rng.random()
    if draw < 0.3 and len(outputs):
        del outputs[rng.randrange(len(outputs))]
    elif draw < 0.5 and len(outputs):
        outputs.add().CopyFrom(rng.choice(outputs))
    else:
        names = [name for node in model.graph.node for name in node.output] or ["x"]
        outputs.add().name = rng.choice(names)


def _header(rng: Random, model: Model) -> None:
    draw = rng.random()
    if draw < 0.5 and len(model.opset_import):
        rng.choice(model.opset_import).version = odd_integer(rng, 11)
    elif draw < 0.7:
        model.ir_version = odd_integer(rng, 8)
    elif len(model.metadata_props):
        prop = rng.choice(model.metadata_props)
        prop.value = odd_text(rng, prop.value)


def _change_list(rng: Random, values: Any, odd: Callable[[Any], Any]) -> None:
    if not len(values) or rng.random() < 0.25:
        values[:] = list(values)[: rng.randrange(len(values) + 1)] or [odd(1)] * rng.choice((1, 5, 3000))
        return
    at, new = rng.randrange(len(values)), odd(values[0])
    values[:] = [new] * len(values) if rng.random() < 0.5 else [*values[:at], odd(values[at]), *values[at + 1 :]]


def _odd_float(rng: Random, old: float) -> float:
    return rng.choice((0.0, -old, old * 2, float("nan"), float("inf"), 1e-40, 3e38, -1.0))


OPERATORS = (
    "Add", "Concat", "Constant", "Conv", "Gather", "HzDequantize", "HzQuantize", "HzRequantize", "HzSPRelu",
    "HzLut", "HzPad",
    "HzSQuantizedConv", "HzSQuantizedMaxPool", "If", "Loop", "MaxPool", "Mul", "Pad", "Reshape", "Resize", "Scan",
    "Slice",
    "Softmax", "Split", "Tile", "Transpose", "Expand", "Range", "ConstantOfShape",
)  # fmt: skip
EXTRA = ("axis", "group", "auto_pad", "ceil_mode", "storage_order", "count_include_pad", "keepdims", "x" * 300, "")
MUTATORS: tuple[Callable[[Random, Model], None], ...] = (
    _attribute, _attribute, _attribute, _attribute, _attributes, _dims, _dims, _values, _values, _rewire, _rewire,
    _repeat_name, _rename_node, _more_or_fewer_inputs, _drop_node, _repeat_node, _repeat_node, _swap_nodes, _change_op,
    _declared, _declared, _outputs, _header,
)  # fmt: skip
