"""Inputs that once crashed, hung, ate the memory or gave wrong integers, made again by code; each is tried again.

A row says what reads the input (a kind of tools/fuzzing), how to make it, and what must become of it now.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from fuzzing.kinds import KINDS

from tests.logs.synthetic_bin import compiled_bin
from tests.sim.synthetic import NodeSpec, graph_bytes

REFUSED, READ = "refused", "ok"
MAP = 2  # the first class map among the seeds of exports
WORDS = 5  # the first open vocabulary


@dataclass(frozen=True)
class Crash:
    name: str
    kind: str
    make: Callable[[], bytes]
    outcome: str = REFUSED


def one_node(
    op: str, shape: tuple[int, ...], attributes: dict[str, Any], constants: dict[str, Any] | None = None, **more: Any
) -> bytes:
    """A graph of one node from int8 `x` to `y`."""
    fed = constants or {}
    out = more.get("out", ("int8", shape))
    inputs = {"x": (more.get("dtype", "int8"), shape)}
    return graph_bytes([NodeSpec(op, ["x", *fed], ["y"], attributes, fed)], inputs, {"y": out})


def convolution(inputs: tuple[str, str], output: str, name: str, channels: int) -> NodeSpec:
    weights = np.ones((channels, 1, 1, 4 if inputs[0] == "x" else 64), np.int8)
    attributes = {"output_bit": 8, "use_bias": 0, "right_shift": [0] * channels}
    attributes |= {"scale": [1] * channels, "out_shift": [7] * channels}
    return NodeSpec("HzSQuantizedConv", inputs, [output], attributes, {inputs[1]: weights}, name=name)


def repeated_names(first: str = "conv", second: str = "conv") -> bytes:
    """Two convolutions of different widths under one name: a plan by names ran one with the other's channels."""
    nodes = [convolution(("x", "w1"), "a", first, 64), convolution(("a", "w2"), "y", second, 4)]
    return graph_bytes(nodes, {"x": ("int8", (1, 8, 8, 4))}, {"y": ("int8", (1, 8, 8, 4))})


def dilated_words() -> bytes:
    """An open vocabulary in front of whose embeddings a dilation leaves less than nothing of the map."""
    model = onnx.ModelProto.FromString(KINDS["exports"].seeds()[WORDS])
    node = next(node for node in model.graph.node if node.name == "/model.22/cv3.2/cv3.2.0/conv/Conv")
    next(a for a in node.attribute if a.name == "dilations").ints[:] = [15, 15]
    return model.SerializeToString()


def requantize(axis: int) -> bytes:
    size = (1, 6, 5, 4)[axis]
    scales = {"output_scale": [90 + i for i in range(size)], "output_right_shift": [6] * size}
    return one_node("HzRequantize", (1, 6, 5, 4), {"axis": axis, "bits": 8, **scales})


def prelu(slopes: tuple[int, ...]) -> bytes:
    attributes = {"accu_right_shift": 3, "negative_right_shift": 0, "negative_scale": 1}
    attributes |= {"positive_right_shift": 0, "positive_scale": 1}
    values = np.arange(1, 1 + int(np.prod(slopes)), dtype=np.int8).reshape(slopes)
    return one_node("HzSPRelu", (1, 1, 8, 4), attributes, {"s": values})


def scalar() -> bytes:
    nodes = [
        NodeSpec("Reshape", ["x", "shape"], ["s"], {}, {"shape": np.zeros(0, np.int64)}),
        NodeSpec("HzQuantizedBitShift", ["s"], ["y"], {"direction": "RIGHT", "shift": 1}),
    ]
    return graph_bytes(nodes, {"x": ("int8", (1,))}, {"y": ("int8", ())})


def pool_bomb() -> bytes:
    attributes = {"kernel_shape": [4096, 4096], "pads": [2048] * 4, "strides": [1, 1]}
    return one_node("HzQuantizedMaxPool", (1, 64, 64, 1), attributes, out=("int8", (1, 65, 65, 1)))


def resize_bomb() -> bytes:
    constants = {"roi": np.zeros(0, np.float32), "scales": np.array([1, 1024, 1024, 1], np.float32)}
    nodes = [
        NodeSpec("Resize", ["x", *constants], ["r"], {"mode": "nearest"}, constants),
        NodeSpec("HzQuantize", ["r", "q"], ["y"], {}, {"q": np.array([1], np.float32)}),
    ]
    return graph_bytes(nodes, {"x": ("float32", (1, 64, 64, 16))}, {"y": ("int8", (1, 65536, 65536, 16))})


def computed_scales() -> bytes:
    """A Resize whose scales come out of the graph: typed by a trial run, smaller when it runs."""
    nodes = [
        NodeSpec("ReduceMax", ["x"], ["peak"], {"axes": [1, 2, 3], "keepdims": 0}),
        NodeSpec("Concat", ["one", "peak", "peak", "one"], ["scales"], {"axis": 0}, {"one": np.array([1], np.float32)}),
        NodeSpec("Resize", ["x", "roi", "scales"], ["r"], {"mode": "nearest"}, {"roi": np.zeros(0, np.float32)}),
        NodeSpec("HzQuantize", ["r", "q"], ["y"], {}, {"q": np.array([1], np.float32)}),
    ]
    return graph_bytes(nodes, {"x": ("float32", (1, 8, 8, 4))}, {"y": ("int8", (1, 8, 8, 4))})


def initializer_dims(dims: list[int], data_type: int = 3) -> bytes:
    import onnx

    model = onnx.load_from_string(prelu((1, 1, 1, 4)))
    model.graph.initializer[0].dims[:] = dims
    model.graph.initializer[0].data_type = data_type
    return bytes(model.SerializeToString())


def declared(element: int = 1, side: int = 64) -> bytes:
    """A stock export whose input is said to be of another type or size."""
    import onnx

    model = onnx.load_from_string(seed("stock"))
    kind = model.graph.input[0].type.tensor_type
    kind.elem_type, kind.shape.dim[2].dim_value = element, side
    return bytes(model.SerializeToString())


def without_outputs(kind: str, number: int = 0, *, of_node: bool = False) -> bytes:
    """An export that computes and gives nothing."""
    import onnx

    model = onnx.load_from_string(seed(kind, number))
    del (model.graph.node[0] if of_node else model.graph).output[:]
    return bytes(model.SerializeToString())


def pair_with(scales: np.ndarray) -> bytes:
    """A Q/DQ pair over weights of four channels."""
    from onnx import numpy_helper

    from tests.export.test_qdq import pair_graph

    model = pair_graph(low=0)
    stored = next(tensor for tensor in model.graph.initializer if tensor.name == "w_scale")
    stored.CopyFrom(numpy_helper.from_array(scales, stored.name))
    return bytes(model.SerializeToString())


def open_string() -> bytes:
    data = seed("map", 2)
    assert b"'shape': " in data
    return data.replace(b"'shape': ", b"'shape: ")


def seed(kind: str, number: int = 0) -> bytes:
    return KINDS[kind].seeds()[number]


def changed(kind: str, change: Callable[[Any], Any], number: int = 0) -> Callable[[], bytes]:
    """An intact JSON file of `kind` with something changed in it."""

    def make() -> bytes:
        value = json.loads(seed(kind, number))
        change(value)
        return json.dumps(value).encode()

    return make


def replaced(kind: str, old: bytes, new: bytes, number: int = 0) -> Callable[[], bytes]:
    """An intact file of `kind` with a piece of its text replaced."""

    def make() -> bytes:
        data = seed(kind, number)
        assert old in data, f"{kind} has no {old!r}"
        return data.replace(old, new, 1)

    return make


def yaml_value(value: bytes) -> Callable[[], bytes]:
    return replaced("ptq", b"norm_type: data_scale", b"norm_type: " + value)


def png_of(side: int) -> bytes:
    """A PNG that is tiny as a file and huge as an image."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1 + side), 9) * 1
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def long_outline() -> bytes:
    return b"0 " + b"0.1 0.2 0.3 0.9 " * 50_000 + b"\n"


def set_in(*keys: Any, value: Any) -> Callable[[Any], None]:
    """A change that puts `value` at a place in a tree."""

    def change(root: Any) -> None:
        for key in keys[:-1]:
            root = root[key]
        root[keys[-1]] = value

    return change


HUGE = 10**400
HALF, NAN = struct.pack("<f", 0.5), struct.pack("<f", float("nan"))


def huge_value() -> bytes:
    """Published results of which one value is an integer that no float holds."""
    document = json.loads(seed("reference"))
    document["figures"][0]["value"] = 10**400
    return json.dumps(document).encode()


PAST = (
    Crash("repeated node names", "quantized", repeated_names),
    Crash("an empty name that meets a generated one", "quantized", lambda: repeated_names("HzSQuantizedConv_1", "")),
    Crash("HzRequantize along rows", "quantized", lambda: requantize(1), READ),
    Crash("HzRequantize along columns", "quantized", lambda: requantize(2), READ),
    Crash("HzSPRelu slopes of shape (C, 1, 1)", "quantized", lambda: prelu((4, 1, 1))),
    Crash("a scalar tensor", "quantized", scalar),
    Crash("a pool of 4096 x 4096", "quantized", pool_bomb),
    Crash("a resize by a million", "quantized", resize_bomb),
    Crash("computed scales of a resize", "quantized", computed_scales),
    Crash("dims that do not fit", "quantized", lambda: initializer_dims([1, 1, 1, 5])),
    Crash("dims that overflow", "quantized", lambda: initializer_dims([2**62, 2**62, 4])),
    Crash("negative dims", "quantized", lambda: initializer_dims([-1, -4])),
    Crash("an unknown element type", "quantized", lambda: initializer_dims([1, 1, 1, 4], 99)),
    Crash("an input of an unknown type", "stock", lambda: declared(element=-1)),
    Crash("a classifier without outputs", "network", lambda: without_outputs("network")),
    Crash("a cut map without outputs", "exports", lambda: without_outputs("exports", MAP)),
    Crash("a map of negative height in front of embeddings", "exports", dilated_words),
    Crash("a node without outputs", "network", lambda: without_outputs("network", of_node=True)),
    Crash("a Q/DQ pair without scales", "network", lambda: pair_with(np.zeros(0, np.float32))),
    Crash("a Q/DQ pair with two scales of four channels", "network", lambda: pair_with(np.ones(2, np.float32))),
    Crash("a depth array whose header has an open string", "map", open_string),
    Crash("an input of a negative height", "stock", lambda: declared(side=-64)),
    Crash("an input of a huge height", "stock", lambda: declared(side=2**40)),
    Crash("a nested shape", "sidecar", changed("sidecar", set_in("outputs", 0, "shape", value=[1, [8], 12, 64]))),
    Crash("a nested scale", "sidecar", changed("sidecar", set_in("outputs", 0, "scale", value=[[0.1]]))),
    Crash("a scale of 10^400", "sidecar", changed("sidecar", set_in("outputs", 0, "scale", value=[HUGE]))),
    Crash("a width of 10^400", "sidecar", changed("sidecar", set_in("preprocess", "width", value=HUGE))),
    Crash("a repeated key", "sidecar", replaced("sidecar", b"{", b'{"task": "pose", ')),
    *(
        Crash(f"yaml {value.decode()[:20]}", "ptq", yaml_value(value))
        for value in (
            b'!!int ""', b'!!int "-"', b'!!float ""', b"!!bool maybe", b"!!timestamp foo", b"!!map [a]",
            b"9" * 400_000, b"[" * 5000, b"{? [a] : b}", b"&a [*a]", b"!!python/name:os.system",
        )
    ),
    Crash("a path of 5000 letters", "ptq", replaced("ptq", b"./tiny_heads.onnx", b"x" * 5000)),
    Crash("mixed name keys", "yoloyaml", replaced("yoloyaml", b"  1: bicycle", b"  one: bicycle")),
    Crash("an image called .", "coco", changed("coco", set_in("images", 0, "file_name", value=".")), READ),
    Crash("an image of a name too long", "coco", changed("coco", set_in("images", 0, "file_name", value="a" * 300)),
          READ),
    Crash("an area of null", "coco", changed("coco", set_in("annotations", 0, "area", value=None)), READ),
    Crash("ids as text", "coco", changed("coco", set_in("annotations", 0, "image_id", value="10")), READ),
    Crash("an id of 10^400", "coco", changed("coco", set_in("annotations", 0, "id", value=HUGE)), READ),
    Crash("an empty box", "coco", changed("coco", set_in("annotations", 0, "bbox", value=[])), READ),
    Crash("an orphan", "coco", changed("coco", set_in("annotations", 0, "image_id", value=999)), READ),
    Crash("a numeric category", "coco", changed("coco", set_in("categories", 0, "name", value=7)), READ),
    Crash("a cosine of 10^400", "quantinfo",
          replaced("quantinfo", b'"cosine_similarity": "', b'"cosine_similarity": "1e400'), READ),
    Crash("mean_rgb as text", "manifest", changed("manifest", set_in("mean_rgb", value="114"), 1), READ),
    Crash("a huge image in a small file", "image", lambda: png_of(32_000)),
    Crash("an outline of 100,000 points", "labels", long_outline, READ),
    Crash("a path part of 300 bytes", "list", lambda: b"a" * 300 + b"\nimages/image_000.png\n", READ),
    Crash("scales that are not finite", "realbin", lambda: compiled_bin().replace(HALF, NAN)),
    Crash("a prefix that no file can have", "realbin", lambda: compiled_bin(prefix="x" * 300), READ),
    Crash("a prefix of another folder", "realbin", lambda: compiled_bin(prefix="../../etc/passwd"), READ),
    Crash("a board that answers with brackets", "answer", lambda: b"[" * 100_000, READ),
    Crash("a board that answers with an escape", "answer", lambda: b"\x1b]0;title\x07\x1b[31mred", READ),
    Crash("a bench row without inference", "bench", lambda: seed("bench").replace(b'"infer"', b'"other"'), READ),
    Crash("a BigTIFF whose directory lies beyond memory", "image", lambda: b"II+\0\x08\0\0\0" + b"\xff" * 24),
    Crash("a published value too large", "reference", lambda: huge_value()),
    Crash("nested predictions", "predictions", lambda: b"[" * 100_000 + b"\n", READ),
)  # fmt: skip
