"""What every operator of a graph offers once its node was read and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.tensor import TensorType

Arrays = tuple[np.ndarray, ...]


class Operator(Protocol):
    """A node's checked parameters; `run` takes its operands and gives its outputs, both in order.

    `run` never writes to its operands and gives the dtypes and shapes that `outputs` promises.
    """

    @property
    def outputs(self) -> tuple[TensorType, ...]:
        """Types of the results, in order."""

    @property
    def run(self) -> Callable[..., Arrays]:
        """The function from operands to results."""


def run_checked(name: str, operator: Operator, *operands: np.ndarray) -> Arrays:
    """Run `operator` and check that every result has the shape and dtype its `outputs` promise.

    Raises:
        ModelError: where one has not: what reads it would read beyond it.
    """
    results = operator.run(*operands)
    for result, promised in zip(results, operator.outputs, strict=True):
        if result.shape != promised.shape or result.dtype != promised.dtype:
            raise ModelError(
                f"node {name!r} gave {result.dtype}{list(result.shape)}, expected {promised}",
                hint="compile the model again; report the graph if it is the toolchain's own",
            )
    return results
