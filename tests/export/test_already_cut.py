"""Heads that others cut or that an expert names: told by names and shapes, given edgekit's names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph, cut_model
from edgekit.export.already_cut import is_cut
from edgekit.graph.onnx_graph import index_graph
from edgekit.spec import load_spec, save_spec, sidecar_path
from tests.stock_rows import LIMITS, differences, noise_image, run_onnx
from tests.tiny_yolo import save_tiny_yolo, tiny_yolo


def _last_convolutions(model: onnx.ModelProto) -> list[str]:
    return [n.output[0] for n in model.graph.node if n.op_type == "Conv" and n.name.endswith(".2/Conv")]


def test_named_heads_with_roles_decode_to_the_stock_rows() -> None:
    model = tiny_yolo(num_classes=64, anonymous=False)
    kinds = {"cv2": "box", "cv3": "class"}
    chosen = {name: kinds[name.split("/")[2].split(".")[0]] for name in _last_convolutions(model)}
    cut = cut_graph(model, CutOptions(outputs=chosen))
    image = noise_image((96, 64))
    found = differences(run_onnx(model, image), run_onnx(cut.model, image), cut.spec)
    assert all(found[kind] <= LIMITS[kind] for kind in found), found
    assert any("not proven" in note for note in cut.spec.notes)


def test_named_heads_without_roles_are_told_by_their_modules() -> None:
    model = tiny_yolo(task="segment", metadata=False)
    chosen = dict.fromkeys([*_last_convolutions(model), "output1"], "")
    chosen["output1"] = "proto"
    spec = cut_graph(model, CutOptions(outputs=chosen)).spec
    assert spec.task == "segment"
    assert [h.name for h in spec.outputs][-1] == "proto"


def test_ambiguous_named_heads_are_refused_and_roles_settle_it() -> None:
    model = tiny_yolo(num_classes=64, anonymous=True, metadata=False)
    stock = tiny_yolo(num_classes=64, metadata=False)
    convolutions = [n for n in stock.graph.node if n.op_type == "Conv"]
    twins = [n for n in model.graph.node if n.op_type == "Conv"]
    names = {a.output[0]: b.output[0] for a, b in zip(convolutions, twins, strict=True)}
    chosen = {names[name]: ("box" if "cv2" in name else "class") for name in _last_convolutions(stock)}
    with pytest.raises(ModelError, match="ambiguous"):
        cut_graph(model, CutOptions(outputs=dict.fromkeys(chosen, "")))
    assert cut_graph(model, CutOptions(outputs=chosen)).spec.num_classes == 64


def test_an_unknown_tensor_is_named() -> None:
    with pytest.raises(ModelError, match="no tensor 'nowhere'"):
        cut_graph(tiny_yolo(), CutOptions(outputs={"nowhere": "box"}))


def test_anchors_of_cut_yolov5_heads_come_from_the_sidecar_or_are_missed(tmp_path: Path) -> None:
    stock = save_tiny_yolo(tmp_path / "m.onnx", family="yolov5", task="segment")
    first = cut_model(stock, tmp_path / "h.onnx")
    again = cut_model(tmp_path / "h.onnx", tmp_path / "again.onnx")
    assert again.anchors == first.anchors
    sidecar_path(tmp_path / "h.onnx").unlink()
    with pytest.raises(ModelError, match="anchors known for 0 of 3 strides"):
        cut_model(tmp_path / "h.onnx", tmp_path / "again.onnx")


def test_a_sidecar_of_other_outputs_is_refused(tmp_path: Path) -> None:
    cut_model(save_tiny_yolo(tmp_path / "m.onnx"), tmp_path / "h.onnx")
    sidecar = sidecar_path(tmp_path / "h.onnx")
    spec = load_spec(sidecar)
    save_spec(sidecar, replace(spec, outputs=spec.outputs[:-1]))
    with pytest.raises(ModelError, match="class_32"):
        cut_model(tmp_path / "h.onnx", tmp_path / "again.onnx")


def test_is_cut() -> None:
    stock = tiny_yolo(task="segment")
    assert not is_cut(index_graph(stock))
    assert is_cut(index_graph(cut_graph(stock).model))


def test_recut_values_are_untouched() -> None:
    first = cut_graph(tiny_yolo())
    again = cut_graph(first.model, known=first.spec)
    image = noise_image((96, 64))
    one, two = run_onnx(first.model, image), run_onnx(again.model, image)
    assert all(np.array_equal(one[name], two[name]) for name in one)
