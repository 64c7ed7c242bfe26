"""The price of 16 bits in milliseconds."""

from __future__ import annotations

import pytest

from edgekit.latency.estimate import estimate_layers
from edgekit.latency.layer import graph_layers
from edgekit.latency.price import WidthPrice
from edgekit.sim.graph import load_graph
from tests.latency.graphs import chain, conv_node, dequantize_node, requantize_node


def graph_of(bits: int) -> bytes:
    """As both compilers build it: a convolution of 16-bit maps is brought to its own scale behind it."""
    second = [conv_node("second", "a_quantized", "b_quantized", (64, 64), kernel=3)]
    if bits == 16:
        second = [
            conv_node("second", "a_quantized", "raw", (64, 64), kernel=3, bits=16),
            requantize_node("raw", "b_quantized", 64),
        ]
    nodes = [
        conv_node("first", "x", "a_quantized", (64, 64), kernel=3, bits=bits),
        *second,
        conv_node("head", "b_quantized", "c_quantized", (64, 80), bits=32),
        dequantize_node("c_quantized", "out"),
    ]
    return chain(nodes, (1, 40, 40, 64), ("out", "float32", (1, 40, 40, 80)))


def test_nothing_wide_is_the_estimate() -> None:
    layers = graph_layers(load_graph(graph_of(8)))
    price = WidthPrice(layers)
    assert price.base_ms == pytest.approx(estimate_layers(layers).frame_us / 1e3)
    assert price.share(()) == 0


def test_a_wide_tensor_costs_what_its_own_build_would() -> None:
    price = WidthPrice(graph_layers(load_graph(graph_of(8))))
    wide = estimate_layers(graph_layers(load_graph(graph_of(16))))
    assert price.milliseconds({"a"}) == pytest.approx(wide.frame_us / 1e3)
    assert price.share({"a"}) == pytest.approx(price.milliseconds(["a"]) / price.base_ms - 1)
    assert price.milliseconds({"a", "b"}) > price.milliseconds({"a"}) > price.base_ms


def test_outputs_in_16_bits_shorten_the_frame() -> None:
    """They are written to memory in half the bytes."""
    price = WidthPrice(graph_layers(load_graph(graph_of(8))))
    assert price.share({"c"}) < 0
    assert price.milliseconds({"a", "c"}) < price.milliseconds({"a"})


def test_a_tensor_that_the_graph_has_not_costs_nothing() -> None:
    assert WidthPrice(graph_layers(load_graph(graph_of(8)))).share({"elsewhere"}) == 0
