"""Where the head is: found by structure alone, selections of rows seen through."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.export.head_location import find_branches, is_expectation, proto_output
from edgekit.export.stock_export import choose_branch
from edgekit.graph.onnx_graph import index_graph
from tests.tiny_yolo import tiny_yolo

SIZE = (96, 64)


def _with_nms(model: onnx.ModelProto) -> onnx.ModelProto:
    """The export's own NMS behind the rows, as exports with nms=True have it."""
    graph = model.graph
    for name, value in (("most", [10]), ("iou", [0.7]), ("score", [0.25])):
        kind = TensorProto.INT64 if name == "most" else TensorProto.FLOAT
        graph.initializer.append(helper.make_tensor(name, kind, [1], value))
    graph.node.extend(
        [
            helper.make_node("Split", ["output0"], ["boxes_t", "scores"], axis=1, split=[4, 3]),
            helper.make_node("Transpose", ["boxes_t"], ["boxes"], perm=[0, 2, 1]),
            helper.make_node(
                "NonMaxSuppression", ["boxes", "scores", "most", "iou", "score"], ["picked"], center_point_box=1
            ),
        ]
    )
    graph.output[0].CopyFrom(helper.make_tensor_value_info("picked", TensorProto.INT64, [None, 3]))
    return model


def test_heads_of_a_plain_export() -> None:
    (branch,) = find_branches(index_graph(tiny_yolo(anonymous=True)), SIZE)
    assert branch.rows == "output0"
    assert branch.selection == ()
    assert [(m.stride, m.shape[1]) for m in branch.maps] == [(s, c) for s in (8, 16, 32) for c in (64, 3)]
    assert branch.cells == 2 * 126


def test_rows_before_the_selection() -> None:
    (branch,) = find_branches(index_graph(tiny_yolo(family="yolo26", end_to_end=True, anonymous=True)), SIZE)
    assert branch.rows_shape == (1, 126, 7)
    assert branch.selection == ("TopK",)


def test_an_export_with_its_own_nms_keeps_needing_one() -> None:
    cut = cut_graph(_with_nms(tiny_yolo()))
    assert not cut.spec.end_to_end
    assert "NMS" in cut.dropped[0]


def test_two_branches_and_the_choice() -> None:
    model = tiny_yolo(family="yolov10", both_branches=True)
    branches = find_branches(index_graph(model), SIZE)
    assert len(branches) == 2
    kept, dropped = choose_branch(branches, "")
    assert not any("one2one" in m.tensor for m in kept.maps)
    assert dropped == ("the one2one branch",)
    with pytest.raises(ModelError, match="no one2one branch"):
        choose_branch(branches[:1], "one2one" if kept is branches[0] else "one2many")


def test_the_expectation_is_told_by_its_weights() -> None:
    index = index_graph(tiny_yolo())
    convolutions = [n for n in index.model.graph.node if n.op_type == "Conv"]
    assert sum(is_expectation(index, n) for n in convolutions) == 1


def test_prototypes() -> None:
    assert proto_output(index_graph(tiny_yolo(task="segment"))) == "output1"
    assert proto_output(index_graph(tiny_yolo())) == ""
