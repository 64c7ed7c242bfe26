"""From what exporters write to the few operations that the quantizer knows: the passes in their order."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.graph.float_graph import FloatGraph
from edgekit.graph.passes.canonicalize import average_as_conv, drop_dead, drop_head_transposes, split_as_slices
from edgekit.graph.passes.clip import absorb_clips
from edgekit.graph.passes.fold import constant_arithmetic, drop_identities, fold_batch_norm, fold_constants
from edgekit.graph.passes.fuse import fuse_inverse_root, fuse_relu, fuse_swish, lower_softmax, mark_split_softmax
from edgekit.graph.passes.windows import explicit_pads, join_pads

Pass = Callable[[FloatGraph], FloatGraph]

PASSES: tuple[Pass, ...] = (
    fold_constants,
    explicit_pads,
    join_pads,
    drop_identities,
    drop_head_transposes,
    drop_dead,
    fold_batch_norm,
    split_as_slices,
    fuse_swish,
    fuse_relu,
    fuse_inverse_root,
    lower_softmax,
    mark_split_softmax,
    constant_arithmetic,
    average_as_conv,
    absorb_clips,
    drop_dead,
)


def simplify(graph: FloatGraph) -> FloatGraph:
    """All passes in their order."""
    for step in PASSES:
        graph = step(graph)
    return graph
