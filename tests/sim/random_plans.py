"""Random graphs whose tensors are cut, joined, shared and fused: what a plan lays out without mixing anything up."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from tests.sim.synthetic import NodeSpec, graph_bytes

Tensor = tuple[tuple[int, ...], str]  # shape NHWC, dtype
MAX_CHANNELS, MAX_SIDE = 200, 20


class RandomPlan:
    """Collects nodes over the int8 input `x`; `tensors` says what every tensor is."""

    def __init__(self, seed: int) -> None:
        self.draw, self.rng = random.Random(seed), np.random.default_rng(seed)
        height, width = self.draw.choice([(4, 6), (5, 7), (8, 8)])
        self.tensors: dict[str, Tensor] = {"x": ((1, height, width, self.draw.choice([3, 4, 8])), "int8")}
        self.nodes: list[NodeSpec] = []
        kinds = (self.conv, self.conv, self.requantize, self.cut, self.join, self.join, self.split, self.pool)
        for _ in range(self.draw.randrange(3, 24)):
            usable = [name for name, (_, dtype) in self.tensors.items() if dtype != "int32"]
            source = self.draw.choice(usable[-self.draw.choice([2, 2, 3, 6]) :])  # often one that is read already
            self.draw.choice((*kinds, self.enlarge, self.add, self.table, self.table, self.table))(source)

    def graph(self) -> bytes:
        """The graph with some of its tensors as outputs."""
        made = [name for name in self.tensors if name != "x"] or ["x"]
        outputs = self.draw.sample(made[-8:], min(len(made), 8, self.draw.choice([1, 2, 3, 6])))
        shape, dtype = self.tensors["x"]
        declared = {name: (self.tensors[name][1], self.tensors[name][0]) for name in outputs}
        return graph_bytes(self.nodes, {"x": (dtype, shape)}, declared)

    def put(self, op_type: str, inputs: list[str], made: list[Tensor], constants: dict[str, Any], **more: Any) -> None:
        index = len(self.nodes)
        names = [f"t{index}_{i}" for i in range(len(made))]
        own = {f"{key}{index}": value for key, value in constants.items()}
        self.nodes.append(NodeSpec(op_type, [*inputs, *own], names, more, own, f"n{index}"))
        self.tensors.update(zip(names, made, strict=True))

    def bits(self) -> int:
        return self.draw.choice([8, 8, 8, 16])

    def conv(self, source: str) -> None:
        shape, _ = self.tensors[source]
        channels = shape[3]
        depthwise, size, bits = self.draw.random() < 0.3, self.draw.choice([1, 1, 3]), self.bits()
        outputs = channels if depthwise else self.draw.choice([2, 4, 8, 16, 20])
        group = channels if depthwise else 1
        weights = self.rng.integers(-128, 128, (outputs, size, size, channels // group)).astype(np.int8)
        ending: dict[str, Any] = {
            "right_shift": [self.draw.randrange(6) for _ in range(outputs)],
            "scale": [self.draw.randrange(-30000, 30000) for _ in range(outputs)],
            "out_shift": [self.draw.randrange(14, 22) for _ in range(outputs)],
            "activation": self.draw.choice(["relu", "none"]),
        }
        if self.draw.random() < 0.15:
            bits, ending = 32, {"high_precision_output": 1}
        sizes = {"kernel_shape": [size, size], "pads": [size // 2] * 4, "group": group, "use_bias": 0}
        made = ((*shape[:3], outputs), f"int{bits}")
        self.put("HzSQuantizedConv", [source], [made], {"w": weights}, output_bit=bits, **sizes, **ending)

    def requantize(self, source: str) -> None:
        shape, _ = self.tensors[source]
        axis, bits = self.draw.choice([3, 3, 3, 2, 1]), self.bits()
        scales = [self.draw.randrange(-30000, 30000) for _ in range(shape[axis])]
        scales = [scales[0]] * len(scales) if self.draw.random() < 0.5 else scales
        numbers = {"axis": axis, "bits": bits, "output_scale": scales, "output_right_shift": [14] * len(scales)}
        self.put("HzRequantize", [source], [(shape, f"int{bits}")], {}, **numbers)

    def cut(self, source: str) -> None:
        shape, dtype = self.tensors[source]
        axis = self.draw.choice([3, 3, 3, 1, 2])
        first = self.draw.randrange(shape[axis])
        last, step = self.draw.randrange(first + 1, shape[axis] + 1), self.draw.choice([1, 1, 1, 2])
        made = tuple(len(range(first, last, step)) if i == axis else size for i, size in enumerate(shape))
        start = first - shape[axis] if self.draw.random() < 0.2 else first
        bounds = {"b": start, "e": last, "a": axis, "s": step}
        self.put("Slice", [source], [(made, dtype)], {key: np.array([value]) for key, value in bounds.items()})

    def join(self, source: str) -> None:
        shape, dtype = self.tensors[source]
        fitting = [name for name, (other, kind) in self.tensors.items() if kind == dtype and other[:3] == shape[:3]]
        parts = [self.draw.choice(fitting) for _ in range(self.draw.randrange(1, 4))]
        total = sum(self.tensors[name][0][3] for name in parts)
        if total <= MAX_CHANNELS:
            self.put("Concat", parts, [((*shape[:3], total), dtype)], {}, axis=self.draw.choice([3, -1]))

    def split(self, source: str) -> None:
        shape, dtype = self.tensors[source]
        if shape[3] > 1:
            first = self.draw.randrange(1, shape[3])
            parts = [first, shape[3] - first]
            self.put("Split", [source], [((*shape[:3], part), dtype) for part in parts], {}, axis=3, split=parts)

    def pool(self, source: str) -> None:
        (n, height, width, channels), dtype = self.tensors[source]
        stride = self.draw.choice([1, 1, 2])
        made = ((n, (height - 1) // stride + 1, (width - 1) // stride + 1, channels), dtype)
        window = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [stride, stride]}
        self.put("HzQuantizedMaxPool", [source], [made], {}, **window)

    def enlarge(self, source: str) -> None:
        (n, height, width, channels), dtype = self.tensors[source]
        cols = self.draw.choice([1, 2, 2])
        if max(height, width) <= MAX_SIDE:
            made = ((n, height * 2, width * cols, channels), dtype)
            self.put("HzQuantizedResizeUpsample", [source], [made], {}, mode="nearest", scale=[2, cols])

    def add(self, source: str) -> None:
        shape, _ = self.tensors[source]
        fitting = [n for n, (other, dtype) in self.tensors.items() if other == shape and dtype != "int32"]
        bits = self.bits()
        numbers = {
            "x_shift": [2],
            "e_scale": [self.draw.randrange(1, 9)],
            "e_shift": [1],
            "accu_right_shift": [3],
            "output_scale": [self.draw.randrange(1, 30000)],
            "output_right_shift": [16],
            "output_bit": bits,
        }
        operands = [source, self.draw.choice(fitting)]
        self.put("HzSElementwiseAdd", operands, [(shape, f"int{bits}")], {}, **numbers)

    def table(self, source: str) -> None:
        shape, dtype = self.tensors[source]
        if dtype == "int8":
            self.put("HzLut", [source], [(shape, dtype)], {"l": self.rng.integers(-128, 128, 256).astype(np.int8)})
