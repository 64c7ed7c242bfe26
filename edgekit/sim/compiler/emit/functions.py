"""The scalar functions that become tables, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.compiler.float_graph import Node

Function = Callable[[np.ndarray], np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))  # no overflow at either end


def swish(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * sigmoid(x))


def hard_sigmoid(x: np.ndarray, alpha: float = 0.2, beta: float = 0.5) -> np.ndarray:
    return np.clip(alpha * x + beta, 0.0, 1.0)


def leaky_relu(x: np.ndarray, alpha: float = 0.01) -> np.ndarray:
    return np.where(x >= 0, x, alpha * x)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


FUNCTIONS: dict[str, Callable[[np.ndarray, Mapping[str, Any]], np.ndarray]] = {
    "swish": lambda x, attrs: swish(x),
    "sigmoid": lambda x, attrs: sigmoid(x),
    "tanh": lambda x, attrs: np.tanh(x),
    "relu": lambda x, attrs: np.maximum(x, 0.0),
    "leaky_relu": lambda x, attrs: leaky_relu(x, attrs.get("alpha", 0.01)),
    "hard_swish": lambda x, attrs: x * hard_sigmoid(x, 1 / 6, 0.5),
    "hard_sigmoid": lambda x, attrs: hard_sigmoid(x, attrs.get("alpha", 0.2), attrs.get("beta", 0.5)),
    "elu": lambda x, attrs: elu(x, attrs.get("alpha", 1.0)),
    "clip": lambda x, attrs: np.clip(x, attrs["low"], attrs["high"]),
    "softplus": lambda x, attrs: np.logaddexp(0.0, x),
}


def table_function(node: Node) -> Function:
    """The float function of a Table node, on float64 arrays."""
    name = str(node.attrs["function"])
    if name not in FUNCTIONS:
        raise ModelError(
            f"node {node.name!r} is the function {name!r}, expected one of {', '.join(FUNCTIONS)}",
            hint="compile with --toolchain hb_mapper",
        )
    return lambda x: FUNCTIONS[name](np.asarray(x, np.float64), node.attrs)
