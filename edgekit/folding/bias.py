"""Bias correction: what int8 weights shift on average, and constants added to a convolution's bias.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.bpu import WEIGHT_MAX
from edgekit.errors import ConfigError
from edgekit.folding.convolution import BIAS, CONVOLUTIONS, by_group, read_convolution, set_constant
from edgekit.graph.onnx_graph import index_graph


def add_to_biases(model: onnx.ModelProto, shifts: Mapping[str, npt.NDArray[np.floating]]) -> onnx.ModelProto:
    """Return a copy of a model with constants added to the biases of convolutions.

    A convolution without bias gets one; a bias that other nodes read, too, is copied first. To correct a shift that
    quantization brings, add its negative.

    Args:
        model: A float model.
        shifts: Output tensor of a convolution -> (C,), one constant per channel.

    Returns:
        The copy.

    Raises:
        ConfigError: If a name is no output of a Conv or ConvTranspose with constant float32 weights and bias, or a
            shift is not (C,) or not finite.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    index = index_graph(model)
    nodes = {output: node for node in result.graph.node for output in node.output}
    for name, shift in sorted(shifts.items()):
        node = index.producers.get(name)
        made_by = "nothing" if node is None else node.op_type
        convolution = None if node is None else read_convolution(index, node)
        if node is None or convolution is None:
            raise ConfigError(
                f"shift of {name!r}: made by {made_by}, expected {' or '.join(CONVOLUTIONS)} with constant float32 "
                "weights and bias",
                hint="name the convolution's own output, not what follows it",
            )
        if np.shape(shift) != (convolution.out_channels,) or not np.all(np.isfinite(shift)):
            raise ConfigError(
                f"shift of {name!r}: shape {np.shape(shift)}, expected ({convolution.out_channels},) finite numbers",
                hint="give one number per output channel of the convolution",
            )
        bias = np.zeros(convolution.out_channels) if convolution.bias is None else convolution.bias
        total = (bias.astype(np.float64) + shift).astype(np.float32)
        set_constant(result, nodes[name], BIAS, total, f"{name}_bias")
    return result


def weight_rounding_shift(
    weight: npt.NDArray[np.floating],
    input_mean: npt.NDArray[np.floating],
    *,
    group: int = 1,
    transposed: bool = False,
    strides: tuple[int, int] = (1, 1),
) -> npt.NDArray[np.float64]:
    """(O,): the expected output shift E[(Wq - W) x] of a convolution whose weights become int8 per output channel.

    weight: as in ONNX, Conv (O, I / group, kh, kw) or, with `transposed`, ConvTranspose (I, O / group, kh, kw).
    input_mean: (I,), each input channel's mean over images and cells. strides: matter for ConvTranspose alone, whose
    outputs each see 1 / (sh * sw) of the kernel on average. The step is the channel's peak / 127. The border is
    ignored: where a kernel reaches into zero padding, the true shift is smaller.
    Raises ConfigError where the shapes do not fit.
    """
    in_channels = weight.shape[0] if transposed else weight.shape[1] * group
    if np.shape(input_mean) != (in_channels,) or weight.ndim != 4 or weight.shape[0] % group:
        raise ConfigError(
            f"input_mean {np.shape(input_mean)} for a weight of {weight.shape} in {group} groups, "
            f"expected ({in_channels},) and four axes",
            hint="give one mean per input channel of the convolution, and its own group",
        )
    grouped = by_group(weight.astype(np.float64), group=group, transposed=transposed)
    peak = np.abs(grouped).max(axis=(2, 3, 4), keepdims=True)
    step = np.where(peak > 0, peak, 1.0) / WEIGHT_MAX
    error = (np.rint(grouped / step) * step - grouped).sum(axis=(3, 4))
    means = np.asarray(input_mean, np.float64).reshape(group, 1, -1)
    shift: npt.NDArray[np.float64] = (error * means).sum(axis=2).reshape(-1)
    return shift / (strides[0] * strides[1]) if transposed else shift
