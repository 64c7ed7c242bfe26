"""Semantic segmentation and depth: cut at the last convolution, the formula read by experiment, the decoding proven."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgekit.decode import DecodeOptions, Decoder
from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph
from edgekit.graph.onnx_graph import open_session
from edgekit.ops.letterbox import Letterbox
from edgekit.results import DepthMap, SemanticMap
from edgekit.spec import DepthFormula
from tests.tiny_maps import tiny_depth, tiny_semantic

SIZE = (96, 64)
SAME = Letterbox(SIZE, SIZE, SIZE, 0, 0)  # the image is the input


def _decoded(model: onnx.ModelProto) -> tuple[SemanticMap | DepthMap, np.ndarray]:
    """What edgekit decodes from the cut graph at full size, and the export's own output, on an image of noise."""
    cut = cut_graph(model)
    image = {"images": np.random.default_rng(1).random((1, 3, 64, 96), np.float32)}
    results = Decoder(cut.spec, DecodeOptions(full_size=True))(open_session(cut.model)(image), SAME)
    assert isinstance(results, SemanticMap | DepthMap)
    return results, open_session(model)(image)["output0"]


@pytest.mark.parametrize("tail", ["ids", "scores"])
@pytest.mark.parametrize("opset", [13, 18])
def test_the_classes_of_the_export_come_out(tail: str, opset: int) -> None:
    results, output = _decoded(tiny_semantic(tail=tail, opset=opset))
    expected = output[0] if tail == "ids" else output[0].argmax(axis=0)
    assert isinstance(results, SemanticMap)
    assert np.count_nonzero(results.class_map != expected) <= 2  # ties within float32
    assert len(np.unique(expected)) > 1


def test_the_sidecar_says_what_the_head_is() -> None:
    spec = cut_graph(tiny_semantic()).spec
    assert (spec.task, spec.family, spec.stage, spec.num_classes) == ("semantic", "yolo26", "heads", 5)
    assert [(h.name, h.role, h.shape, h.stride) for h in spec.outputs] == [("class_8", "class", (1, 8, 12, 5), 8)]


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ({}, DepthFormula("exp", interpolates_raw=True)),
        ({"resize_first": False}, DepthFormula("exp")),
        ({"limits": (0.5, 20.0)}, DepthFormula("exp", low=0.5, high=20.0, interpolates_raw=True)),
        ({"activation": "sigmoid", "factor": 80.0}, DepthFormula("sigmoid", 80.0, interpolates_raw=True)),
        ({"activation": ""}, DepthFormula("linear")),
        ({"activation": "softplus", "resize_first": False}, DepthFormula("softplus")),
        ({"resize_first": False, "align_corners": True}, DepthFormula("exp", align_corners=True)),
    ],
)
def test_the_depths_of_the_export_come_out(options: dict[str, object], formula: DepthFormula) -> None:
    model = tiny_depth(**options)  # type: ignore[arg-type]
    assert cut_graph(model).spec.depth == formula
    results, output = _decoded(model)
    assert isinstance(results, DepthMap)
    np.testing.assert_allclose(results.depth, output[0, 0], rtol=1e-4, atol=1e-4)


def test_the_tail_of_ultralytics_is_read() -> None:
    formula = cut_graph(tiny_depth(ultralytics=True)).spec.depth
    assert formula is not None
    assert (formula.activation, formula.align_corners) == ("exp", True)
    assert formula.gain == pytest.approx(1.1, rel=1e-4)
    assert formula.factor == pytest.approx(np.exp(0.2), rel=1e-4)
    assert (formula.low, formula.high) == pytest.approx((np.exp(-4.2), np.exp(5.7)), rel=1e-4)
    results, output = _decoded(tiny_depth(ultralytics=True))
    assert isinstance(results, DepthMap)
    np.testing.assert_allclose(results.depth, output[0, 0], rtol=1e-4)


@pytest.mark.parametrize("model", [tiny_semantic(), tiny_depth()], ids=["semantic", "depth"])
def test_a_cut_map_is_cut_already(model: onnx.ModelProto) -> None:
    once = cut_graph(model)
    again = cut_graph(once.model, known=once.spec)
    assert again.dropped == ()
    assert (again.spec.outputs, again.spec.depth) == (once.spec.outputs, once.spec.depth)
    unnamed = cut_graph(once.model).spec  # without its sidecar
    assert (unnamed.task, unnamed.outputs) == (once.spec.task, once.spec.outputs)
    assert unnamed.depth is None or "taken for those of yolo26-depth" in " ".join(unnamed.notes)


def test_a_map_without_metadata_is_cut_for_the_named_task() -> None:
    model = tiny_semantic()
    del model.metadata_props[:]
    with pytest.raises(ModelError, match="does not name its task"):
        cut_graph(model)
    cut = cut_graph(model, CutOptions(task="semantic"))
    assert (cut.spec.task, cut.spec.num_classes) == ("semantic", 5)
    assert "they are numbered" in " ".join(cut.spec.notes)


def test_two_heads_are_no_map() -> None:
    model = tiny_depth()
    added = onnx.helper.make_node("Conv", ["act_1", "w2", "b2"], ["head_b"], "second", kernel_shape=[1, 1])
    summed = onnx.helper.make_node("Add", ["head", "head_b"], ["both"], "sum")
    model.graph.node.insert(len(model.graph.node) - 2, added)
    model.graph.node.insert(len(model.graph.node) - 2, summed)
    model.graph.node[-2].input[0] = "both"
    with pytest.raises(ModelError, match="2 last convolutions"):
        cut_graph(model)


def test_class_names_of_another_number_are_refused() -> None:
    model = tiny_semantic()
    next(p for p in model.metadata_props if p.key == "names").value = "{0: 'road', 1: 'sky'}"
    with pytest.raises(ModelError, match="2 classes"):
        cut_graph(model)
