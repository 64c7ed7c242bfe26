"""A node under inspection: hands out its attributes, constants and operands, each checked, and refuses the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.bpu import MAX_SHIFT
from edgekit.errors import ModelError
from edgekit.sim.budget import Budget
from edgekit.sim.tensor import TensorType
from edgekit.text import shorten

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
HINT = "compile the model again; a graph of a newer toolchain may need a newer edgekit"
REQUIRED: Any = object()


class NodeReader:
    """Reads one node; every complaint is a ModelError that names it.

    `operands` collects the tensors that the operator needs at run time, in the order they were asked for.
    """

    def __init__(
        self,
        *,
        op_type: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: Mapping[str, Any],
        types: Mapping[str, TensorType],
        constants: Mapping[str, np.ndarray],
        budget: Budget,
    ) -> None:
        self.op_type = op_type
        self.name = name
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.operands: list[str] = []
        self.budget = budget
        self._attributes = attributes
        self._types = types
        self._constants = constants
        self._read: set[str] = set()

    def error(self, what: str, expected: str) -> ModelError:
        """Return the error that the node `what`, though `expected` was expected."""
        return ModelError(f"node {shorten(self.name, 200)} ({self.op_type}): {what}, expected {expected}", hint=HINT)

    def require(self, condition: bool, what: str, expected: str) -> None:
        """Refuse the node unless `condition` holds."""
        if not condition:
            raise self.error(what, expected)

    # Tensors

    def has_input(self, index: int) -> bool:
        """Return whether an input is connected."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def expect_inputs(self, low: int, high: int | None = None) -> None:
        """Refuse the node unless it has `low` to `high` inputs (exactly `low` without `high`)."""
        last = low if high is None else high
        count = len(self.inputs)
        self.require(low <= count <= last, f"{count} inputs", f"{low}" if low == last else f"{low} to {last}")

    def operand(self, index: int, dtypes: Sequence[str] = ("int8", "int16"), rank: int | None = None) -> TensorType:
        """The type of an input that is needed at run time."""
        self.require(self.has_input(index), f"input {index} is missing", "a tensor")
        tensor = self._types[self.inputs[index]]
        if self.op_type.startswith("Hz"):
            self.require(len(tensor.shape) > 0, f"input {index} is a scalar", "a tensor with channels")
        self.require(
            tensor.dtype.name in dtypes,
            f"input {index} {self.inputs[index]!r} is {tensor.dtype.name}",
            " or ".join(dtypes),
        )
        if rank is not None:
            self.require(len(tensor.shape) == rank, f"input {index} has shape {list(tensor.shape)}", f"{rank} axes")
        self.operands.append(self.inputs[index])
        return tensor

    def constant(self, index: int, dtypes: Sequence[str], shape: Sequence[int] | None = None) -> np.ndarray:
        """An input that must be an initializer, of one of `dtypes` and exactly this `shape` (-1: any size)."""
        self.require(self.has_input(index), f"input {index} is missing", "an initializer")
        name = self.inputs[index]
        self.require(name in self._constants, f"input {index} {name!r} is computed", "an initializer")
        value = self._constants[name]
        self.require(value.dtype.name in dtypes, f"initializer {name!r} is {value.dtype.name}", " or ".join(dtypes))
        if shape is not None:
            fits = value.ndim == len(shape) and all(s in (-1, d) for s, d in zip(shape, value.shape, strict=True))
            self.require(fits, f"initializer {name!r} has shape {list(value.shape)}", f"{list(shape)}")
        return value

    def known_value(self, index: int, otherwise: np.ndarray) -> np.ndarray:
        """The value of an input that is an initializer, else `otherwise`."""
        value: np.ndarray = self._constants.get(self.inputs[index], otherwise)
        return value

    def is_constant(self, name: str) -> bool:
        """Return whether the tensor `name` is an initializer."""
        return name in self._constants

    # Attributes

    def has(self, name: str) -> bool:
        """Return whether the node has an attribute."""
        return name in self._attributes

    def integer(self, name: str, low: int, high: int, default: Any = REQUIRED) -> int:
        """Return an integer attribute of `low`..`high`."""
        value = self._value(name, default)
        whole = isinstance(value, (int, np.integer)) and low <= int(value) <= high
        self.require(whole, f"attribute {name} is {value!r}", f"an integer {low}..{high}")
        return int(value)

    def flag(self, name: str, default: Any = REQUIRED) -> bool:
        """Return an attribute of 0 or 1 as bool."""
        return bool(self.integer(name, 0, 1, default))

    def bits(self, name: str, allowed: Sequence[int] = (8, 16), default: Any = REQUIRED) -> int:
        """Return an attribute that is one of the `allowed` bit widths."""
        value = self._value(name, default)
        self.require(value in allowed, f"attribute {name} is {value!r}", " or ".join(str(a) for a in allowed))
        return int(value)

    def choice(self, name: str, allowed: Sequence[str], default: Any = REQUIRED) -> str:
        """Return an attribute that is one of the `allowed` texts."""
        value = self._value(name, default)
        self.require(value in allowed, f"attribute {name} is {value!r}", "one of " + ", ".join(allowed))
        return str(value)

    def integers(self, name: str, *, count: int | None, low: int, high: int, default: Any = REQUIRED) -> np.ndarray:
        """A list of integers as int64 of exactly `count` entries (None: any number)."""
        return self._integers(name, self._value(name, default), count, low, high)

    def per_channel(
        self, name: str, channels: int, low: int = INT32_MIN, high: int = INT32_MAX, default: Any = REQUIRED
    ) -> np.ndarray:
        """A number per channel as int64; a plain number or a list of one stands for every channel."""
        value = self._value(name, default)
        entries = [value] if isinstance(value, (int, np.integer)) else value
        count = 1 if isinstance(entries, (list, tuple)) and len(entries) == 1 else channels
        values = self._integers(name, entries, count, low, high)
        every: np.ndarray = np.broadcast_to(values, (channels,))  # no copy: a file says how many channels there are
        return every

    def shifts(self, name: str, channels: int, default: Any = REQUIRED, low: int = 0) -> np.ndarray:
        """A shift per channel, `low`..31."""
        return self.per_channel(name, channels, low, MAX_SHIFT, default)

    def shift(self, name: str, default: Any = REQUIRED) -> int:
        """Return a shift of 0..31, one for all channels."""
        return int(self.shifts(name, 1, default)[0])

    def scale(self, name: str, default: Any = REQUIRED) -> int:
        """Return an integer scale, one for all channels."""
        return int(self.per_channel(name, 1, default=default)[0])

    def ignore(self, *names: str) -> None:
        """Attributes that are known to have no effect on the result."""
        self._read.update(names)

    def all_attributes(self) -> Mapping[str, Any]:
        """Every attribute, unchecked: for operators whose checks somebody else makes."""
        self._read.update(self._attributes)
        return self._attributes

    def nhwc(self) -> None:
        """The layout attribute: where it is given it must be NHWC."""
        self.choice("data_format", ("NHWC",), default="NHWC")

    def finish(self) -> None:
        """Refuse attributes that nobody asked for: leaving one out could change the result silently."""
        unknown = sorted(set(self._attributes) - self._read)
        self.require(not unknown, f"attribute {', '.join(unknown)} is not known", "none of that name")

    def _value(self, name: str, default: Any) -> Any:
        self._read.add(name)
        if name in self._attributes:
            return self._attributes[name]
        self.require(default is not REQUIRED, f"attribute {name} is missing", "it to be there")
        return default

    def _integers(self, name: str, value: Any, count: int | None, low: int, high: int) -> np.ndarray:
        listed = isinstance(value, (list, tuple)) and all(isinstance(v, (int, np.integer)) for v in value)
        self.require(listed, f"attribute {name} is {value!r}", "a list of integers")
        if count is not None:
            self.require(len(value) == count, f"attribute {name} has {len(value)} entries", f"{count}")
        inside = all(low <= v <= high for v in value)
        self.require(
            inside, f"attribute {name} holds {min(value, default=0)}..{max(value, default=0)}", f"values {low}..{high}"
        )
        return np.array(value, np.int64).reshape(-1)
