"""What is learned: a bound per convolution in front of a flat activation, and weights and biases of convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgekit.graph.float_graph import FloatNode
from edgekit.learn.fake_quantization import round_weight, weight_step
from edgekit.learn.network import Network

Arrays = dict[str, npt.NDArray[np.float32]]
WEIGHT, BIAS, BOUND = "weight", "bias", "bound"  # kinds of parameters
LEARNING_RATES = {WEIGHT: 0.00025, BIAS: 0.0007, BOUND: 0.006}  # int8 steps; units of the tensor; natural logarithm


@dataclass(frozen=True, slots=True)
class _Convolution:
    """A convolution whose weights are learned: its node, and the int8 step of its weights at the start."""

    node: FloatNode
    unit: Any


class TrainedParameters:
    """The learned tensors and what the network reads of them.

    Weights are kept in units of their channel's int8 step, so that one learning rate fits all; bounds as logarithms.

    Args:
        network: The interpreter, whose constants are the start.
        learned: Names of the convolution nodes whose weight and bias may change.
        bounds: Convolution output -> bound to start from.
        device: torch's name of the device.
    """

    def __init__(self, network: Network, learned: frozenset[str], bounds: Mapping[str, float], device: Any) -> None:
        self._fixed = network.constant_weights(device)
        self._convolutions = {
            node.name: _Convolution(node, weight_step(self._fixed[node.name][0], transposed_groups=_groups(node)))
            for node in network.graph.nodes
            if node.name in self._fixed
        }
        self.tensors: dict[str, Any] = {}
        for name in sorted(learned & self._fixed.keys()):
            weight, bias = self._fixed[name]
            self.tensors[f"{WEIGHT} {name}"] = weight / self._convolutions[name].unit
            channels = self._channels(name, weight)
            self.tensors[f"{BIAS} {name}"] = torch.zeros(channels, device=device) if bias is None else bias.clone()
        for name, bound in sorted(bounds.items()):
            self.tensors[f"{BOUND} {name}"] = torch.tensor(bound, device=device).log()
        for tensor in self.tensors.values():
            tensor.requires_grad_(True)

    def groups(self) -> list[dict[str, Any]]:
        """Return the optimizer's groups, each with the learning rate of its kind."""
        return [
            {"params": [t for name, t in self.tensors.items() if name.startswith(f"{kind} ")], "lr": rate}
            for kind, rate in LEARNING_RATES.items()
        ]

    def rounded_weights(self) -> dict[str, tuple[Any, Any]]:
        """Return every convolution's int8-rounded weight, and its bias."""
        result = {}
        for name in self._fixed:
            weight, bias = self._weight_and_bias(name)
            step = weight_step(weight, transposed_groups=_groups(self._convolutions[name].node))
            result[name] = (round_weight(weight, step), bias)
        return result

    def bounds(self) -> dict[str, Any]:
        """Return convolution output -> its bound as a scalar tensor."""
        return {name.split(" ", 1)[1]: t.exp() for name, t in self.tensors.items() if name.startswith(f"{BOUND} ")}

    def arrays(self) -> Arrays:
        """Return a copy of the learned tensors, in the parameters' own units."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.tensors.items()}

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the learned tensors from a copy."""
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(torch.as_tensor(arrays[name]))

    def learned_weights(self) -> dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Return convolution node -> (weight, bias) in the model's own units, not rounded."""
        names = [name.split(" ", 1)[1] for name in self.tensors if name.startswith(f"{WEIGHT} ")]
        with torch.no_grad():
            pairs = {name: self._weight_and_bias(name) for name in names}
            return {name: (weight.cpu().numpy(), bias.cpu().numpy()) for name, (weight, bias) in pairs.items()}

    def _weight_and_bias(self, name: str) -> tuple[Any, Any]:
        if f"{WEIGHT} {name}" not in self.tensors:
            return self._fixed[name]
        return self.tensors[f"{WEIGHT} {name}"] * self._convolutions[name].unit, self.tensors[f"{BIAS} {name}"]

    def _channels(self, name: str, weight: Any) -> int:
        groups = _groups(self._convolutions[name].node)
        return int(weight.shape[1] * groups if groups else weight.shape[0])


def _groups(node: FloatNode) -> int:
    """The groups of a transposed convolution; 0 for an ordinary one."""
    return int(node.attrs.get("group", 1)) if node.op == "ConvTranspose" else 0
