"""The price of 16 bits: milliseconds of the board's latency model where there is one for the march, else a share."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from edgekit.errors import ConfigError
from edgekit.graph.float_graph import FloatGraph
from edgekit.latency.layer import graph_layers
from edgekit.latency.parameters import load_parameters
from edgekit.latency.price import WidthPrice
from edgekit.sim.graph import load_graph
from edgekit.tuning.cost import extra_cost

__all__ = ["Price", "SharePrice", "extra_ms", "limit_share", "make_price", "most_share"]


class Price(Protocol):
    """What a choice of 16-bit tensors costs."""

    @property
    def band(self) -> float | None:
        """Return the share that the milliseconds may be off; None where there are none."""

    @property
    def margin(self) -> float:
        """Return the share by which 16 bits inside a graph may cost more than this price says, beside `fixed_cost`."""

    @property
    def fixed_cost(self) -> float:
        """Return the share of the frame that the first 16 bits inside a graph may cost, whatever they are."""

    def share(self, int16: Collection[str]) -> float:
        """Return what `int16` adds to the frame in 8 bits, as a share of it."""

    def milliseconds(self, int16: Collection[str]) -> float | None:
        """Return the frame with `int16`, in milliseconds of a static estimate; None where no model says it."""


class SharePrice:
    """Work alone, counted on the float graph: for marches that no latency model is fitted to."""

    def __init__(self, graph: FloatGraph) -> None:
        self._graph = graph

    @property
    def band(self) -> float | None:
        """None: there are no milliseconds."""
        return None

    @property
    def margin(self) -> float:
        """0: work is counted, not estimated."""
        return 0.0

    @property
    def fixed_cost(self) -> float:
        """0, as `margin`."""
        return 0.0

    def share(self, int16: Collection[str]) -> float:
        """Return the work that `int16` adds, as a share of the graph's in 8 bits."""
        return extra_cost(self._graph, int16)

    def milliseconds(self, int16: Collection[str]) -> float | None:
        """Return None: no model says them."""
        return None


def make_price(march: str, quantized: Path, graph: FloatGraph) -> Price:
    """Choose the price for a march.

    Args:
        march: The board's.
        quantized: The quantized graph of the build in 8 bits.
        graph: Its float graph.

    Returns:
        The latency model's price where the march is its own, else the share of the work.
    """
    if march == load_parameters().march:
        return WidthPrice(graph_layers(load_graph(quantized)))
    return SharePrice(graph)


def extra_ms(price: Price, int16: Collection[str]) -> float | None:
    """Return what `int16` adds to the frame in 8 bits, in milliseconds; None where no model says it."""
    base, wider = price.milliseconds(()), price.milliseconds(int16)
    return None if base is None or wider is None else wider - base


def most_share(
    price: Price, outputs: Collection[str], *, max_extra_cost: float, max_extra_ms: float | None, fps: float | None
) -> float:
    """Join the limits on a frame's time to one share, by the estimate.

    Args:
        price: What says the milliseconds.
        outputs: Outputs with 32 bits that can have 16, which makes the frame shorter.
        max_extra_cost: Most share that 16 bits may add.
        max_extra_ms: Most milliseconds that they may add, where asked for.
        fps: Least frames per second by the static estimate, where asked for.

    Returns:
        The smallest of the limits, as a share of the frame in 8 bits; below 0 where `fps` needs a shorter one.

    Raises:
        ConfigError: where milliseconds are asked for that no model says, or `fps` is out of reach in 8 bits already.
    """
    if max_extra_ms is None and fps is None:
        return max_extra_cost
    base = price.milliseconds(())
    if base is None:
        raise ConfigError(
            "--max-extra-ms and --fps need a latency model, which this march has none of",
            hint="give --max-extra-cost, a share of the work, in their place",
        )
    shortest = min(base, price.milliseconds(outputs) or base)
    if fps is not None and 1000 / fps < shortest:
        raise ConfigError(
            f"--fps is {fps:g}, expected at most {math.floor(1000 / shortest)}: the static estimate of the build "
            "in 8 bits" + (", outputs in 16" if shortest < base else ""),
            hint="a smaller input or a smaller model is faster; edgekit report names what would save most",
        )
    return limit_share(base, max_extra_cost=max_extra_cost, max_extra_ms=max_extra_ms, fps=fps)


def limit_share(base_ms: float, *, max_extra_cost: float, max_extra_ms: float | None, fps: float | None) -> float:
    """Join the limits on a frame's time to one share.

    Args:
        base_ms: The frame in 8 bits, in milliseconds.
        max_extra_cost: Most share that 16 bits may add.
        max_extra_ms: Most milliseconds that they may add, where asked for.
        fps: Least frames per second, where asked for.

    Returns:
        The smallest of the limits, as a share of `base_ms`; below 0 where `fps` needs a shorter frame.
    """
    in_ms = math.inf if max_extra_ms is None else max_extra_ms / base_ms
    in_fps = math.inf if fps is None else 1000 / fps / base_ms - 1
    return min(max_extra_cost, in_ms, in_fps)
