"""Stand-ins with the APIs of the board's libraries, their traps included."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from edgekit.spec import ModelSpec


def compute(spec: ModelSpec, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Some outputs that depend on the input: what every fake device gives."""
    seed = int(np.asarray(pixels, np.int64).sum()) % 2**32
    heads = {}
    for head in spec.outputs:
        rng = np.random.default_rng([seed, len(head.name), head.stride])
        values = rng.normal(0, 300 if head.scale else 2, head.shape)
        heads[head.name] = np.asarray(values).astype(head.dtype)
    return heads


def fake_pyeasy(spec: ModelSpec) -> ModuleType:
    """`pyeasy_dnn` with its traps: reused buffers, another order, wider aligned buffers, NHWC reported as NCHW."""
    buffers: dict[str, np.ndarray] = {}

    def tensor(name: str, shape: tuple[int, ...], dtype: str, scale: tuple[float, ...]) -> SimpleNamespace:
        aligned = (*shape[:-1], -(-shape[-1] // 16) * 16) if len(shape) == 4 else shape
        properties = SimpleNamespace(
            tensor_type=dtype,
            dtype=dtype,
            layout="NCHW",
            shape=shape,
            validShape=shape,
            alignedShape=aligned,
            scale_data=np.asarray(scale, np.float32),
        )
        buffers[name] = np.zeros(aligned, dtype if dtype != "NV12" else "uint8")
        return SimpleNamespace(name=name, buffer=buffers[name], properties=properties)

    size = spec.preprocess
    inputs = [tensor(spec.input.name, (1, 3, size.height, size.width), "NV12", ())]
    outputs = [tensor(h.name, h.shape, h.dtype, h.scale) for h in reversed(spec.outputs)]

    def forward(data: Any, core_id: int = 0, priority: int = 0) -> list[SimpleNamespace]:
        array = data[0] if isinstance(data, list) else data
        for name, values in compute(spec, array).items():
            buffers[name][tuple(slice(0, side) for side in values.shape)] = values
        return outputs

    model = SimpleNamespace(name="m", inputs=inputs, outputs=outputs, estimate_latency=0, forward=forward)
    module = ModuleType("hobot_dnn.pyeasy_dnn")

    def load(path: object) -> list[SimpleNamespace]:
        if "broken" in str(path):
            raise RuntimeError("HB_DNN_INVALID_MODEL")
        return [model]

    module.load = load  # type: ignore[attr-defined]
    return module


def fake_hbm(spec: ModelSpec) -> ModuleType:
    """`hbm_runtime`: everything in dicts per model, scales as quantization objects, none for floats."""
    size = spec.preprocess

    class HB_HBMRuntime:
        def __init__(self, path: object) -> None:
            if "broken" in str(path):
                raise RuntimeError("invalid model")
            self.model_names = ["m"]
            self.input_names = {"m": [spec.input.name]}
            self.input_shapes = {"m": {spec.input.name: [1, 3, size.height, size.width]}}
            self.input_dtypes = {"m": {spec.input.name: "U8"}}
            self.input_quants: dict[str, dict[str, Any]] = {"m": {}}
            self.output_names = {"m": [h.name for h in reversed(spec.outputs)]}
            self.output_shapes = {"m": {h.name: list(h.shape) for h in spec.outputs}}
            self.output_dtypes = {"m": {h.name: {"float32": "F32"}.get(h.dtype, h.dtype) for h in spec.outputs}}
            self.output_quants = {"m": {h.name: self._quant(h.scale) for h in spec.outputs}}

        @staticmethod
        def _quant(scale: tuple[float, ...]) -> SimpleNamespace:
            kind = "SCALE" if scale else "NONE"
            return SimpleNamespace(scale=np.asarray(scale, np.float32), zero_point=[], quant_type=kind, axis=3)

        def run(self, feed: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
            return {"m": compute(spec, feed["m"][spec.input.name])}

    module = ModuleType("hbm_runtime")
    module.HB_HBMRuntime = HB_HBMRuntime  # type: ignore[attr-defined]
    return module
