"""Models that are no YOLO of ours are named for what they are; right files are not blamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.cli.main import main
from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph
from edgekit.export.unsupported import named_error
from tests.tiny_yolo import FAMILIES, tiny_yolo
from tests.ultralytics_exports import ultralytics_export

OTHER = ModelError("something else", hint="fix it")
CELLS = 96  # of a 12 x 8 grid
COCO = str({i: f"thing {i}" for i in range(5)})


class _Graph:
    """A small network on a 96 x 64 image, node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(0)

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def weight(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def noise(self, *shape: int) -> str:
        return self.weight(self.rng.normal(0, 1, shape).astype(np.float32))

    def conv(self, x: str, channels: int, out: int, stride: int = 1) -> str:
        return self.node("Conv", [x, self.noise(out, channels, 1, 1)], strides=[stride, stride], kernel_shape=[1, 1])

    def flat(self, x: str, channels: int) -> str:
        return self.node("Reshape", [x, self.weight(np.array([1, channels, -1]))])

    def model(self, output: str, shape: Sequence[int], **properties: str) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [output], ["output0"]))
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 96])],
            [helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(shape))],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
        helper.set_model_props(model, {k: v for k, v in properties.items() if v})
        onnx.checker.check_model(model)
        return model


def _rt_detr(told: bool) -> onnx.ModelProto:
    g = _Graph()
    tokens = g.node("Transpose", [g.flat(g.conv("images", 3, 8, 8), 8)], perm=[0, 2, 1])
    boxes = g.node("Sigmoid", [g.node("MatMul", [tokens, g.noise(8, 4)])])
    scores = g.node("Sigmoid", [g.node("MatMul", [tokens, g.noise(8, 5)])])
    rows = g.node("Concat", [boxes, scores], axis=2)
    said = {"description": "Ultralytics rtdetr-l model ", "task": "detect", "head": "RTDETRDecoder", "names": COCO}
    return g.model(rows, [1, CELLS, 9], **(said if told else {}))


def _world(told: bool) -> onnx.ModelProto:
    g = _Graph()
    x = g.conv("images", 3, 8, 8)
    boxes = g.flat(g.conv(x, 8, 4), 4)
    words = g.node("Transpose", [g.flat(g.conv(x, 8, 16), 16)], perm=[0, 2, 1])
    scores = g.node("Transpose", [g.node("MatMul", [words, g.noise(16, 5)])], perm=[0, 2, 1])
    rows = g.node("Concat", [boxes, g.node("Sigmoid", [scores])], axis=1)
    said = {"description": "Ultralytics YOLOv8s-worldv2 model ", "task": "detect", "head": "WorldDetect", "names": COCO}
    return g.model(rows, [1, 9, CELLS], **(said if told else {}))


def _vision_transformer(told: bool) -> onnx.ModelProto:
    """Tokens of patches, normalized as exports before opset 17 write it, with two layers of attention."""
    g = _Graph()
    tokens = g.node("Transpose", [g.flat(g.conv("images", 3, 8, 8), 8)], perm=[0, 2, 1])
    for _ in range(2):
        difference = g.node("Sub", [tokens, g.node("ReduceMean", [tokens], axes=[-1])])
        variance = g.node("ReduceMean", [g.node("Pow", [difference, g.weight(np.float32(2))])], axes=[-1])
        normal = g.node("Div", [difference, g.node("Sqrt", [variance])])
        keys = g.node("Transpose", [g.node("MatMul", [normal, g.noise(8, 8)])], perm=[0, 2, 1])
        shares = g.node("Softmax", [g.node("MatMul", [normal, keys])], axis=-1)
        tokens = g.node("MatMul", [shares, normal])
    scores = g.node("MatMul", [g.node("ReduceMean", [tokens], axes=[1], keepdims=0), g.noise(8, 5)])
    return g.model(scores, [1, 5], **({"task": "classify", "names": COCO} if told else {}))


def _dense(told: bool, channels: int, task: str) -> onnx.ModelProto:
    g = _Graph()
    scales = g.weight(np.array([1, 1, 8, 8], np.float32))
    large = g.node("Resize", [g.conv("images", 3, channels, 8), "", scales], mode="nearest")
    said = {"description": f"Ultralytics YOLO26n-{task[:5]} model ", "task": task, "names": COCO}
    return g.model(large, [1, channels, 64, 96], **(said if told else {}))


@pytest.mark.parametrize("told", [True, False], ids=["by its metadata", "by its graph"])
@pytest.mark.parametrize(
    ("build", "name", "runs"),
    [
        (_rt_detr, "transformer detector (RT-DETR", "yolo11n"),
        (_world, "open-vocabulary model (YOLOE, YOLO-World)", "fixed classes"),
        (_vision_transformer, "vision transformer (ViT, DeiT, Swin)", "resnet18"),
    ],
    ids=["rt-detr", "world", "vit"],
)
def test_what_it_is_and_what_would_run_are_said(build, name: str, runs: str, told: bool) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError) as caught:
        cut_graph(build(told))
    assert name in caught.value.message
    assert "does not support" in caught.value.message
    assert runs in caught.value.hint
    assert "damaged" not in caught.value.message + caught.value.hint or not told


def test_a_vision_transformer_is_named_where_it_is_called_a_classifier() -> None:
    with pytest.raises(ModelError, match="vision transformer"):
        cut_graph(_vision_transformer(False), CutOptions(task="classify"))


@pytest.mark.slow
def test_an_export_of_rt_detr_is_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stock = ultralytics_export(tmp_path, "rtdetr-l")
    assert main(["cut", str(stock), "-o", str(tmp_path / "heads.onnx")]) == 2
    error, hint = (line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:")))
    assert "transformer detector (RT-DETR" in error and "yolo11n" in hint
    assert not (tmp_path / "heads.onnx").exists()


@pytest.mark.parametrize("channels", [1, 5])
def test_a_map_of_a_file_that_names_no_task_is_asked_for_it(channels: int) -> None:
    with pytest.raises(ModelError, match="does not name its task") as caught:
        cut_graph(_dense(False, channels, "semantic"))
    assert "--task semantic" in caught.value.hint


@pytest.mark.parametrize(("channels", "task"), [(1, "depth"), (5, "semantic")])
def test_a_map_that_edgekit_would_decode_otherwise_is_refused_by_its_proof(channels: int, task: str) -> None:
    with pytest.raises(ModelError, match="no map of classes or depths that edgekit decodes") as caught:
        cut_graph(_dense(True, channels, task))  # cells repeated instead of interpolated
    assert "--task raw" in caught.value.hint


def test_a_yoloe_whose_classes_are_in_its_head_runs() -> None:
    model = tiny_yolo(family="yolo11", task="segment")
    properties = {p.key: p for p in model.metadata_props}
    properties["description"].value = "Ultralytics YOLOE-11s-seg model"
    properties["head"].value = "YOLOESegment"
    assert cut_graph(model).spec.task == "segment"


@pytest.mark.parametrize("family", FAMILIES)
def test_our_own_families_are_none_of_these(family: str) -> None:
    assert named_error(tiny_yolo(family=family), OTHER) is OTHER


def test_the_name_of_the_data_says_nothing_of_the_model() -> None:
    model = tiny_yolo()
    next(
        p for p in model.metadata_props if p.key == "description"
    ).value = "Ultralytics best model trained on world.yaml"
    assert named_error(model, OTHER) is OTHER


def test_an_unknown_task_is_named() -> None:
    model = tiny_yolo(task="classify")
    next(p for p in model.metadata_props if p.key == "task").value = "track"
    with pytest.raises(ModelError, match="the task 'track'"):
        cut_graph(model)
