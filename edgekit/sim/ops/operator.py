"""What every operator of a graph offers once its node was read and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from edgekit.sim.tensor import TensorType

Arrays = tuple[np.ndarray, ...]


class Operator(Protocol):
    """A node's checked parameters; `run` takes its operands and gives its outputs, both in order.

    `run` never writes to its operands and gives the dtypes and shapes that `outputs` promises.
    """

    @property
    def outputs(self) -> tuple[TensorType, ...]: ...

    @property
    def run(self) -> Callable[..., Arrays]: ...
