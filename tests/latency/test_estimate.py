"""The estimate of a graph: its layers add up, its band says what it rests on, foreign graphs are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.latency.board import RATE_ERROR, board_figures
from edgekit.latency.estimate import estimate_layers, estimate_model, time_by_bound
from edgekit.latency.layer import graph_layers
from edgekit.latency.parameters import load_parameters, parameters_from_dict
from edgekit.sim.container import write_sim_bin
from edgekit.sim.graph import load_graph
from tests.latency.graphs import chain, conv_node, two_convs
from tests.sim.synthetic import NodeSpec


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(content)
    return path


def test_layers_add_up_to_the_frame(tmp_path: Path) -> None:
    found = estimate_model(written(tmp_path, two_convs()))
    assert [layer.name for layer in found.layers] == ["first", "second", "head"]
    assert sum(layer.frame_us for layer in found.layers) == pytest.approx(found.frame_us)
    assert sum(us for _, us in time_by_bound(found)) == pytest.approx(found.frame_us)
    assert found.low_us < found.frame_us < found.high_us and found.fps == pytest.approx(1e6 / found.frame_us)
    assert found.ddr_bytes == sum(layer.load_bytes + layer.store_bytes for layer in found.layers)


def test_two_kernels_of_a_tenth_of_a_giga_product_take_30_us_each(tmp_path: Path) -> None:
    """The vendor's files say 29 us for 3x3, 64 to 64 channels at 40x40."""
    first, second, _ = estimate_model(written(tmp_path, two_convs())).layers
    assert 26 < first.compute_us < 32 and 26 < second.compute_us < 32


def test_sixteen_bits_cost_more_and_have_their_own_band() -> None:
    layers = graph_layers(load_graph(two_convs()))
    wide = [layer.with_bits(frozenset({"a"})) for layer in layers]
    narrow_estimate, wide_estimate = estimate_layers(layers), estimate_layers(wide)
    assert wide_estimate.layers[1].compute_us > 2 * narrow_estimate.layers[1].compute_us
    assert wide_estimate.frame_us > narrow_estimate.frame_us
    parameters = load_parameters()
    strict = replace(parameters, int16=replace(parameters.int16, band=0.5), frame_us=(0.0, 1e9), int16_share=1.0)
    assert estimate_layers(wide, parameters=strict).band == pytest.approx(0.5)


def test_a_larger_map_takes_longer() -> None:
    small, large = (estimate_layers(graph_layers(load_graph(two_convs(side)))) for side in (20, 80))
    assert large.frame_us > 8 * small.frame_us


def test_a_frame_outside_the_fit_widens_the_band() -> None:
    layers = graph_layers(load_graph(two_convs()))
    parameters = load_parameters()
    inside = estimate_layers(layers, parameters=replace(parameters, frame_us=(0.0, 1e9)))
    outside = estimate_layers(layers, parameters=replace(parameters, frame_us=(1e8, 1e9)))
    assert outside.band > inside.band and "outside the fitted frames" in outside.notes[-1]


def test_more_sixteen_bits_than_in_any_fitted_build_widen_the_band() -> None:
    layers = [layer.with_bits(frozenset({"a"})) for layer in graph_layers(load_graph(two_convs()))]
    parameters = replace(load_parameters(), frame_us=(0.0, 1e9))
    usual, wider = (estimate_layers(layers, parameters=replace(parameters, int16_share=share)) for share in (1.0, 0.1))
    share = wider.layers[1].frame_us / wider.frame_us
    assert wider.band == pytest.approx(usual.band + share - 0.1)
    assert "16-bit operands take" in wider.notes[-1] and not any("16-bit" in note for note in usual.notes)


def test_kinds_that_the_fit_has_not_seen_are_named_and_widen_the_band() -> None:
    layers = graph_layers(load_graph(two_convs()))
    parameters = replace(load_parameters(), frame_us=(0.0, 1e9))
    groups = {name: factors for name, factors in parameters.groups.items() if name != "Conv"}
    found = estimate_layers(layers, parameters=replace(parameters, groups=groups))
    assert found.band > parameters.int8.band + 0.1
    assert "kinds of layers that no fitted build had: Conv" in found.notes[-1]
    assert [layer.fitted for layer in found.layers] == [False, False, True]


def test_nodes_on_the_cpu_in_between_are_said(tmp_path: Path) -> None:
    nodes = [
        conv_node("a", "x", "p", (8, 8)),
        NodeSpec("HzDequantize", ["p", "u"], ["f"], {"axis": 3}, {"u": np.array([0.5], np.float32)}, "out_of_it"),
        NodeSpec("Softmax", ["f"], ["g"], {"axis": 3}, name="soft"),
        NodeSpec("HzQuantize", ["g", "v"], ["q"], {}, {"v": np.array([0.5], np.float32)}, "in"),
        conv_node("b", "q", "y", (8, 8)),
    ]
    content = chain(nodes, (1, 4, 4, 8), ("y", "int8", (1, 4, 4, 8)))
    found = estimate_model(written(tmp_path, content))
    assert found.cpu_nodes == ("soft", "in") and "2 nodes run on the CPU" in found.notes[-1]


def test_another_march_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_sim_bin(path, two_convs(), march="bernoulli2", input_kind="featuremap")
    with pytest.raises(ModelError, match="is for march bernoulli2, expected bayes-e") as caught:
        estimate_model(path)
    assert "bayes-e" in caught.value.hint


def test_a_graph_of_the_march_needs_no_remark(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    write_sim_bin(path, two_convs(), march="bayes-e", input_kind="featuremap")
    assert not any("march" in note for note in estimate_model(path).notes)
    assert "no file says the march" in estimate_model(written(tmp_path, two_convs())).notes[0]


def test_a_float_graph_and_an_empty_one_are_refused(tmp_path: Path) -> None:
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    infos = [onnx.helper.make_tensor_value_info(name, 1, [1, 8]) for name in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([relu], "g", infos[:1], infos[1:]))
    with pytest.raises(ModelError, match="holds no integer operator"):
        estimate_model(written(tmp_path, model.SerializeToString()))
    with pytest.raises(ModelError, match="holds no nodes"):
        estimate_model(written(tmp_path, b""))


def test_shapes_that_are_not_fixed_are_refused(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(two_convs())
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"
    with pytest.raises(ModelError, match="fixed sizes"):
        estimate_model(written(tmp_path, model.SerializeToString()))


def test_nothing_but_the_cpu_is_refused() -> None:
    layers = [replace(layer, on_cpu=True) for layer in graph_layers(load_graph(two_convs()))]
    with pytest.raises(ModelError, match="no layer that runs on the BPU"):
        estimate_layers(layers)


def test_board_figures_hold_both_errors_and_name_no_unmeasured_offset() -> None:
    figures = board_figures(5000.0, 0.05, "segment")
    assert figures.two_threads_fps == pytest.approx(200) and figures.one_thread_ms == pytest.approx(10.4)
    assert figures.high_fps == pytest.approx(200 * (1.05 + RATE_ERROR))
    assert board_figures(5000.0, 0.05, "obb").one_thread_ms is None


def test_the_parameter_file_is_what_it_says() -> None:
    parameters = load_parameters()
    assert parameters_from_dict(parameters.to_dict()) == parameters
    assert parameters.march == "bayes-e" and len(parameters.builds) >= 5
    errors = [abs(one.left_out_us / one.compiled_us - 1) for one in parameters.builds if not one.int16]
    assert parameters.int8.builds == len(errors)
    assert parameters.int8.worst == pytest.approx(max(errors), rel=1e-3)
    assert {"v5u", "v8", "v9", "v10", "11", "12", "26"} <= {one.family for one in parameters.sums}
    sums = [abs(one.left_out_us / one.compiled_us - 1) for one in parameters.sums if not one.int16]
    assert parameters.int8.median <= parameters.int8.band <= max(*errors, *sums)


def test_a_compiled_model_of_the_shared_data(shared_data: Path) -> None:
    folder = shared_data / "horizon" / "yolov8n_seg_nv12"
    found = estimate_model(folder / "yolov8n_seg_bayese_640x640_nv12.bin")
    assert found.frame_us == pytest.approx(5123.0, rel=0.12)  # compiled at O3
    assert len(found.layers) > 150
