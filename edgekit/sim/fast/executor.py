"""The execution of a plan: the same integers as the reference, many elements at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from edgekit.sim.executor import check_inputs, requested_tensors
from edgekit.sim.fast.arena import ALIGN
from edgekit.sim.fast.kernel_call import ArenaFrame, KernelCall
from edgekit.sim.fast.kernel_set import KernelSet
from edgekit.sim.fast.plan import ExecutionPlan, make_plan
from edgekit.sim.fast.tensor_view import flip
from edgekit.sim.graph import Graph

MAX_PLANS = 4  # plans kept: one per set of intermediate tensors asked for


class FastExecutor:
    """Runs a graph by compiled kernels, and by the reference where there is none for a node.

    Plans are made once. Every frame under way has buffers of its own, which later frames use again; so several
    threads may run frames at the same time.
    """

    def __init__(self, graph: Graph, library: Any, *, threads: int = 2) -> None:
        self.graph = graph
        self._kernels = KernelSet(library, threads)
        self._lock = threading.Lock()
        self._plans: dict[frozenset[str], ExecutionPlan] = {}
        self._idle: list[np.ndarray] = []
        self.plan()

    def plan(self, keep: Collection[str] = ()) -> ExecutionPlan:
        """The plan that also gives the tensors `keep`."""
        key = frozenset(keep)
        with self._lock:
            if key not in self._plans:
                if len(self._plans) >= MAX_PLANS:
                    del self._plans[next(k for k in self._plans if k)]
                self._plans[key] = make_plan(self.graph, key, self._kernels)
            return self._plans[key]

    def run(self, inputs: Mapping[str, np.ndarray], keep: Collection[str] = ()) -> dict[str, np.ndarray]:
        """As ReferenceExecutor.run: all outputs by public name and the tensors `keep`, owned by the caller."""
        requested = requested_tensors(self.graph, keep)
        plan = self.plan(keep)
        frame = self._begin_frame(plan, inputs)
        for call in plan.calls:
            call.run(frame)
        results = {
            name: _owned_result(frame.read(plan.views[tensor]), inputs.get(tensor))
            for name, tensor in requested.items()
        }
        self._return_arena(frame)
        return results

    def timed(self, inputs: Mapping[str, np.ndarray]) -> list[tuple[str, float]]:
        """Run a frame; gives each step's node name and its seconds."""
        plan = self.plan()
        frame = self._begin_frame(plan, inputs)
        times = []
        for call in plan.calls:
            started = time.perf_counter()
            call.run(frame)
            times.append((call.name, time.perf_counter() - started))
        self._return_arena(frame)
        return times

    def reference_nodes(self) -> tuple[str, ...]:
        """Names of the nodes that have no fast form."""
        return tuple(call.name for call in self.plan().calls if not isinstance(call, KernelCall))

    def _begin_frame(self, plan: ExecutionPlan, inputs: Mapping[str, np.ndarray]) -> ArenaFrame:
        check_inputs(self.graph, inputs)
        frame = ArenaFrame(self._take_arena(plan.arena_bytes), plan.offsets, plan.owned)
        for name, value in inputs.items():
            frame.arrays[name] = np.asarray(flip(value), order="C")
        return frame

    def _return_arena(self, frame: ArenaFrame) -> None:
        with self._lock:
            self._idle.append(frame.arena)

    def _take_arena(self, size: int) -> np.ndarray:
        with self._lock:
            for index, arena in enumerate(self._idle):
                if arena.size >= size:
                    return self._idle.pop(index)
            self._idle.clear()  # too small for this plan
        raw = np.empty(size + ALIGN, np.uint8)
        start = -raw.ctypes.data % ALIGN
        aligned: np.ndarray = raw[start : start + size]
        return aligned


def _owned_result(stored: np.ndarray, caller_input: np.ndarray | None) -> np.ndarray:
    """A result in its true dtype, sharing no memory with the arena or the caller's input."""
    if caller_input is not None:
        return caller_input.copy()
    result: np.ndarray = flip(stored) if stored.dtype == np.uint8 else np.asarray(stored, order="C")
    return result
