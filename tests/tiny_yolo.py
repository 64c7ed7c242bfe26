"""Tiny stock-shaped YOLO exports, built with onnx.helper: every family's head and tail on a few channels.

`tiny_yolo(...)` returns an `onnx.ModelProto` whose graph ends as an Ultralytics export of that family and task
does (names, ops and metadata included), on a backbone of a few thousand seeded weights, so that a graph of
96 x 64 pixels builds and runs in milliseconds. Scores are alive: they spread from about 0.01 to 0.9.

    model = tiny_yolo(family="yolo11", task="segment", num_classes=4, size_wh=(96, 64))
    path = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolo26", end_to_end=True, opset=17)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FAMILIES = (
    "yolov5", "yolov5u", "yolov8", "yolov9", "yolov10", "yolo11", "yolo12", "yolov13", "yolo26",
)  # fmt: skip
DEPTHWISE_CLASS = ("yolov10", "yolo11", "yolo12", "yolov13", "yolo26")
ATTENTION = DEPTHWISE_CLASS
ANCHORS = (
    ((5, 6), (8, 15), (17, 11)),
    ((15, 30), (31, 22), (29, 60)),
    ((58, 45), (78, 98), (187, 163)),
    ((120, 90), (150, 210), (300, 260)),
)  # not the COCO anchors: a test that passes on those by heart must fail here
TASK_HEADS = {"detect": "Detect", "segment": "Segment", "pose": "Pose", "obb": "OBB", "classify": "Classify"}
MASK_CHANNELS = 32


def save_tiny_yolo(path: Path, **options: Any) -> Path:
    """Writes `tiny_yolo(**options)` to `path` and returns it."""
    onnx.save(tiny_yolo(**options), str(path))
    return path


def tiny_yolo(
    *,
    family: str = "yolov8",
    task: str = "detect",
    num_classes: int = 3,
    size_wh: tuple[int, int] = (96, 64),
    strides: Sequence[int] = (8, 16, 32),
    reg_max: int | None = None,
    end_to_end: bool = False,
    both_branches: bool = False,
    nms_iou: float = 0.0,
    agnostic_nms: bool = False,
    keypoint_shape: tuple[int, int] = (5, 3),
    merged_tail: bool = False,
    opset: int = 11,
    batch: int | str = 1,
    dynamic_size: bool = False,
    anonymous: bool = False,
    metadata: bool = True,
    seed: int = 0,
) -> onnx.ModelProto:
    """A tiny stock export.

    end_to_end: the one-to-one branch with top-k rows `(1, k, 6 + extra)` instead of raw rows `(1, 4 + nc, A)`.
    both_branches: the other branch's raw rows as one more output, `output2`.
    nms_iou: above 0, NMS at this IoU inside the graph (nms=True): rows `(1, 300, 6 + extra)`, corners, zero-padded.
    agnostic_nms: that NMS compares boxes across classes.
    merged_tail: box and class concatenated per stride before the reshape, as exports of 2023 do.
    batch: above 1, written into every shape as exports with batch=N have it; a name: symbolic in the declaration.
    dynamic_size: a symbolic height and width in the input's declaration.
    anonymous: node and tensor names that say nothing; metadata: False writes no metadata_props.
    """
    assert family in FAMILIES and task in TASK_HEADS
    width, height = size_wh
    assert width % max(strides) == 0 and height % max(strides) == 0
    builder = _Builder(np.random.default_rng(seed), opset, batch if isinstance(batch, int) else 1)
    options = _Options(family, task, num_classes, size_wh, tuple(strides), reg_max, keypoint_shape, merged_tail)
    options.nms_iou, options.agnostic_nms = nms_iou, agnostic_nms
    features = _backbone(builder, options)
    outputs = _outputs(builder, options, features, end_to_end, both_branches)
    size: list[int | str] = ["height", "width"] if dynamic_size else [height, width]
    graph = helper.make_graph(
        builder.nodes,
        "main_graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, *size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, builder.led(shape)) for name, shape in outputs],
        builder.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="pytorch")
    model.ir_version = 6 if opset < 15 else 8
    if metadata:
        helper.set_model_props(model, _metadata(options, end_to_end))
    if anonymous:
        _forget_names(model.graph)
    onnx.checker.check_model(model)
    return model


class _Options:
    def __init__(self, family, task, num_classes, size_wh, strides, reg_max, keypoint_shape, merged_tail):  # type: ignore[no-untyped-def]
        self.family, self.task, self.num_classes = family, task, num_classes
        self.size_wh, self.strides, self.keypoint_shape = size_wh, strides, keypoint_shape
        self.reg_max = reg_max or (1 if family == "yolo26" else 16)
        self.merged_tail = merged_tail
        extra = {"segment": MASK_CHANNELS, "pose": keypoint_shape[0] * keypoint_shape[1], "obb": 1}
        self.extra = extra.get(task, 0)
        self.nms_iou, self.agnostic_nms = 0.0, False

    def grid_hw(self, stride: int) -> tuple[int, int]:
        return self.size_wh[1] // stride, self.size_wh[0] // stride

    @property
    def cells(self) -> int:
        return sum(h * w for h, w in map(self.grid_hw, self.strides))


class _Builder:
    """Nodes and initializers of a graph under construction; every method returns the name of its output."""

    def __init__(self, rng: np.random.Generator, opset: int, batch: int = 1) -> None:
        self.rng, self.opset, self.batch = rng, opset, batch
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.channels: dict[str, int] = {}
        self._counter = itertools.count()

    def node(self, op: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        return self.nodes_out(op, inputs, 1, name, **attributes)[0]

    def nodes_out(self, op: str, inputs: Sequence[str], count: int, name: str = "", **attributes: Any) -> list[str]:
        name = name or f"/model/{op}_{next(self._counter)}"
        outputs = [f"{name}_output_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=name, **attributes))
        return outputs

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        tensor = numpy_helper.from_array(np.asarray(value, dtype))
        return self.node("Constant", [], f"/model/Constant_{next(self._counter)}", value=tensor)

    def weight(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def conv(
        self, x: str, out: int, name: str, *, k: int = 1, stride: int = 1, group: int = 1,
        act: bool = True, gain: float = 1.8, bias: float | np.ndarray = 0.0,
    ) -> str:  # fmt: skip
        """A convolution of seeded weights, with SiLU behind it unless `act` is False."""
        fan_in = self.channels[x] // group * k * k
        parameter = name.strip("/").replace("/", ".")
        w = self.weight(f"{parameter}.weight", self.rng.normal(0, gain / fan_in**0.5, (out, fan_in // (k * k), k, k)))
        b = self.weight(f"{parameter}.bias", self.rng.normal(bias, 0.3, out))
        inner = f"{name}/conv/Conv" if act else f"{name}/Conv"
        attributes = {"dilations": [1, 1], "group": group, "kernel_shape": [k, k], "strides": [stride, stride]}
        y = self.node("Conv", [x, w, b], inner, pads=[k // 2] * 4, **attributes)
        if act:
            y = self.node("Mul", [y, self.node("Sigmoid", [y], f"{name}/act/Sigmoid")], f"{name}/act/Mul")
        self.channels[y] = out
        return y

    def split(self, x: str, sizes: Sequence[int], axis: int) -> list[str]:
        if self.opset >= 13:
            return self.nodes_out("Split", [x, self.constant(sizes)], len(sizes), axis=axis)
        return self.nodes_out("Split", [x], len(sizes), axis=axis, split=list(sizes))

    def unsqueeze(self, x: str, axis: int) -> str:
        if self.opset >= 13:
            return self.node("Unsqueeze", [x, self.constant([axis])])
        return self.node("Unsqueeze", [x], axes=[axis])

    def reduce_max(self, x: str, axis: int) -> str:
        if self.opset >= 18:
            return self.node("ReduceMax", [x, self.constant([axis])], keepdims=0)
        return self.node("ReduceMax", [x], axes=[axis], keepdims=0)

    def reshape(self, x: str, shape: Sequence[int], name: str = "") -> str:
        return self.node("Reshape", [x, self.constant(self.led(shape))], name)

    def led(self, shape: Sequence[int]) -> list[int]:
        """`shape` with the batch for its leading 1."""
        return [self.batch if shape[0] == 1 else shape[0], *shape[1:]]

    def concat(self, xs: Sequence[str], axis: int, name: str = "") -> str:
        y = self.node("Concat", xs, name, axis=axis)
        self.channels[y] = sum(self.channels.get(x, 0) for x in xs)
        return y

    def add(self, x: str, y: str, name: str = "") -> str:
        total = self.node("Add", [x, y], name)
        self.channels[total] = self.channels[x]
        return total

    def number(self, op: str, x: str, value: float) -> str:
        return self.node(op, [x, self.constant(value, np.float32)])


def _backbone(b: _Builder, o: _Options) -> dict[int, str]:
    """Feature maps by stride, with an upsampled path, a pool and (where the family has it) attention."""
    b.channels["images"] = 3
    x, features = b.conv("images", 8, "/model.0", k=3, stride=2), {}
    for index, stride in enumerate(2**i for i in range(2, max(o.strides).bit_length())):
        x = b.conv(x, 8 if stride < 16 else 12, f"/model.{index + 1}", k=3, stride=2)
        features[stride] = x
    deepest = max(o.strides)
    features[deepest] = _deepest(b, o, x, deepest)
    if len(o.strides) > 1 and o.task != "classify":
        lower = sorted(o.strides)[-2]
        scale = deepest // lower
        roi = "" if b.opset >= 13 else b.constant(np.zeros(0), np.float32)
        up = b.node(
            "Resize", [features[deepest], roi, b.constant([1, 1, scale, scale], np.float32)], "/model.9/Resize",
            coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor",
        )  # fmt: skip
        b.channels[up] = b.channels[features[deepest]]
        features[lower] = b.conv(b.concat([up, features[lower]], 1, "/model.10/Concat"), 12, "/model.11")
    return features


def _deepest(b: _Builder, o: _Options, x: str, stride: int) -> str:
    pooled = b.node("MaxPool", [x], "/model.7/MaxPool", kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    b.channels[pooled] = b.channels[x]
    y = b.conv(b.concat([x, pooled], 1, "/model.7/Concat"), 12, "/model.7/cv2")
    return _attention(b, o, y, stride) if o.family in ATTENTION else b.add(x, y, "/model.8/Add")


def _attention(b: _Builder, o: _Options, x: str, stride: int) -> str:
    """Self-attention over the deepest cells as in YOLO11's PSA block, with a depthwise position term."""
    (h, w), heads, key, value = o.grid_hw(stride), 2, 4, 6
    name, channels = "/model.8/m/m.0/attn", heads * value
    qkv = b.conv(x, heads * (2 * key + value), f"{name}/qkv", act=False)
    q, k, v = b.split(b.reshape(qkv, [1, heads, 2 * key + value, h * w]), [key, key, value], 2)
    scaled = b.number("Mul", q, key**-0.5)
    scores = b.node("MatMul", [b.node("Transpose", [scaled], perm=[0, 1, 3, 2]), k], f"{name}/MatMul")
    soft = b.node("Softmax", [scores], f"{name}/Softmax", axis=-1 if o.family == "yolo26" else 3)
    mixed = b.node("MatMul", [v, b.node("Transpose", [soft], perm=[0, 1, 3, 2])], f"{name}/MatMul_1")
    value_map = b.reshape(v, [1, channels, h, w])
    b.channels[value_map] = channels
    place = b.conv(value_map, channels, f"{name}/pe", k=3, group=channels, act=False)
    y = b.add(place, b.reshape(mixed, [1, channels, h, w]))
    return b.add(x, b.conv(y, channels, f"{name}/proj", act=False), "/model.8/Add")


def _outputs(
    b: _Builder, o: _Options, features: dict[int, str], end_to_end: bool, both: bool
) -> list[tuple[str, list[int]]]:
    """Names and shapes of the graph's outputs, the tail appended to `b`."""
    if o.task == "classify":
        return [_named(b, _classify_tail(b, features[max(o.strides)], o), "output0", [1, o.num_classes])]
    rows_tail = _anchor_rows if o.family == "yolov5" else _free_rows
    width = 4 + o.num_classes + o.extra
    if end_to_end:
        k = min(300, o.cells)
        rows = _top_rows(b, o, _free_rows(b, o, features, "one2one_"), k)
        outputs = [_named(b, rows, "output0", [1, k, 6 + o.extra])]
    elif o.nms_iou:
        outputs = [_named(b, _suppressed_rows(b, o, _free_rows(b, o, features, "")), "output0", [1, 300, 6 + o.extra])]
    else:
        rows = rows_tail(b, o, features, "")
        shape = [1, 3 * o.cells, width + 1] if o.family == "yolov5" else [1, width, o.cells]
        outputs = [_named(b, rows, "output0", shape)]
    if both:
        other = "" if end_to_end else "one2one_"
        outputs.append(_named(b, _free_rows(b, o, features, other), "output2", [1, width, o.cells]))
    if o.task == "segment":
        h, w = o.grid_hw(min(o.strides))
        outputs.append(_named(b, _proto(b, features[min(o.strides)]), "output1", [1, MASK_CHANNELS, 2 * h, 2 * w]))
    return outputs


def _named(b: _Builder, tensor: str, name: str, shape: list[int]) -> tuple[str, list[int]]:
    """Renames `tensor`, which the last node that made it wrote, to the output name `name`."""
    for node in b.nodes:
        for names in (node.input, node.output):
            for i, value in enumerate(names):
                names[i] = name if value == tensor else value
    return name, shape


def _proto(b: _Builder, x: str) -> str:
    y = b.conv(x, 8, "/model.22/proto/cv1", k=3)
    weight = b.weight("model.22.proto.upsample.weight", b.rng.normal(0, 0.5, (8, 8, 2, 2)))
    bias = b.weight("model.22.proto.upsample.bias", b.rng.normal(0, 0.2, 8))
    up = b.node(
        "ConvTranspose", [y, weight, bias], "/model.22/proto/upsample/ConvTranspose",
        dilations=[1, 1], group=1, kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2],
    )  # fmt: skip
    b.channels[up] = 8
    return b.conv(up, MASK_CHANNELS, "/model.22/proto/cv3")


def _classify_tail(b: _Builder, x: str, o: _Options) -> str:
    y = b.conv(x, 24, "/model.9/conv")
    flat = b.node("Flatten", [b.node("GlobalAveragePool", [y], "/model.9/pool/GlobalAveragePool")], axis=1)
    w = b.weight("model.9.linear.weight", b.rng.normal(0, 1.5, (o.num_classes, 24)))
    bias = b.weight("model.9.linear.bias", b.rng.normal(0, 0.3, o.num_classes))
    logits = b.node("Gemm", [flat, w, bias], "/model.9/linear/Gemm", alpha=1.0, beta=1.0, transB=1)
    return b.node("Softmax", [logits], "/model.9/Softmax", axis=1)


def _branches(b: _Builder, o: _Options, features: dict[int, str], prefix: str) -> list[dict[str, str]]:
    """Per stride the raw head maps by kind: `cv2` box, `cv3` class, `cv4` extra."""
    levels = []
    near = np.tile(1.0 - 0.5 * np.arange(o.reg_max), 4)  # most distances are short, as in a trained model
    for i, stride in enumerate(o.strides):
        x, head = features[stride], f"/model.22/{prefix}"
        y = b.conv(x, 8, f"{head}cv2.{i}/cv2.{i}.0", k=3)
        gain = 1.0 if o.reg_max == 1 else 2.0
        box = b.conv(y, 4 * o.reg_max, f"{head}cv2.{i}/cv2.{i}.2", act=False, gain=gain, bias=near)
        if o.family in DEPTHWISE_CLASS:
            y = b.conv(x, b.channels[x], f"{head}cv3.{i}/cv3.{i}.0/cv3.{i}.0.0", k=3, group=b.channels[x])
            y = b.conv(y, 8, f"{head}cv3.{i}/cv3.{i}.0/cv3.{i}.0.1")
        else:
            y = b.conv(x, 8, f"{head}cv3.{i}/cv3.{i}.0", k=3)
        scores = b.conv(y, o.num_classes, f"{head}cv3.{i}/cv3.{i}.2", act=False, gain=4.0, bias=-2.0)
        level = {"box": box, "class": scores}
        if o.extra:
            kind = "cv4_kpts" if (o.task, o.family) == ("pose", "yolo26") else "cv4"
            y = b.conv(x, 8, f"{head}{kind}.{i}/{kind}.{i}.0", k=3)
            level["extra"] = b.conv(y, o.extra, f"{head}{kind}.{i}/{kind}.{i}.2", act=False)
        levels.append(level)
    return levels


def _free_rows(b: _Builder, o: _Options, features: dict[int, str], prefix: str) -> str:
    """Anchor-free rows (1, 4 + nc + extra, A): boxes in pixels, sigmoid scores, then the task's own rows."""
    levels = _branches(b, o, features, prefix)
    anchors, stride_row = _anchor_points(o)
    box, scores = _joined(b, o, levels)
    distances = _dfl(b, o, box) if o.reg_max > 1 else box
    rows = [b.node("Sigmoid", [scores])]
    if o.task == "obb":
        angle = _flat_cat(b, [level["extra"] for level in levels], 1)
        if o.family != "yolo26":
            angle = b.number("Mul", b.number("Sub", b.node("Sigmoid", [angle]), 0.25), np.pi)
        boxes = _rotated_boxes(b, distances, angle, anchors)
        rows.append(angle)
    else:
        corners = prefix == "one2one_" or o.nms_iou > 0
        boxes = _upright_boxes(b, distances, anchors, corners)
        if o.extra:
            extra = _flat_cat(b, [level["extra"] for level in levels], o.extra)
            rows.append(_keypoints(b, o, extra, anchors, stride_row) if o.task == "pose" else extra)
    boxes = b.node("Mul", [boxes, b.constant(stride_row, np.float32)])
    return b.concat([boxes, *rows], 1)


def _flat_cat(b: _Builder, maps: list[str], channels: int) -> str:
    return b.concat([b.reshape(x, [1, channels, -1]) for x in maps], 2)


def _joined(b: _Builder, o: _Options, levels: list[dict[str, str]]) -> tuple[str, str]:
    sizes = [4 * o.reg_max, o.num_classes]
    if o.merged_tail:
        merged = [b.concat([level["box"], level["class"]], 1) for level in levels]
        box, scores = b.split(_flat_cat(b, merged, sum(sizes)), sizes, 1)
        return box, scores
    box = _flat_cat(b, [level["box"] for level in levels], sizes[0])
    return box, _flat_cat(b, [level["class"] for level in levels], sizes[1])


def _dfl(b: _Builder, o: _Options, box: str) -> str:
    grouped = b.reshape(box, [1, 4, o.reg_max, o.cells])
    moved = b.node("Transpose", [grouped], perm=[0, 3, 1, 2])
    soft = b.node("Softmax", [moved], axis=3)
    bins = b.node("Transpose", [soft], perm=[0, 3, 2, 1])
    name = f"model.22.dfl.conv.weight_{len(b.initializers)}"
    weight = b.weight(name, np.arange(o.reg_max).reshape(1, o.reg_max, 1, 1))
    mean = b.node("Conv", [bins, weight], dilations=[1, 1], group=1, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1])
    return b.reshape(mean, [1, 4, o.cells])


def _anchor_points(o: _Options) -> tuple[np.ndarray, np.ndarray]:
    """Cell centres (1, 2, A) in grid units and the stride row (1, A)."""
    points, rows = [], []
    for stride in o.strides:
        h, w = o.grid_hw(stride)
        y, x = np.mgrid[0:h, 0:w] + 0.5
        points.append(np.stack([x.ravel(), y.ravel()]))
        rows.append(np.full(h * w, stride))
    return np.concatenate(points, 1)[None].astype(np.float32), np.concatenate(rows)[None].astype(np.float32)


def _upright_boxes(b: _Builder, distances: str, anchors: np.ndarray, corners: bool) -> str:
    """Boxes in grid units from ltrb distances; the halves are sliced by the shape, as torch's chunk exports."""
    one = b.constant([1])
    size = b.node("Gather", [b.node("Shape", [distances]), one], axis=0)
    half = b.node("Div", [b.node("Add", [size, b.constant([1])]), b.constant([2])])
    left_top = b.node("Slice", [distances, b.constant([0]), half, one])
    right_bottom = b.node("Slice", [distances, half, b.node("Mul", [half, b.constant([2])]), one])
    low = b.node("Sub", [b.constant(anchors, np.float32), left_top])
    high = b.node("Add", [b.constant(anchors, np.float32), right_bottom])
    if corners:
        return b.concat([low, high], 1)
    centre = b.number("Div", b.node("Add", [low, high]), 2.0)
    return b.concat([centre, b.node("Sub", [high, low])], 1)


def _rotated_boxes(b: _Builder, distances: str, angle: str, anchors: np.ndarray) -> str:
    left_top, right_bottom = b.split(distances, [2, 2], 1)
    cos, sin = b.node("Cos", [angle]), b.node("Sin", [angle])
    x, y = b.split(b.number("Div", b.node("Sub", [right_bottom, left_top]), 2.0), [1, 1], 1)
    turned_x = b.node("Sub", [b.node("Mul", [x, cos]), b.node("Mul", [y, sin])])
    turned_y = b.node("Add", [b.node("Mul", [x, sin]), b.node("Mul", [y, cos])])
    centre = b.node("Add", [b.concat([turned_x, turned_y], 1), b.constant(anchors, np.float32)])
    return b.concat([centre, b.node("Add", [left_top, right_bottom])], 1)


def _keypoints(b: _Builder, o: _Options, extra: str, anchors: np.ndarray, stride_row: np.ndarray) -> str:
    count, dims = o.keypoint_shape
    parts = b.split(b.reshape(extra, [1, count, dims, -1]), [2, 1] if dims == 3 else [2], 2)
    if o.family == "yolo26":
        moved = b.node("Add", [parts[0], b.constant(anchors[0], np.float32)])
    else:
        doubled = b.number("Mul", parts[0], 2.0)
        moved = b.node("Add", [doubled, b.constant(anchors[0] - 0.5, np.float32)])
    places = b.node("Mul", [moved, b.constant(stride_row, np.float32)])
    seen = [b.node("Sigmoid", [parts[1]])] if dims == 3 else []
    return b.reshape(b.concat([places, *seen], 2), [1, count * dims, -1])


def _top_rows(b: _Builder, o: _Options, rows: str, k: int) -> str:
    """The k best (cell, class) pairs as rows of box, score, class and the extra channels."""
    moved = b.node("Transpose", [rows], perm=[0, 2, 1])
    sizes = [4, o.num_classes] + ([o.extra] if o.extra else [])
    boxes, scores, *extra = b.split(moved, sizes, 2)
    _, cells = b.nodes_out("TopK", [b.reduce_max(scores, -1), b.constant([k])], 2, axis=1, largest=1, sorted=1)
    chosen = b.unsqueeze(cells, 2)

    def gather(x: str, index: str, channels: int) -> str:
        spread = b.node("Expand", [index, b.constant(b.led([1, k, channels]))])
        return b.node("GatherElements", [x, spread], axis=1)

    flat = b.node("Flatten", [gather(scores, chosen, o.num_classes)], axis=1)
    best, pairs = b.nodes_out("TopK", [flat, b.constant([k])], 2, axis=1, largest=1, sorted=1)
    class_ids = b.node("Cast", [b.node("Mod", [pairs, b.constant(o.num_classes)])], to=TensorProto.FLOAT)
    rank = b.node("Div", [pairs, b.constant(o.num_classes)])
    place = b.unsqueeze(b.node("GatherElements", [cells, rank], axis=1), 2)
    columns = [gather(boxes, place, 4), b.unsqueeze(best, 2), b.unsqueeze(class_ids, 2)]
    return b.concat([*columns, *(gather(x, place, o.extra) for x in extra)], 2)


def _suppressed_rows(b: _Builder, o: _Options, rows: str, limit: int = 300, confidence: float = 0.25) -> str:
    """Ultralytics' NMSModel: the best class of each cell, boxes moved apart by class, NMS, padding to `limit` rows."""
    moved = b.node("Transpose", [rows], perm=[0, 2, 1])
    box, scores, *extra = b.split(moved, [4, o.num_classes] + ([o.extra] if o.extra else []), 2)
    best = b.reduce_max(scores, -1)
    classes = b.node("ArgMax", [scores], axis=-1, keepdims=0)
    first = b.constant(0)
    box, best, classes, *extra = (b.node("Gather", [x, first], axis=0) for x in (box, best, classes, *extra))
    above = b.node("Greater", [best, b.constant(confidence, np.float32)])
    cells = b.node("Transpose", [b.node("NonZero", [above])], perm=[1, 0])
    box, best, classes, *extra = (b.node("GatherND", [x, cells]) for x in (box, best, classes, *extra))
    apart = b.number("Mul", b.number("Div", box, max(o.size_wh)), 1 / o.num_classes)
    if not o.agnostic_nms:
        count = b.node("Gather", [b.node("Shape", [classes]), first], axis=0)
        spread = b.concat([b.unsqueeze(count, 0), b.constant([4])], 0)
        ids = b.node("Expand", [b.reshape(classes, [-1, 1]), spread])
        moves = b.number("Mul", b.node("Cast", [ids], to=TensorProto.FLOAT), 1 / o.num_classes)
        apart = b.node("Add", [apart, moves])
    single = b.unsqueeze(b.unsqueeze(best, 0), 0)
    every, iou = b.constant([np.iinfo(np.int64).max]), b.constant([o.nms_iou], np.float32)
    picked = b.node("NonMaxSuppression", [b.unsqueeze(apart, 0), single, every, iou])
    keep = b.node("Gather", [picked, b.constant([2])], axis=1)
    keep = b.node("Slice", [b.reshape(keep, [-1]), b.constant([0]), b.constant([limit]), b.constant([0])])
    columns = [b.node("Gather", [x, keep], axis=0) for x in (box, best, classes, *extra)]
    columns[1] = b.reshape(columns[1], [-1, 1])
    columns[2] = b.node("Cast", [b.reshape(columns[2], [-1, 1])], to=TensorProto.FLOAT)
    found = b.concat(columns, 1)
    rows_found = b.node("Gather", [b.node("Shape", [found]), first], axis=0)
    missing = b.node("Mul", [b.node("Sub", [b.constant(limit), rows_found]), b.constant(6 + o.extra)])
    padding = b.concat([b.constant([0]), b.unsqueeze(missing, 0)], 0)
    padded = b.reshape(b.node("Pad", [b.reshape(found, [-1]), padding]), [1, limit, 6 + o.extra])
    empty = b.constant(np.zeros((1, limit, 6 + o.extra)), np.float32)
    return b.node("ScatterND", [empty, b.constant([[0]]), padded])


def _anchor_rows(b: _Builder, o: _Options, features: dict[int, str], prefix: str) -> str:
    """YOLOv5 rows (1, 3 * A, 5 + nc [+ masks]) from one convolution per stride."""
    masks = o.extra if o.task == "segment" else 0
    width, levels = 5 + o.num_classes + masks, []
    for i, stride in enumerate(o.strides):
        h, w = o.grid_hw(stride)
        raw = b.conv(features[stride], 3 * width, f"/model.24/m.{i}", act=False, gain=4.0, bias=-0.3)
        grid = b.node("Transpose", [b.reshape(raw, [1, 3, width, h, w])], perm=[0, 1, 3, 4, 2])
        head, *mask = b.split(grid, [width - masks, masks], 4) if masks else [grid]
        xy, wh, scores = b.split(b.node("Sigmoid", [head]), [2, 2, 1 + o.num_classes], 4)
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        cells = np.broadcast_to(np.stack([x, y], -1) - 0.5, (1, 3, h, w, 2))
        anchors = np.broadcast_to(np.array(ANCHORS[i], np.float32).reshape(1, 3, 1, 1, 2), (1, 3, h, w, 2))
        centre = b.number("Mul", b.node("Add", [b.number("Mul", xy, 2.0), b.constant(cells, np.float32)]), stride)
        doubled = b.number("Pow", b.number("Mul", wh, 2.0), 2.0)
        size = b.node("Mul", [doubled, b.constant(anchors, np.float32)])
        levels.append(b.reshape(b.concat([centre, size, scores, *mask], 4), [1, 3 * h * w, width]))
    return b.concat(levels, 1)


def _metadata(o: _Options, end_to_end: bool) -> dict[str, str]:
    label = {"yolov5": "YOLOv5n", "yolov5u": "YOLOv5nu"}.get(o.family, o.family.replace("yolo", "YOLO") + "n")
    stride = 1 if o.task == "classify" else max(o.strides)
    properties = {
        "description": f"Ultralytics {label} model", "stride": str(stride), "task": o.task,
        "head": TASK_HEADS[o.task], "batch": "1", "imgsz": str([o.size_wh[1], o.size_wh[0]]), "channels": "3",
        "names": str({i: f"thing {i}" for i in range(o.num_classes)}), "end2end": str(end_to_end),
    }  # fmt: skip
    if o.family == "yolov5":  # its own exporter writes these two and nothing else
        return {key: properties[key] for key in ("stride", "names")}
    return properties | ({"kpt_shape": str(list(o.keypoint_shape))} if o.task == "pose" else {})


def _forget_names(graph: onnx.GraphProto) -> None:
    """Numbers instead of names, as simplifiers and other exporters leave them."""
    keep = {v.name for v in (*graph.input, *graph.output)}
    names: dict[str, str] = {}

    def anonymous(name: str) -> str:
        return name if name in keep or not name else names.setdefault(name, str(100 + len(names)))

    for initializer in graph.initializer:
        initializer.name = anonymous(initializer.name)
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        node.input[:] = [anonymous(name) for name in node.input]
        node.output[:] = [anonymous(name) for name in node.output]
