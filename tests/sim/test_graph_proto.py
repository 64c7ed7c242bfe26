"""Initializers and attributes of a graph: exactly what they say they are, or refused with their name."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.sim.graph import load_graph
from edgekit.sim.graph_proto import constant_values
from tests.sim.test_graph import conv_graph

INT8 = onnx.TensorProto.INT8


def tensor(**fields: Any) -> onnx.TensorProto:
    proto = onnx.TensorProto(name="w", data_type=fields.pop("data_type", INT8))
    for name, value in fields.items():
        if name == "raw_data":
            proto.raw_data = value
        else:
            getattr(proto, name).extend(value)
    return proto


def read(proto: onnx.TensorProto) -> np.ndarray:
    return constant_values(onnx.GraphProto(initializer=[proto]), "the graph")["w"]


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (tensor(dims=[2, 1], raw_data=b"\x80\x7f"), np.array([[-128], [127]], np.int8)),
        (tensor(dims=[2], int32_data=[-128, 127]), np.array([-128, 127], np.int8)),
        (tensor(data_type=7, dims=[], int64_data=[2**40]), np.array(2**40, np.int64)),
        (tensor(data_type=1, dims=[1], float_data=[0.5]), np.array([0.5], np.float32)),
        (tensor(data_type=5, dims=[1], raw_data=b"\x01\x02"), np.array([0x0201], np.int16)),
        (tensor(data_type=1, dims=[0]), np.zeros(0, np.float32)),
    ],
)
def test_sound_initializers_are_read(proto: onnx.TensorProto, expected: np.ndarray) -> None:
    found = read(proto)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected) and not found.flags.writeable


@pytest.mark.parametrize(
    ("proto", "says"),
    [
        (tensor(dims=[3], raw_data=b"12"), "holds 2 elements, expected 3"),
        (tensor(dims=[2], int32_data=[1]), "holds 1 elements, expected 2"),
        (tensor(dims=[2], int32_data=[1, 128]), r"holds 1\.\.128, expected values that int8 can hold"),
        (tensor(dims=[1], int32_data=[-129]), r"holds -129\.\.-129, expected"),
        (tensor(dims=[1], float_data=[1.0]), "is int8 and holds float_data, expected int32_data"),
        (tensor(dims=[1], raw_data=b"1", int32_data=[1]), "holds int32_data, expected raw_data alone"),
        (tensor(dims=[1], string_data=[b"a"]), "holds string_data"),
        (tensor(dims=[-1], raw_data=b""), r"has dims \[-1\]"),
        (tensor(dims=[2**62, 4], raw_data=b""), "has dims"),
        (tensor(dims=[0, 2**29, 2**29, 2**29], raw_data=b""), "has dims"),
        (tensor(dims=[1] * 40, raw_data=b"1"), "has 40 dims"),
        (tensor(data_type=0, dims=[1], raw_data=b"1"), "is of element type 0"),
        (tensor(data_type=9, dims=[1], raw_data=b"1"), "is of element type 9"),
        (tensor(data_type=10, dims=[1], raw_data=b"12"), "is of element type 10"),
        (tensor(data_type=12345, dims=[1], raw_data=b"1"), "is of element type 12345"),
        (tensor(data_type=7, dims=[1], int32_data=[1]), "is int64 and holds int32_data"),
    ],
)
def test_initializers_that_are_not_what_they_say_are_refused(proto: onnx.TensorProto, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        read(proto)
    assert caught.value.message.startswith("initializer 'w' of no node ")


def test_an_initializer_that_is_there_twice_is_refused() -> None:
    proto = tensor(dims=[1], raw_data=b"1")
    with pytest.raises(ModelError, match="initializer 'w' of the graph is there twice"):
        constant_values(onnx.GraphProto(initializer=[proto, proto]), "the graph")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda node: node.attribute.append(node.attribute[0]), "attribute '[a-z_]+' is there twice"),
        (
            lambda node: node.attribute.append(onnx.AttributeProto(name="odd")),
            "attribute odd is a NoneType, expected numbers or text",
        ),
        (
            lambda node: node.attribute.append(onnx.AttributeProto(name="odd", type="TENSOR", t=tensor(dims=[1]))),
            "attribute odd is a TensorProto, expected numbers or text",
        ),
        (
            lambda node: node.attribute.append(onnx.AttributeProto(name="odd", type="STRING", s=b"\xff")),
            "attribute odd is no text",
        ),
    ],
)
def test_attributes_that_are_no_plain_values_are_refused(change: Any, says: str) -> None:
    model = onnx.load_from_string(conv_graph())
    change(model.graph.node[0])
    with pytest.raises(ModelError, match=f"node 'my_conv'.*{says}"):
        load_graph(model.SerializeToString())


@pytest.mark.parametrize("name", ["a\x1b[2J", "line\nbreak", "a" * 1025])
def test_names_that_would_hurt_a_terminal_are_refused(name: str) -> None:
    model = onnx.load_from_string(conv_graph())
    model.graph.node[0].name = name
    with pytest.raises(ModelError, match="printable characters") as caught:
        load_graph(model.SerializeToString())
    assert caught.value.message.isprintable() and len(caught.value.message) < 300


@pytest.mark.parametrize("place", [b"my_conv", b"HzSQuantizedConv", b"horizon", b"output_bit"])
def test_text_that_is_not_utf_8_is_refused(place: bytes) -> None:
    data = conv_graph().replace(place, b"\xff" + place[1:])
    with pytest.raises(ModelError) as caught:
        load_graph(data)
    assert caught.value.message.isprintable()
