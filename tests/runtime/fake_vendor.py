"""Stand-ins with the APIs of the board's libraries, their traps included."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from edgekit.spec import ModelSpec

IMAGES = ("NV12", "RGB", "BGR", "Y")


def compute(spec: ModelSpec, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Some outputs that depend on the input: what every fake device gives."""
    flat = np.asarray(pixels, np.int64).reshape(-1)
    seed = int(flat @ (np.arange(flat.size) % 97 + 1)) % 2**32
    heads = {}
    for head in spec.outputs:
        rng = np.random.default_rng([seed, len(head.name), head.stride])
        spread = 300 if head.scale else 1
        values = rng.normal(-3 * spread if head.role == "class" else 0, spread, head.shape)  # few objects
        if head.role == "proto":  # flat: masks of noise take ages to draw
            values = np.broadcast_to(values[:, :1, :1], head.shape)
        heads[head.name] = np.asarray(values).astype(head.dtype)
    return heads


def fake_pyeasy(
    spec: ModelSpec,
    *,
    kind: str = "NV12",
    scales: bool = True,
    on_forward: Callable[[], object] = lambda: None,
) -> ModuleType:
    """`pyeasy_dnn` with its traps: reused buffers, another order, wider aligned buffers, NHWC reported as NCHW.

    `scales` False leaves scale_data out; `on_forward` is called while a frame is on its way.
    """
    module = ModuleType("hobot_dnn.pyeasy_dnn")

    def load(path: object) -> list[SimpleNamespace]:
        if "broken" in str(path):
            raise RuntimeError("HB_DNN_INVALID_MODEL")
        return [_pyeasy_model(spec, kind, scales, on_forward)]

    module.load = load  # type: ignore[attr-defined]
    return module


def _pyeasy_model(spec: ModelSpec, kind: str, scales: bool, on_forward: Callable[[], object]) -> SimpleNamespace:
    buffers: dict[str, np.ndarray] = {}

    def tensor(name: str, shape: tuple[int, ...], dtype: str, scale: tuple[float, ...]) -> SimpleNamespace:
        aligned = (*shape[:-1], -(-shape[-1] // 16) * 16) if len(shape) == 4 else shape
        properties = SimpleNamespace(
            tensor_type=dtype,
            dtype="uint8" if dtype in IMAGES else dtype,
            layout="NCHW",
            shape=shape,
            validShape=shape,
            alignedShape=aligned,
        )
        if scales:
            properties.scale_data = np.asarray(scale, np.float32)
        buffers[name] = np.zeros(aligned, properties.dtype)
        return SimpleNamespace(name=name, buffer=buffers[name], properties=properties)

    size = spec.preprocess
    inputs = [tensor(spec.input.name, (1, 3, size.height, size.width), kind, ())]
    outputs = [tensor(h.name, h.shape, h.dtype, h.scale) for h in reversed(spec.outputs)]

    def forward(data: Any, core_id: int = 0, priority: int = 0) -> list[SimpleNamespace]:
        array = data[0] if isinstance(data, list) else data
        on_forward()
        for name, values in compute(spec, array).items():
            buffers[name][tuple(slice(0, side) for side in values.shape)] = values
        return outputs

    return SimpleNamespace(name="m", inputs=inputs, outputs=outputs, estimate_latency=0, forward=forward)


def fake_hbm(spec: ModelSpec, *, planes: bool = False) -> ModuleType:
    """`hbm_runtime`: everything in dicts per model, scales as quantization objects, none for floats.

    With `planes` NV12 is two inputs, chroma first, as on the S series.
    """
    size, name = spec.preprocess, spec.input.name
    shapes = {name: [1, 3, size.height, size.width]}
    if planes:
        shapes = {
            f"{name}_uv": [1, size.height // 2, size.width // 2, 2],
            f"{name}_y": [1, size.height, size.width, 1],
        }

    class HB_HBMRuntime:
        def __init__(self, path: object) -> None:
            if "broken" in str(path):
                raise RuntimeError("invalid model")
            self.model_names = ["m"]
            self.input_names = {"m": list(shapes)}
            self.input_shapes = {"m": shapes}
            self.input_dtypes = {"m": dict.fromkeys(shapes, "U8")}
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
            given = feed["m"]
            if {k: list(v.shape) for k, v in given.items()} != shapes and planes:
                raise RuntimeError("shape mismatch")
            flat = [given[k].reshape(-1) for k in sorted(given, reverse=True)]  # luma before chroma
            return {"m": compute(spec, np.concatenate(flat))}

    module = ModuleType("hbm_runtime")
    module.HB_HBMRuntime = HB_HBMRuntime  # type: ignore[attr-defined]
    return module
