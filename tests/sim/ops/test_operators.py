"""Hand-computed results of every integer operator, at ties, saturation and wrap-around."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph
from tests.sim.synthetic import one_op


def run(op_type: str, x: Any, attributes: dict[str, Any], **more: Any) -> np.ndarray:
    """The reference's result, after making sure that the fast execution gives the same."""
    graph = load_graph(one_op(op_type, np.asarray(x), attributes, **more))
    inputs = {"x": np.asarray(x), **(more.get("more_inputs") or {})}
    expected = ReferenceExecutor(graph).run(inputs)["y"]
    assert np.array_equal(make_executor(graph).run(inputs)["y"], expected)
    return expected


def pixels(*values: int, dtype: str = "int8") -> np.ndarray:
    """One row of one-channel pixels, NHWC."""
    return np.array(values, dtype).reshape(1, 1, -1, 1)


def conv_constants(weight: int, bias: int, b_scale: int = 0) -> dict[str, np.ndarray]:
    return {
        "w": np.full((1, 1, 1, 1), weight, np.int8),
        "b": np.array([bias], np.int32),
        "s": np.array([b_scale], np.int8),
    }


def conv(x: np.ndarray, weight: int, bias: int, b_scale: int = 0, **attributes: Any) -> list[int]:
    settings: dict[str, Any] = {"right_shift": [0], "scale": [1], "out_shift": [0], "output_bit": 8, **attributes}
    dtype = f"int{settings['output_bit']}"
    result = run("HzSQuantizedConv", x, settings, extra=conv_constants(weight, bias, b_scale), out=(dtype, x.shape))
    return result.reshape(-1).tolist()


def test_conv_rounds_down_twice_and_saturates_at_16_bits_between() -> None:
    # (3*5 - 2) >> 1 = 6, 6*3 = 18, 18 >> 2 = 4; below zero (-3*5 - 2) >> 1 = -9, -27 >> 2 = -7
    assert conv(pixels(3, -3), 5, -2, right_shift=[1], scale=[3], out_shift=[2]) == [4, -7]
    # 40000 saturates to 32767 before the scale: 32767*2 >> 9 = 127, but 40000*2 >> 9 would be 156
    assert conv(pixels(1), 0, 40000, scale=[2], out_shift=[9], output_bit=16) == [127]


def test_conv_wraps_its_accumulator_and_its_product() -> None:
    assert conv(pixels(1), 1, 2**31 - 1, output_bit=32, high_precision_output=1) == [-(2**31)]
    assert conv(pixels(0), 1, 32767, scale=[2**30], out_shift=[30], output_bit=16) == [-1]  # 32767*2^30 mod 2^32


def test_float_ranges_that_a_conv_brings_along_change_nothing() -> None:
    settings: dict[str, Any] = {"right_shift": [1], "scale": [3], "out_shift": [2]}
    ranges: dict[str, Any] = {"weight_thresholds": [0.7], "input_scales": [0.25]}
    assert conv(pixels(3, -3), 5, -2, **settings, **ranges) == conv(pixels(3, -3), 5, -2, **settings) == [4, -7]


def test_conv_shifts_its_bias_left_only() -> None:
    accumulator = {"output_bit": 32, "high_precision_output": 1}
    assert conv(pixels(0), 1, 5, 3, **accumulator) == [40]
    assert conv(pixels(0), 1, 5, -3, **accumulator) == [5]
    assert conv(pixels(0), 1, 5, use_bias=0, **accumulator) == [0]


def test_relu_comes_before_a_negative_scale() -> None:
    assert conv(pixels(4, -4), 1, 0, scale=[-3], activation="relu") == [-12, 0]
    assert conv(pixels(4, -4), 1, 0, activation="relu", output_bit=32, high_precision_output=1) == [4, 0]


@pytest.mark.parametrize(("shift", "expected"), [(0, 13), (2, 22), (-1, 11), (-2, 10)])
def test_sum_in_joins_the_accumulator(shift: int, expected: int) -> None:
    x, e = pixels(2), pixels(-1)
    settings = {
        "use_sumin": 1, "e_scale": [-3], "e_shift": [shift], "output_bit": 32, "high_precision_output": 1,
    }  # fmt: skip
    constants = conv_constants(5, 0)
    more = {"extra": constants, "more_inputs": {"e": e}, "out": ("int32", x.shape)}
    assert run("HzSQuantizedConv", x, settings, **more).item() == expected  # 2*5 + ((-1 * -3) << shift)


def test_padding_counts_as_zero_and_dilation_skips() -> None:
    x = np.arange(1, 6, dtype=np.int8).reshape(1, 1, 5, 1)
    constants = {
        "w": np.array([1, 2, 3], np.int8).reshape(1, 1, 3, 1),
        "b": np.zeros(1, np.int32),
        "s": np.zeros(1, np.int8),
    }
    settings = {"pads": [0, 2, 0, 2], "dilations": [1, 2], "output_bit": 32, "high_precision_output": 1}
    found = run("HzSQuantizedConv", x, settings, extra=constants, out=("int32", x.shape))
    assert found.reshape(-1).tolist() == [1 * 2 + 3 * 3, 2 * 2 + 4 * 3, 1 + 3 * 2 + 5 * 3, 2 + 4 * 2, 3 + 5 * 2]


def test_conv_transpose_scatters_unflipped() -> None:
    x = pixels(1, 10)
    constants = {"w": np.array([1, 2, 3], np.int8).reshape(1, 1, 3, 1), "b": np.array([0], np.int32)}
    settings = {"strides": [1, 2], "accu_right_shift": [0], "y_quant_scale": [1], "y_right_shift": [0]}
    found = run("HzSQuantizedConvTranspose", x, settings, extra=constants, out=("int8", (1, 1, 5, 1)))
    assert found.reshape(-1).tolist() == [1, 2, 3 + 10, 20, 30]


def test_lut_is_a_table_from_the_lowest_value_on() -> None:
    table = np.arange(-128, 128).astype(np.int8)[::-1].copy()
    found = run("HzLut", pixels(-128, 0, 127), {}, extra={"t": table})
    assert found.reshape(-1).tolist() == [127, -1, -128]


def test_requantize_rounds_halves_up() -> None:
    settings = {"axis": 3, "bits": 8, "method": "Rescale", "output_scale": [1], "output_right_shift": [1]}
    assert run("HzRequantize", pixels(3, -3, -128), settings).reshape(-1).tolist() == [2, -1, -64]


ADD = {"x_shift": [0], "e_scale": [1], "accu_right_shift": [0], "output_scale": [1], "output_right_shift": [1]}


@pytest.mark.parametrize(("method", "expected"), [("ROUND", [2, -1]), ("FLOOR", [1, -2]), (None, [1, -2])])
def test_add_rounds_as_it_says(method: str | None, expected: list[int]) -> None:
    settings = {**ADD, **({"rounding_method": method} if method else {})}
    found = run("HzSElementwiseAdd", pixels(2, -2), settings, more_inputs={"e": pixels(1, -1)})
    assert found.reshape(-1).tolist() == expected


def test_sub_and_mul_broadcast() -> None:
    x = np.array([[1, 2], [3, 4]], np.int8).reshape(1, 2, 1, 2)
    e = np.array([10, 20], np.int8).reshape(1, 1, 1, 2)
    plain = {"accu_right_shift": [0], "output_scale": [1], "output_right_shift": [0]}
    subtract = {"x_shift": [1], "e_scale": [1], **plain}
    assert run("HzSElementwiseSub", x, subtract, more_inputs={"e": e}).reshape(-1).tolist() == [-8, -16, -4, -12]
    assert run("HzSElementwiseMul", x, plain, more_inputs={"e": e}).reshape(-1).tolist() == [10, 40, 30, 80]


def test_the_rounding_bias_of_bernoulli2_joins_before_rounding_down() -> None:
    settings = {"accu_right_shift": [0], "output_scale": [1], "output_right_shift": [1], "add_rounding_bias": 1}
    found = run("HzSElementwiseMul", pixels(3, -3), settings, more_inputs={"e": pixels(1, 1)})
    assert found.reshape(-1).tolist() == [2, -1]  # (3 + 1) >> 1, (-3 + 1) >> 1


def test_global_average_rounds_its_first_shift_too() -> None:
    settings = {"accu_right_shift": [1], "output_scale": [1], "output_right_shift": [0], "rounding_method": "ROUND"}
    found = run("HzSQuantizedGlobalAveragePool", pixels(1, 2), settings, out=("int8", (1, 1, 1, 1)))
    assert found.item() == 2  # round(3 / 2)


def test_reduce_sum_and_max() -> None:
    x = np.array([5, -7, 100], np.int8).reshape(1, 1, 1, 3)
    settings = {"axis": 3, "accu_right_shift": [0], "scale": [1], "out_shift": [1]}
    assert run("HzSQuantizedReduceSum", x, settings, out=("int8", (1, 1, 1, 1))).item() == 49
    assert run("HzQuantizedReduceMax", x, {"axis": 3}, out=("int8", (1, 1, 1, 1))).item() == 100


def test_matmul_saturates_between() -> None:
    x = np.full((1, 1, 1, 4), 127, np.int8)
    settings: dict[str, Any] = {
        "right_shift": [0],
        "scale": [1],
        "out_shift": [8],
        "output_bit": 16,
        "rounding_method": "ROUND",
    }
    e = np.full((1, 1, 4, 1), 127, np.int8)
    found = run("HzSQuantizedMatmul", x, settings, more_inputs={"e": e}, out=("int16", (1, 1, 1, 1)))
    assert found.item() == 128  # 64516 becomes 32767; (32767 + 128) >> 8


def test_max_pool_padding_never_wins_and_ceil_looks_beyond_the_end() -> None:
    x = pixels(-128, -5, -3, -9)
    same = {"kernel_shape": [1, 3], "pads": [0, 1, 0, 1], "strides": [1, 1]}
    assert run("HzQuantizedMaxPool", x, same).reshape(-1).tolist() == [-5, -3, -3, -3]
    ceil = {"kernel_shape": [1, 3], "strides": [1, 2], "ceil_mode": 1}
    assert run("HzQuantizedMaxPool", x, ceil, out=("int8", (1, 1, 2, 1))).reshape(-1).tolist() == [-3, -3]


def test_average_pool_multiplies_by_a_truncated_reciprocal() -> None:
    x = pixels(127, 127, 127)
    settings = {"kernel_shape": [1, 3], "strides": [1, 1], "scale": 9}
    assert run("HzQuantizedAveragePool", x, settings, out=("int8", (1, 1, 1, 1))).item() == 126  # 381*170 >> 9


def test_upsample_repeats() -> None:
    found = run(
        "HzQuantizedResizeUpsample", pixels(1, 2), {"mode": "nearest", "scale": [2, 3]}, out=("int8", (1, 2, 6, 1))
    )
    assert found.reshape(2, 6).tolist() == [[1, 1, 1, 2, 2, 2]] * 2


def test_roi_resize_blends_in_steps_of_256() -> None:
    settings = {"sizes": [1, 4], "step_decimal_bit": 16, "align_mode": "center", "pad_mode": "boundary"}
    found = run("HzQuantizedRoiResize", pixels(0, 100), settings, out=("int8", (1, 1, 4, 1)))
    assert found.reshape(-1).tolist() == [0, 25, 75, 100]


def test_sprelu_has_a_slope_below_zero() -> None:
    settings = {
        "positive_scale": [1], "positive_right_shift": [0], "accu_right_shift": [1],
        "negative_scale": [1], "negative_right_shift": [1],
    }  # fmt: skip
    slope = np.full((1, 1, 1, 1), 3, np.int16)
    found = run("HzSPRelu", pixels(7, -7), settings, extra={"slope": slope})
    assert found.reshape(-1).tolist() == [7, -5]  # -21 >> 1 = -11, round(-11 / 2) = -5


def test_leaky_relu_of_bernoulli2() -> None:
    found = run("HzLeakyRelu", pixels(7, -8), {"alpha_scale": 13, "alpha_shift": 7})
    assert found.reshape(-1).tolist() == [7, -1]  # round(-104 / 128)


LINES = {
    "bound": [0, 0, 0, 0, 0, 0, 0, 32767],
    "scale": [1] + [0] * 6 + [4],
    "bias": [0] * 8,
    "left_shift": [0] * 8,
    "right_shift": [1] + [0] * 7,
    "table_param": [0] * 384,
}


@pytest.mark.parametrize(
    ("symmetry", "expected"), [("NONE", [-50, 400, 32767]), ("ORIGIN_SYMMETRIC", [-400, 400, 32767])]
)
def test_lut2layer_lines(symmetry: str, expected: list[int]) -> None:
    found = run("HzLut2Layer", pixels(-100, 100, 20000, dtype="int16"), {**LINES, "symmetry_mode": symmetry})
    assert found.reshape(-1).tolist() == expected


def test_lut2layer_interpolates_between_entries() -> None:
    table = [0, 10, 30, *([30] * 61)] * 6
    settings = {**LINES, "bound": [-1] + [32766] * 6 + [32767], "scale": [0, 64] + [0] * 6, "table_param": table}
    found = run("HzLut2Layer", pixels(0, 2, 4, 6, 30000, dtype="int16"), settings)
    assert found.reshape(-1).tolist() == [0, 5, 10, 20, 30]  # positions 0, 0.5, 1, 1.5 and far behind the end


def test_moves() -> None:
    x = np.arange(16, dtype=np.int8).reshape(1, 2, 2, 4)
    assert run("HzDepthToSpace", x, {"blocksize": 2}, out=("int8", (1, 4, 4, 1)))[0, :2, :2, 0].tolist() == [
        [0, 1],
        [2, 3],
    ]
    both = {"block_height": 2, "block_width": 2}
    assert run("HzSpaceToDepth", x, both, out=("int8", (1, 1, 1, 16))).reshape(-1).tolist() == list(range(16))
    assert run("HzChannelShuffle", x, {"group": 2})[0, 0, 0].tolist() == [0, 2, 1, 3]
    wide = pixels(-3, 5, dtype="int16")
    assert run("HzQuantizedBitShift", wide, {"direction": "RIGHT", "shift": [1], "output_bit": 16}).reshape(
        -1
    ).tolist() == [-2, 2]


def test_slice_backwards_and_beyond() -> None:
    x = np.arange(5, dtype=np.int8).reshape(1, 1, 1, 5)
    constants = {k: np.array([v], np.int64) for k, v in (("b", 10), ("e", -(2**62)), ("a", 3), ("s", -2))}
    assert run("Slice", x, {}, extra=constants, out=("int8", (1, 1, 1, 3))).reshape(-1).tolist() == [4, 2, 0]
