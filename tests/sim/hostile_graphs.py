"""Graphs that want to hurt, made from sound ones: one thing changed that a loader may take on trust."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

NUMBERS = (-(2**31), -1, 0, 1, 32, 2**31 - 1)  # for one entry of a list: signs, shifts of the word's width, overflows
AXES = (-5, -2, -1, 0, 1, 2, 3, 4)  # for single integers: axes inside and outside, groups, bits, flags
SHAPES = {"a scalar": (), "one axis": (4,), "two images": None, "nothing": (0,), "one number": (1,)}


def hostile_graphs(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (what was changed, ONNX bytes) for every single change of a sound graph; always the same ones."""
    for change in (_names, _tensor_names, _arrays, _lists, _integers, _input_shapes, _channels):
        yield from change(sound)


def _model(sound: bytes) -> onnx.ModelProto:
    return onnx.load_from_string(sound)


def _names(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Node names that repeat, and an empty one that meets the name generated for another."""
    count = len(_model(sound).graph.node)
    for index in range(1, count):
        model = _model(sound)
        model.graph.node[index].name = model.graph.node[0].name
        yield f"node {index} has the name of node 0", model.SerializeToString()
    model = _model(sound)
    last = model.graph.node[count - 1]
    model.graph.node[0].name, last.name = f"{last.op_type}_{count - 1}", ""
    yield "a name that is generated for another node", model.SerializeToString()


def _tensor_names(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Results and inputs that take the name of another tensor."""
    for index in range(1, len(_model(sound).graph.node)):
        model = _model(sound)
        model.graph.node[index].output[0] = model.graph.node[index - 1].output[0]
        yield f"node {index} writes what node {index - 1} writes", model.SerializeToString()
        model = _model(sound)
        model.graph.node[index].input[0] = model.graph.node[index].output[0]
        yield f"node {index} reads itself", model.SerializeToString()
        model = _model(sound)
        model.graph.node[index].input[0] = model.graph.input[0].name
        yield f"node {index} reads the graph's input", model.SerializeToString()


def _arrays(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Weights, biases and tables with fewer or more entries, of other ranks and element types."""
    for index, tensor in enumerate(_model(sound).graph.initializer):
        array = numpy_helper.to_array(tensor)
        others = {"no axes": array.reshape(-1)[:1].reshape(()), "one axis more": array[..., None]}
        others |= {"one axis": array.reshape(-1), "64 bits": array.astype(np.int64)}
        for axis in range(array.ndim):
            others[f"one less along {axis}"] = np.delete(array, -1, axis)
            others[f"twice along {axis}"] = np.concatenate([array, array], axis)
        for what, changed in others.items():
            model = _model(sound)
            model.graph.initializer[index].CopyFrom(numpy_helper.from_array(changed, tensor.name))
            yield f"{tensor.name}: {what}", model.SerializeToString()


def _lists(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Per-channel parameters, pads, strides and kernels of another length, or with one entry out of range."""
    for place, name, values in _attributes(sound, onnx.AttributeProto.INTS):
        lists = {"one less": values[:-1], "one more": [*values, values[-1]], "none": []}
        lists |= {f"{number} first": [number, *values[1:]] for number in NUMBERS}
        lists |= {f"all {number}": [number] * len(values) for number in NUMBERS}
        for what, changed in lists.items():
            model = _model(sound)
            attribute = model.graph.node[place[0]].attribute[place[1]]
            attribute.ints[:] = changed
            yield f"node {place[0]}: {name} {what}", model.SerializeToString()


def _integers(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Axes, groups, bits and flags."""
    for place, name, (value,) in _attributes(sound, onnx.AttributeProto.INT):
        for number in {*AXES, *NUMBERS} - {value}:
            model = _model(sound)
            model.graph.node[place[0]].attribute[place[1]].i = number
            yield f"node {place[0]}: {name} {number}", model.SerializeToString()


def _input_shapes(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """Inputs of other ranks."""
    for what, shape in SHAPES.items():
        model = _model(sound)
        dims = model.graph.input[0].type.tensor_type.shape.dim
        sizes = [2, *(d.dim_value for d in dims[1:])] if shape is None else shape
        del dims[:]
        for size in sizes:
            dims.add().dim_value = size
        yield f"input: {what}", model.SerializeToString()


def _channels(sound: bytes) -> Iterator[tuple[str, bytes]]:
    """One more or less along each axis of each input."""
    for index, value in enumerate(_model(sound).graph.input):
        for axis in range(len(value.type.tensor_type.shape.dim)):
            for difference in (-1, 1):
                model = _model(sound)
                model.graph.input[index].type.tensor_type.shape.dim[axis].dim_value += difference
                yield f"input {index}: {difference:+d} along {axis}", model.SerializeToString()


def _attributes(sound: bytes, kind: int) -> Iterator[tuple[tuple[int, int], str, list[int]]]:
    """Yield ((node, attribute), name, values) of the integer attributes of a kind."""
    for index, node in enumerate(_model(sound).graph.node):
        for number, attribute in enumerate(node.attribute):
            if attribute.type == kind and (kind == onnx.AttributeProto.INT or attribute.ints):
                single = kind == onnx.AttributeProto.INT
                yield (index, number), attribute.name, [attribute.i] if single else list(attribute.ints)
