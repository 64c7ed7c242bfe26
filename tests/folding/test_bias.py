"""Constants added to biases, and the shift that rounded weights bring."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.folding.bias import add_to_biases, weight_rounding_shift
from tests.folding.graphs import assert_names_kept, built, image, run
from tests.sim.compiler.graphs import FloatModel

INNER = ("plain_out0", "first_out0", "second_out0", "up_out0")


def net(m: FloatModel) -> None:
    weight = m.constant(m.rng.normal(0, 0.5, (4, 3, 1, 1)).astype(np.float32))
    shared = m.constant(np.array([1, 2, 3, 4], np.float32), "shared_bias")
    m.head(m.node("Conv", ["images", weight], "plain", kernel_shape=[1, 1]))
    m.head(m.swish(m.node("Conv", ["images", weight, shared], "first", kernel_shape=[1, 1])))
    m.head(m.node("Conv", ["images", weight, shared], "second", kernel_shape=[1, 1]))
    up = m.constant(m.rng.normal(0, 0.5, (3, 2, 2, 2)).astype(np.float32))
    m.head(m.node("ConvTranspose", ["images", up], "up", kernel_shape=[2, 2], strides=[2, 2]))


def test_a_shift_arrives_exactly_and_nowhere_else(tmp_path: Path) -> None:
    model = built(tmp_path, net)
    before, bytes_before = run(model, image(), INNER), model.SerializeToString()
    shifts = {"plain_out0": np.arange(4.0), "first_out0": np.full(4, -0.5), "up_out0": np.array([0.25, -3])}
    after = add_to_biases(model, shifts)
    found = run(after, image(), INNER)
    for name in INNER:
        shift = shifts.get(name, np.zeros(1)).reshape(1, -1, 1, 1)
        assert np.abs(found[name] - before[name] - shift).max() < 1e-5
    assert_names_kept(model, after)
    assert model.SerializeToString() == bytes_before
    assert add_to_biases(model, {}) == model


@pytest.mark.parametrize(
    ("shifts", "said"),
    [
        ({"nowhere": np.zeros(4)}, "made by nothing"),
        ({"sigmoid_3_out0": np.zeros(4)}, "made by Sigmoid"),
        ({"plain_out0": np.zeros(3)}, r"shape \(3,\), expected \(4,\)"),
        ({"plain_out0": np.full(4, np.inf)}, "finite"),
    ],
)
def test_bad_shifts_are_named(tmp_path: Path, shifts: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        add_to_biases(built(tmp_path, net), shifts)
    assert caught.value.hint


def rounded(weight: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    step = np.abs(weight).max(axis=axes, keepdims=True) / 127
    return (np.rint(weight / step) * step).astype(np.float32)


def test_a_shift_by_hand() -> None:
    weight = np.array([127.0, 0.4, -0.75]).reshape(1, 3, 1, 1)  # step 1: 0.4 goes to 0, -0.75 to -1
    assert weight_rounding_shift(weight, np.array([5.0, 10.0, 2.0])) == pytest.approx([-0.4 * 10 - 0.25 * 2])
    assert weight_rounding_shift(np.zeros((2, 1, 1, 1)), np.ones(1)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("op", "group", "k"), [("Conv", 1, 1), ("Conv", 2, 1), ("Conv", 1, 3), ("ConvTranspose", 2, 2)]
)
def test_it_is_the_measured_mean_shift(tmp_path: Path, op: str, group: int, k: int) -> None:
    rng = np.random.default_rng(3)
    transposed = op == "ConvTranspose"
    shape = (4, 6 // group, k, k) if transposed else (6, 4 // group, k, k)
    weight = rng.normal(0, 0.5, shape).astype(np.float32)
    grouped = weight.reshape(group, 4 // group, *shape[1:]) if transposed else weight
    other = rounded(grouped, (1, 3, 4) if transposed else (1, 2, 3)).reshape(shape)
    strides = (2, 2) if transposed else (1, 1)

    def convolved(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def build(m: FloatModel) -> None:
            x = m.node("Relu", [m.conv("images", 3, 4, name="x")], "r")
            m.head(m.node(op, [x, m.constant(values)], "y", kernel_shape=[k, k], group=group, strides=strides))

        found = run(built(tmp_path, build), image(), ["r_out0", "y_out0"])
        return found["r_out0"].mean(axis=(0, 2, 3)), found["y_out0"].mean(axis=(0, 2, 3))

    (mean, before), (_, after) = convolved(weight), convolved(other)
    shift = weight_rounding_shift(weight, mean, group=group, transposed=transposed, strides=strides)
    truth = after - before
    exact = k == 1 or transposed  # a 3 x 3 kernel does not see the border's cells as often as the others
    assert np.abs(shift - truth).max() < (1e-5 if exact else 0.25 * np.abs(truth).max())


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ConfigError, match=r"input_mean \(3,\).*expected \(4,\)"):
        weight_rounding_shift(np.ones((2, 2, 1, 1)), np.ones(3), group=2)
