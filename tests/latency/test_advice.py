"""What would make a model faster, from its layers."""

from __future__ import annotations

import pytest

from edgekit.latency.advice import advise, widths_saved
from edgekit.latency.estimate import estimate_layers
from edgekit.latency.layer import FeatureMap, Layer, graph_layers
from edgekit.latency.parameters import load_parameters
from edgekit.sim.graph import load_graph
from tests.latency.graphs import two_convs

PARAMETERS = load_parameters()


def test_a_smaller_input_saves_its_share_of_the_area() -> None:
    layers = graph_layers(load_graph(two_convs(160)))
    found = estimate_layers(layers)
    (smaller,) = (one for one in advise(layers, found, PARAMETERS) if one.what.startswith("an input of 128x128"))
    bound = sum(layer.frame_us for layer in found.layers if layer.bound != "memory")
    assert smaller.milliseconds == pytest.approx(bound * (1 - 0.64) / 1e3)
    assert "imgsz=128" in smaller.how


def test_sixteen_bits_are_named_with_what_they_cost() -> None:
    layers = [layer.with_bits(frozenset({"a"})) for layer in graph_layers(load_graph(two_convs()))]
    saved = widths_saved(layers, PARAMETERS)
    assert list(saved) == ["a"] and saved["a"] > 20
    named = [one for one in advise(layers, estimate_layers(layers), PARAMETERS) if one.what == "8 bits for a"]
    assert named[0].milliseconds == pytest.approx(saved["a"] / 1e3)
    assert widths_saved(graph_layers(load_graph(two_convs())), PARAMETERS) == {}


def test_outputs_with_32_bits_are_named_with_what_16_would_save() -> None:
    layers = graph_layers(load_graph(two_convs(160)))
    found = estimate_layers(layers)
    (outputs,) = (one for one in advise(layers, found, PARAMETERS) if one.what.startswith("1 output in 16 bits"))
    shorter = [layer.with_bits(frozenset({"c"})) for layer in layers]
    assert outputs.milliseconds == pytest.approx((found.frame_us - estimate_layers(shorter).frame_us) / 1e3)
    assert widths_saved(shorter, PARAMETERS) == {}
    again = advise(shorter, estimate_layers(shorter), PARAMETERS)
    assert not any("in 16 bits in place of 32" in one.what for one in again)


def test_attention_is_named_by_its_block() -> None:
    rows = FeatureMap("q", (1, 2, 64, 400), 8)
    image = FeatureMap("y", (1, 128, 20, 20), 8)
    layers = [
        Layer("/model.10/attn/MatMul", "Matmul", (rows, rows), (rows,)),
        Layer("/model.10/attn/Reshape", "Reshape", (rows,), (image,)),
        Layer("/model.2/Reshape", "Reshape", (rows,), (image,)),
    ]
    found = estimate_layers(layers)
    (moved,) = (one for one in advise(layers, found, PARAMETERS) if "attention" in one.what)
    assert moved.what.startswith("the attention of model.10")
    assert moved.milliseconds == pytest.approx(found.layers[1].frame_us / 1e3)


def test_the_largest_saving_comes_first() -> None:
    layers = [layer.with_bits(frozenset({"a", "b"})) for layer in graph_layers(load_graph(two_convs(160)))]
    savings = [one.milliseconds for one in advise(layers, estimate_layers(layers), PARAMETERS)]
    assert len(savings) >= 2 and savings == sorted(savings, reverse=True)
