"""No kernel is entered with a parameter block that reaches beyond the buffers and arrays of its call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.errors import DeviceError
from edgekit.sim.fast.bounds import CHECKS, check_bounds
from edgekit.sim.fast.build import KERNELS, kernels
from edgekit.sim.fast.executor import FastExecutor
from edgekit.sim.fast.kernel_call import KernelCall
from edgekit.sim.fast.plan import ExecutionPlan
from edgekit.sim.graph import load_graph
from tests.sim.fast.test_fast import block
from tests.sim.random_ops import random_graph

pytestmark = pytest.mark.needs_kernels

WORK = {  # kernel -> the random nodes that use it; "": the fused graph
    "edgekit_conv": "conv",
    "edgekit_depthwise": "depthwise",
    "edgekit_lut": "requantize",
    "edgekit_lut2": "",
    "edgekit_eltwise": "add",
    "edgekit_copy": "",
    "edgekit_max_pool": "",
}
MAP_SIZES = ("batch", "height", "width", "channels")
GROWN = {  # fields that make a kernel reach further
    "edgekit_conv": ("batch", "in_h", "in_w", "in_bytes", "out_h", "out_w", "kernel_h", "kernel_w"),
    "edgekit_depthwise": ("batch", "in_h", "in_w", "in_bytes", "out_h", "out_w", "out_c", "kernel_h", "kernel_w"),
    "edgekit_lut": MAP_SIZES,
    "edgekit_lut2": MAP_SIZES,
    "edgekit_eltwise": MAP_SIZES,
    "edgekit_copy": MAP_SIZES,
    "edgekit_max_pool": (*MAP_SIZES, "in_h", "in_w"),
}


def plan_of(kernel: str) -> tuple[KernelCall, dict[str, int]]:
    """A call that calls `kernel`, and the bytes of every buffer of its plan."""
    graph = load_graph(random_graph(WORK[kernel], 3, count=8)) if WORK[kernel] else block()
    plan = FastExecutor(graph, kernels().library).plan()
    return calls_by(plan, kernel)[0], buffer_sizes(plan)


def calls_by(plan: ExecutionPlan, kernel: str) -> list[KernelCall]:
    return [call for call in plan.calls if isinstance(call, KernelCall) and name_of(call) == kernel]


def name_of(call: KernelCall) -> str:
    return str(getattr(call.kernel, "__name__", ""))


def buffer_sizes(plan: ExecutionPlan) -> dict[str, int]:
    roots = {view.root: plan.views[view.root] for view in plan.views.values()}
    return {root: int(np.prod(view.shape)) * view.dtype.itemsize for root, view in roots.items()}


def changed(call: KernelCall, changes: Mapping[str, Any]) -> KernelCall:
    copy = type(call.params).from_buffer_copy(call.params)
    for name, value in changes.items():
        setattr(copy, name, value)
    return replace(call, params=copy)


def test_every_kernel_has_its_check() -> None:
    assert set(CHECKS) == set(KERNELS)


@pytest.mark.parametrize("kernel", sorted(WORK))
def test_a_right_step_passes(kernel: str) -> None:
    call, sizes = plan_of(kernel)
    check_bounds([call], sizes)


@pytest.mark.parametrize(("kernel", "field"), [(kernel, field) for kernel in sorted(GROWN) for field in GROWN[kernel]])
@pytest.mark.parametrize("wrong", [0, -1, 10_000, 2**31 - 1])
def test_a_size_that_does_not_fit_is_refused(kernel: str, field: str, wrong: int) -> None:
    call, sizes = plan_of(kernel)
    with pytest.raises(DeviceError, match="does not fit its buffers"):
        check_bounds([changed(call, {field: wrong})], sizes)


@pytest.mark.parametrize("kernel", sorted(WORK))
def test_smaller_buffers_are_refused(kernel: str) -> None:
    call, sizes = plan_of(kernel)
    for view in (call.target, *call.reads()):
        end = max(ends_in(call, view.root))
        check_bounds([call], {**sizes, view.root: end})
        with pytest.raises(DeviceError, match=r"ends at byte \d+ of \d+"):
            check_bounds([call], {**sizes, view.root: end - 1})


def ends_in(call: KernelCall, root: str) -> list[int]:
    """Where the call's places in the buffer `root` end, in bytes."""
    ends = []
    for view in (call.target, *call.reads()):
        if view.root == root:
            counts, steps = view.shape[:3], (view.image, view.row, view.pixel)
            last = sum((count - 1) * stride for count, stride in zip(counts, steps, strict=True))
            ends.append(view.offset + last + view.shape[3] * view.dtype.itemsize)
    return ends


@pytest.mark.parametrize("kernel", sorted(WORK))
def test_strides_that_step_out_are_refused(kernel: str) -> None:
    call, sizes = plan_of(kernel)
    for wrong in (-1, 1 << 40):
        bent = changed(call, {})
        bent.params.input.row = wrong  # type: ignore[attr-defined]
        with pytest.raises(DeviceError, match="input of"):
            check_bounds([bent], sizes)


@pytest.mark.parametrize("kernel", sorted(set(WORK) - {"edgekit_copy", "edgekit_max_pool"}))
def test_arrays_that_are_too_short_are_refused(kernel: str) -> None:
    call, sizes = plan_of(kernel)
    for index, array in enumerate(call.keep):
        short = array.reshape(-1)[:-1].copy()
        field = next(f[0] for f in type(call.params)._fields_ if getattr(call.params, f[0]) == array.ctypes.data)
        keep = (*call.keep[:index], short, *call.keep[index + 1 :])
        with pytest.raises(DeviceError, match=f"{field} has"):
            check_bounds([replace(changed(call, {field: short.ctypes.data}), keep=keep)], sizes)
        with pytest.raises(DeviceError, match=f"{field} has 0 of"):  # an array that nobody keeps
            check_bounds([replace(call, keep=(*call.keep[:index], *call.keep[index + 1 :]))], sizes)


@pytest.mark.parametrize(
    "changes",
    [{"bits": 7}, {"bits": 32}, {"out_kind": 9}, {"table_kind": 3}, {"rhs_kind": 2}, {"stride_h": 0}, {"pad_top": -1}],
)
def test_ends_of_a_convolution_that_do_not_fit_each_other_are_refused(changes: dict[str, int]) -> None:
    call, sizes = plan_of("edgekit_conv")
    assert call.params.bits == 8
    with pytest.raises(DeviceError, match="does not fit its buffers"):
        check_bounds([changed(call, changes)], sizes)


def test_shifts_beyond_31_are_refused() -> None:
    call, sizes = plan_of("edgekit_conv")
    array = next(a for a in call.keep if a.ctypes.data == call.params.right_shift)
    array[0] = 32
    with pytest.raises(DeviceError, match=r"right_shift holds 0\.\.32"):
        check_bounds([call], sizes)
