"""What the CPU takes at least: one pass over the numbers of each of its layers."""

from __future__ import annotations

import pytest

from edgekit.latency.advice import advise
from edgekit.latency.cpu import NS_PER_NUMBER, START_US, cpu_us
from edgekit.latency.estimate import estimate_layers, inner_cpu_layers
from edgekit.latency.layer import FeatureMap, Layer
from edgekit.latency.parameters import load_parameters

PARAMETERS = load_parameters()


def conv(name: str, source: str, target: str, *, shape: tuple[int, ...] = (1, 40, 40, 64), bits: int = 8) -> Layer:
    return Layer(name, "Conv", (FeatureMap(source, shape, 8),), (FeatureMap(target, shape, bits),), weight_bytes=4096)


def cpu(name: str, op: str, source: str, target: str, shape: tuple[int, ...] = (1, 40, 40, 64)) -> Layer:
    return Layer(name, op, (FeatureMap(source, shape, 32),), (FeatureMap(target, shape, 32),), on_cpu=True)


def interrupted(op: str = "Softmax") -> list[Layer]:
    return [
        conv("first", "x", "a", bits=32),
        cpu("leave", "Dequantize", "a", "b"),
        cpu("soft", op, "b", "c"),
        cpu("enter", "Quantize", "c", "d"),
        conv("last", "d", "y", bits=32),
        cpu("out", "Dequantize", "y", "z"),
    ]


def test_no_cpu_layer_takes_nothing() -> None:
    assert cpu_us([]) == 0


def test_each_layer_passes_over_its_larger_side_once() -> None:
    small = Layer("sum", "ReduceSum", (FeatureMap("a", (1, 10, 10), 32),), (FeatureMap("b", (1, 10), 32),), on_cpu=True)
    assert cpu_us([small]) == pytest.approx(START_US + 100 * NS_PER_NUMBER / 1e3)
    assert cpu_us([small, small]) == pytest.approx(START_US + 200 * NS_PER_NUMBER / 1e3)


def test_the_measured_offsets_are_met() -> None:
    detect, segment = 8400 * 144, 8400 * 176 + 160 * 160 * 32
    for numbers, ms in ((detect, 3.0), (segment, 5.4)):
        layer = cpu("dequantize", "Dequantize", "a", "b", (1, numbers))
        assert cpu_us([layer]) / 1e3 == pytest.approx(ms, rel=0.1)


def test_only_what_interrupts_the_bpu_counts() -> None:
    assert [layer.name for layer in inner_cpu_layers(interrupted())] == ["leave", "soft", "enter"]
    found = estimate_layers(interrupted())
    assert found.cpu_nodes == ("soft", "enter")
    assert found.cpu_us == pytest.approx(START_US + 3 * 40 * 40 * 64 * NS_PER_NUMBER / 1e3)
    assert f"at least {found.cpu_us / 1e3:.1f} ms" in found.notes[-1]


@pytest.mark.parametrize(("op", "hint"), [("Softmax", "set_Softmax_input_int8"), ("TopK", "ON: BPU")])
def test_interruptions_are_advised_against_by_name(op: str, hint: str) -> None:
    found = estimate_layers(interrupted(op))
    (saving,) = (one for one in advise(interrupted(op), found, PARAMETERS) if "on the CPU" in one.what)
    assert "soft" in saving.what and hint in saving.how and saving.milliseconds == pytest.approx(found.cpu_us / 1e3)


def test_layers_behind_the_last_convolutions_can_be_cut_off() -> None:
    shape = (1, 40, 40, 64)
    maps = [FeatureMap(name, shape, 8) for name in "yabc"]
    tail = [
        Layer(f"tail{i}", op, (source,), (target,))
        for i, (op, source, target) in enumerate(zip(("Reshape", "Transpose", "Mul"), maps, maps[1:], strict=False))
    ]
    layers = [conv("first", "x", "p"), Layer("act", "Lut", (FeatureMap("p", shape, 8),), (FeatureMap("q", shape, 8),))]
    layers += [conv("last", "q", "y"), *tail]
    found = estimate_layers(layers)
    (saving,) = (one for one in advise(layers, found, PARAMETERS) if "cut at its last" in one.what)
    behind = sum(layer.frame_us for layer in found.layers if layer.name.startswith("tail"))
    assert saving.milliseconds == pytest.approx(behind / 1e3) and "edgekit cut" in saving.how
    assert not any("cut at its last" in one.what for one in advise(layers[:3], estimate_layers(layers[:3]), PARAMETERS))
