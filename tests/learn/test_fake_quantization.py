"""Rounding to an integer grid, and its gradients, by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", minversion="2.1")

from edgekit.learn.fake_quantization import round_to_grid, round_weight, weight_step  # noqa: E402


def test_values_are_rounded_to_the_grid_and_saturated() -> None:
    x = torch.tensor([-300.0, -128.4, -0.6, 0.4, 1.6, 126.7, 500.0])
    y = round_to_grid(x, torch.tensor(127.0), bits=8)
    assert y.tolist() == [-128, -128, -1, 0, 2, 127, 127]
    assert round_to_grid(x, torch.tensor(254.0), bits=8).tolist() == [-256, -128, 0, 0, 2, 126, 254]


def test_sixteen_bits_have_a_grid_256_times_as_fine() -> None:
    x = torch.tensor([0.3, 127.9])
    y = round_to_grid(x, torch.tensor(127.0), bits=16)
    assert torch.allclose(y, torch.tensor([0.3, 127.0]), atol=127 / 32767)


def test_the_gradient_passes_inside_and_stops_where_it_saturates() -> None:
    x = torch.tensor([-500.0, -3.3, 20.2, 500.0], requires_grad=True)
    round_to_grid(x, torch.tensor(127.0), bits=8).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_the_threshold_grows_where_large_values_saturate() -> None:
    """Saturated values move with it: (127 - 128) / 127 each way; those inside by their rounding error over 127."""
    threshold = torch.tensor(127.0, requires_grad=True)
    round_to_grid(torch.tensor([500.0, 2.25]), threshold, bits=8).sum().backward()
    assert threshold.grad.item() == pytest.approx((127 - 0.25) / 127)


def test_weights_are_rounded_per_output_channel() -> None:
    weight = torch.tensor([[127.0, 0.4], [1.27, 0.013]]).reshape(2, 2, 1, 1).requires_grad_()
    step = weight_step(weight)
    assert step.reshape(-1).tolist() == pytest.approx([1.0, 0.01])
    rounded = round_weight(weight, step)
    assert rounded.reshape(-1).tolist() == pytest.approx([127, 0, 1.27, 0.01])
    rounded.sum().backward()
    assert weight.grad.reshape(-1).tolist() == [1, 1, 1, 1]


def test_a_transposed_convolution_has_its_channels_on_the_second_axis_of_each_group() -> None:
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]).reshape(4, 2, 1, 1)  # 2 groups of 2 inputs
    step = weight_step(weight, transposed_groups=2).reshape(4, 2) * 127
    assert step.tolist() == [[3, 4], [3, 4], [7, 8], [7, 8]]
