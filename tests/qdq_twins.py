"""Q/DQ twins of small exports, made by onnxruntime's own quantizer: every tensor and weight between a pair."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

SAMPLES = 3


class NoiseReader(CalibrationDataReader):  # type: ignore[misc]
    """Images of noise for the one input of a model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        value = model.graph.input[0]
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        feeds = ({value.name: np.random.default_rng(seed).random(shape, np.float32)} for seed in range(SAMPLES))
        self._feeds: Iterator[Mapping[str, Any]] = feeds

    def get_next(self) -> Mapping[str, Any] | None:
        return next(self._feeds, None)


def qdq_twin(
    path: Path, *, per_channel: bool = True, symmetric: bool = True, reader: Any = None, **options: Any
) -> onnx.ModelProto:
    """The twin of the model at `path` (opset 13 or later) with static quantization.

    symmetric: int8 activations whose zero point is 0; else uint8 ones, as onnxruntime does by default.
    """
    twin = path.with_name(f"{path.stem}_qdq.onnx")
    logging.getLogger().setLevel(logging.ERROR)  # it advises to preprocess
    quantize_static(
        str(path),
        str(twin),
        reader or NoiseReader(onnx.load(path)),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": symmetric},
        **options,
    )
    return onnx.load(twin)
