"""The layers of a graph: what the BPU runs, and what of their neighbours changes their time."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.latency.layer import FeatureMap, graph_layers, operation
from edgekit.sim.graph import load_graph
from tests.latency.graphs import chain, conv_node, dequantize_node, two_convs
from tests.sim.synthetic import NodeSpec


def test_a_convolution_knows_its_window_weights_and_results() -> None:
    first, _, head, cpu = graph_layers(load_graph(two_convs()))
    assert (first.op, first.kernel, first.stride, first.group) == ("Conv", (3, 3), (1, 1), 1)
    assert first.weight_bytes == 64 * 9 * 64 + 12 * 64
    assert first.is_input and not first.is_output
    assert head.outputs[0].bits == 32 and head.is_output and not head.is_input
    assert cpu.op == "Dequantize" and cpu.on_cpu


def test_a_strided_reader_is_seen() -> None:
    nodes = [
        conv_node("a", "x", "p", (8, 8)),
        conv_node("b", "p", "q", (8, 8), kernel=3, stride=2),
        conv_node("c", "q", "y", (8, 8)),
    ]
    a, b, c = graph_layers(load_graph(chain(nodes, (1, 8, 8, 8), ("y", "int8", (1, 4, 4, 8)))))
    assert [one.strided_readers for one in (a, b, c)] == [True, False, False]
    assert b.stride == (2, 2) and b.outputs[0].shape == (1, 4, 4, 8)


def test_depthwise_is_one_channel_per_group() -> None:
    nodes = [conv_node("a", "x", "p", (8, 8), kernel=3, group=8), conv_node("b", "p", "y", (8, 8), group=2)]
    depthwise, grouped = graph_layers(load_graph(chain(nodes, (1, 8, 8, 8), ("y", "int8", (1, 8, 8, 8)))))
    assert depthwise.is_depthwise and not grouped.is_depthwise


def test_with_bits_gives_maps_16_bits_by_name_accumulators_too() -> None:
    first, second, head, _ = graph_layers(load_graph(two_convs()))
    wide = frozenset({"a", "c"})
    assert first.with_bits(wide).outputs[0].bits == 16 and first.with_bits(wide).bits == 8
    assert second.with_bits(wide).bits == 16
    assert head.with_bits(frozenset({"a"})).outputs[0].bits == 32
    assert head.with_bits(wide).outputs[0].bits == 16 and head.with_bits(wide).bits == 8


@pytest.mark.parametrize(
    ("op_type", "name"),
    [
        ("HzSQuantizedConv", "Conv"),
        ("HzSElementwiseAdd", "Add"),
        ("HzQuantizedMaxPool", "MaxPool"),
        ("HzLut", "Lut"),
        ("Concat", "Concat"),
    ],
)
def test_operations_lose_what_the_vendor_puts_before_them(op_type: str, name: str) -> None:
    assert operation(op_type) == name


@pytest.mark.parametrize(
    ("shape", "nhwc"), [((5,), (1, 1, 1, 5)), ((2, 3, 4, 5), (2, 3, 4, 5)), ((2, 2, 3, 4, 5), (4, 3, 4, 5))]
)
def test_a_map_has_four_axes(shape: tuple[int, ...], nhwc: tuple[int, ...]) -> None:
    one = FeatureMap("x", shape, 16)
    assert one.nhwc == nhwc and one.bytes == 2 * int(np.prod(shape))


def test_transpositions_say_where_the_channels_go() -> None:
    nodes = [
        conv_node("a", "x", "p", (8, 8)),
        NodeSpec("Transpose", ["p"], ["q"], {"perm": [0, 3, 1, 2]}, name="front"),
        NodeSpec("Transpose", ["q"], ["r"], {"perm": [0, 1, 3, 2]}, name="swap"),
        dequantize_node("r", "y"),
    ]
    conv, front, swap, _ = graph_layers(load_graph(chain(nodes, (1, 4, 6, 8), ("y", "float32", (1, 8, 6, 4)))))
    assert (front.op, swap.op) == ("ToChannelsFirst", "Transpose")
    assert conv.transposed_readers and not front.transposed_readers
