"""HzDepthToSpace, HzSpaceToDepth, HzChannelShuffle: channels traded for pixels, or mixed across groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType

MAX_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Regroup:
    """Split the axes of x as `split` says, reorder them by `perm`, join them again."""

    split: tuple[int, ...]
    perm: tuple[int, ...]
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x with its axes regrouped."""
        return (np.ascontiguousarray(x.reshape(self.split).transpose(self.perm)).reshape(self.outputs[0].shape),)


def read_depth_to_space(node: NodeReader) -> Regroup:
    """Read HzDepthToSpace; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    block = node.integer("blocksize", 1, MAX_BLOCK)
    depth_first = node.choice("mode", ("DCR", "CRD"), "DCR") == "DCR"
    node.nhwc()
    n, height, width, channels = x.shape
    per_block = channels // (block * block)
    node.require(per_block * block * block == channels, f"{channels} channels", f"a multiple of {block * block}")
    out = TensorType((n, height * block, width * block, per_block), x.dtype)
    if depth_first:
        return Regroup((n, height, width, block, block, per_block), (0, 1, 3, 2, 4, 5), (out,))
    return Regroup((n, height, width, per_block, block, block), (0, 1, 4, 2, 5, 3), (out,))


def read_space_to_depth(node: NodeReader) -> Regroup:
    """Read HzSpaceToDepth; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    rows = node.integer("block_height", 1, MAX_BLOCK)
    cols = node.integer("block_width", 1, MAX_BLOCK)
    node.nhwc()
    n, height, width, channels = x.shape
    node.require(height % rows == 0 and width % cols == 0, f"a {height}x{width} input", f"whole {rows}x{cols} blocks")
    out = TensorType((n, height // rows, width // cols, rows * cols * channels), x.dtype)
    return Regroup((n, height // rows, rows, width // cols, cols, channels), (0, 1, 3, 2, 4, 5), (out,))


def read_channel_shuffle(node: NodeReader) -> Regroup:
    """Read HzChannelShuffle; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    group = node.integer("group", 1, x.channels)
    node.require(x.channels % group == 0, f"attribute group is {group}", f"a divisor of {x.channels}")
    node.nhwc()
    return Regroup((*x.shape[:3], group, x.channels // group), (0, 1, 2, 4, 3), (x,))
