"""The cut end to end on tiny stock-shaped exports: every family and task, and everything that must be refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph, cut_model
from edgekit.export.input_options import InputOptions
from edgekit.spec import load_spec, sidecar_path
from tests.stock_rows import LIMITS, differences, noise_image, run_onnx
from tests.tiny_yolo import ANCHORS, FAMILIES, save_tiny_yolo, tiny_yolo

TASKS = ("detect", "segment", "pose", "obb")
CASES = [(f, t) for f in FAMILIES for t in TASKS if f != "yolov5" or t in ("detect", "segment")]


def assert_equal_rows(stock: onnx.ModelProto, size_wh: tuple[int, int], **options: object) -> None:
    """The cut's heads, decoded by edgekit, give the stock rows."""
    cut = cut_graph(stock, CutOptions(**options))  # type: ignore[arg-type]
    image = noise_image(size_wh)
    stock_outputs = run_onnx(stock, image)
    found = differences(stock_outputs, run_onnx(cut.model, image), cut.spec)
    assert all(found[kind] <= LIMITS[kind] for kind in found), found


@pytest.mark.parametrize(("family", "task"), CASES)
def test_heads_decode_to_the_stock_rows_on_a_wide_image(family: str, task: str) -> None:
    assert_equal_rows(tiny_yolo(family=family, task=task, size_wh=(160, 96)), (160, 96))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", ["yolov10", "yolo26"])
def test_end_to_end_exports_on_a_tall_image(family: str, task: str) -> None:
    model = tiny_yolo(family=family, task=task, end_to_end=True, opset=13, size_wh=(96, 160))
    assert_equal_rows(model, (96, 160))
    assert cut_graph(model).spec.end_to_end


@pytest.mark.parametrize("family", FAMILIES)
def test_classifiers_give_the_stock_probabilities(family: str) -> None:
    model = tiny_yolo(family=family, task="classify", num_classes=7, size_wh=(64, 64))
    inputs = InputOptions(mean=(0.0,), std=(255.0,)) if family == "yolov5" else InputOptions()  # its files say nothing
    cut = cut_graph(model, CutOptions(inputs=inputs))
    image = noise_image((64, 64))
    logits = run_onnx(cut.model, image)["class"].ravel()
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(shares, run_onnx(model, image)["output0"][0], atol=1e-5)
    assert cut.spec.outputs[0].shape == (1, 1, 1, 7)


@pytest.mark.parametrize("num_classes", [1, 4, 32, 51, 64, 1000])
@pytest.mark.parametrize("task", TASKS)
def test_structure_decides_where_channel_counts_do_not(task: str, num_classes: int) -> None:
    model = tiny_yolo(
        task=task, num_classes=num_classes, keypoint_shape=(17, 3), anonymous=True, metadata=False, size_wh=(64, 32)
    )
    spec = cut_graph(model).spec
    assert (spec.task, spec.num_classes) == (task, num_classes)
    assert spec.keypoint_shape == ((17, 3) if task == "pose" else ())


@pytest.mark.parametrize("strides", [(4, 8, 16), (8, 16, 32, 64), (4, 8, 16, 32), (16,)])
def test_any_stride_set(strides: tuple[int, ...]) -> None:
    model = tiny_yolo(task="segment", strides=strides, size_wh=(128, 64))
    assert_equal_rows(model, (128, 64))
    assert cut_graph(model).spec.strides == strides


@pytest.mark.parametrize("opset", [11, 12, 13, 16, 17, 18, 20])
@pytest.mark.parametrize("family", ["yolo11", "yolo26"])
def test_newer_opsets_are_brought_to_11(family: str, opset: int) -> None:
    model = tiny_yolo(family=family, task="segment", opset=opset)
    cut = cut_graph(model)
    assert cut.model.opset_import[0].version == 11
    assert_equal_rows(model, (96, 64))


def test_merged_tails_of_older_exports() -> None:
    assert_equal_rows(tiny_yolo(merged_tail=True, task="segment", anonymous=True), (96, 64))


def test_open_batch_and_size_are_fixed() -> None:
    model = tiny_yolo(batch="batch", dynamic_size=True)
    cut = cut_graph(model, CutOptions(imgsz_hw=(64, 96)))
    shape = [d.dim_value for d in cut.model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 3, 64, 96]


def test_anchors_come_from_the_graph() -> None:
    spec = cut_graph(tiny_yolo(family="yolov5")).spec
    np.testing.assert_allclose(spec.anchors, ANCHORS[:3], rtol=1e-6)


@pytest.mark.parametrize(("end_to_end", "branch"), [(False, ""), (True, ""), (False, "one2one"), (True, "one2one")])
def test_of_two_branches_one_is_kept_and_the_other_named(end_to_end: bool, branch: str) -> None:
    model = tiny_yolo(family="yolov10", both_branches=True, end_to_end=end_to_end, opset=13)
    cut = cut_graph(model, CutOptions(branch=branch))
    kept = branch or "one2many"
    assert cut.spec.end_to_end == (kept == "one2one")
    assert cut.dropped[0] == f"the {'one2many' if kept == 'one2one' else 'one2one'} branch"
    named = [i.name for i in cut.model.graph.initializer if "one2one" in i.name]
    assert bool(named) == (kept == "one2one")


def test_attention_without_softmax_has_the_same_rows() -> None:
    model = tiny_yolo(family="yolo11")
    assert not any(n.op_type == "Softmax" for n in cut_graph(model).model.graph.node)
    assert any(n.op_type == "Softmax" for n in cut_graph(model, CutOptions(keep_softmax=True)).model.graph.node)
    assert_equal_rows(model, (96, 64), keep_softmax=True)


@pytest.mark.parametrize(("family", "opset"), [("yolov8", 11), ("yolo26", 17)])
def test_the_cut_is_pruned_and_named(tmp_path: Path, family: str, opset: int) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", task="segment", family=family, opset=opset)
    out = tmp_path / "heads.onnx"
    spec = cut_model(path, out)
    model = onnx.load(out)
    names = [o.name for o in model.graph.output]
    assert names == [f"{kind}_{s}" for s in (8, 16, 32) for kind in ("box", "class", "mask")] + ["proto"]
    used = {i for n in model.graph.node for i in n.input}
    assert {i.name for i in model.graph.initializer} <= used
    assert {o for n in model.graph.node for o in n.output} <= used | set(names)
    assert {p.key for p in model.metadata_props} == {p.key for p in onnx.load(path).metadata_props}
    assert load_spec(sidecar_path(out)) == spec
    assert spec.names == ("thing 0", "thing 1", "thing 2")
    assert spec.files["model"].name == "heads.onnx"


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", family="yolo26", opset=17)
    for name in ("a.onnx", "b.onnx"):
        cut_model(path, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_cutting_twice_changes_nothing(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx", family="yolo26", task="pose", end_to_end=True, opset=13)
    first = cut_model(path, tmp_path / "first.onnx")
    second = cut_model(tmp_path / "first.onnx", tmp_path / "second.onnx")
    assert second.outputs == first.outputs
    assert (second.end_to_end, second.keypoint_shape, second.family) == (True, (5, 3), "yolo26")
    nodes = [onnx.load(tmp_path / f"{n}.onnx").graph.node for n in ("first", "second")]
    assert len(nodes[0]) == len(nodes[1])


def _classifier_like(rank: int) -> onnx.ModelProto:
    """One convolution and nothing else: no YOLO, whatever its outputs are called."""
    weight = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1])]
    shape = [1, 4, 32, 32]
    if rank == 3:
        nodes.append(helper.make_node("Reshape", ["c", "s"], ["y"]))
        shape = [1, 4, 1024]
    else:
        nodes.append(helper.make_node("Relu", ["c"], ["y"]))
    size = numpy_helper.from_array(np.array([1, 4, -1]), "s")
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weight, size],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


@pytest.mark.parametrize("rank", [3, 4])
def test_an_onnx_that_is_no_yolo_is_refused_with_what_was_looked_for(rank: int) -> None:
    with pytest.raises(ModelError) as caught:
        cut_graph(_classifier_like(rank))
    assert "looked for box and class" in caught.value.message
    assert "--outputs" in caught.value.hint


def test_imgsz_against_a_fixed_size_is_refused() -> None:
    with pytest.raises(ModelError, match="fixed at 64,96"):
        cut_graph(tiny_yolo(), CutOptions(imgsz_hw=(128, 128)))


def test_names_of_another_number_of_classes_are_refused() -> None:
    model = tiny_yolo(num_classes=3)
    next(p for p in model.metadata_props if p.key == "names").value = "{0: 'a', 1: 'b'}"
    with pytest.raises(ModelError, match="2 classes, but the class outputs have 3"):
        cut_graph(model)


def test_key_points_that_contradict_the_metadata_are_refused() -> None:
    model = tiny_yolo(task="pose")
    next(p for p in model.metadata_props if p.key == "kpt_shape").value = "[4, 3]"
    with pytest.raises(ModelError, match=r"\[4, 3\].*\[5, 3\]"):
        cut_graph(model)


def test_a_task_that_contradicts_the_head_is_refused() -> None:
    model = tiny_yolo(task="segment")
    next(p for p in model.metadata_props if p.key == "task").value = "pose"
    with pytest.raises(ModelError, match="'pose'.*'segment'"):
        cut_graph(model)


def test_a_changed_formula_is_found_by_the_proof() -> None:
    """A graph that looks like YOLO but computes its boxes otherwise must not be decoded wrongly in silence."""
    model = tiny_yolo(family="yolov8")
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].t.dims == [1, 2, 126]:
            anchors = numpy_helper.to_array(node.attribute[0].t)
            node.attribute[0].t.CopyFrom(numpy_helper.from_array(anchors + 0.25))
    with pytest.raises(ModelError, match="box rows of this graph differ"):
        cut_graph(model)


def test_an_op_without_equal_in_opset_11_is_named() -> None:
    model = tiny_yolo(opset=17)
    relu = next(n for n in model.graph.node if n.op_type == "Sigmoid")
    relu.op_type, relu.name = "Celu", "/model.0/act/Celu"
    model.opset_import[0].version = 18
    for node in list(model.graph.node):
        if node.op_type == "ReduceMax":
            model.graph.node.remove(node)
    with pytest.raises(ModelError, match="Celu '/model.0/act/Celu' has no equal in opset 11"):
        cut_graph(model)


def test_a_mixed_head_is_refused() -> None:
    """One stride's class map of another number of channels: a truncated or hand-edited graph."""
    model = tiny_yolo(num_classes=3)
    rows = [n for n in model.graph.node if n.op_type == "Concat" and n.output[0] == "output0"]
    rows[0].input.pop()  # the scores are gone
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    with pytest.raises(ModelError) as caught:
        cut_graph(model)
    assert "box" in caught.value.message


@pytest.mark.parametrize("content", [b"", b"not an onnx", b"\x08\x06" * 20])
def test_broken_files_are_refused_and_nothing_is_written(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        cut_model(path, tmp_path / "heads.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.onnx"]


def test_missing_file_own_name_and_foreign_suffix_are_refused(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "stock.onnx")
    for model, out in ((tmp_path / "no.onnx", "h.onnx"), (path, "stock.onnx"), (path, "heads.bin")):
        with pytest.raises(ModelError):
            cut_model(model, tmp_path / out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stock.onnx"]
