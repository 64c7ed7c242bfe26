"""The distance of every pixel: the depth task."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import RawHeads
from edgekit.decode.plan import Plan
from edgekit.errors import ModelError
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.math import sigmoid
from edgekit.ops.pixel_grid import expand_cells, interpolate_cells
from edgekit.results import DepthMap
from edgekit.spec import DepthFormula

Floats = npt.NDArray[np.float32]


def decode_depth(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> DepthMap:
    """Decode one frame; thresholds do not apply.

    Pixels take the depth of their cell; with `full_size` the map is interpolated as the model does it, before or after
    its last activation.
    """
    head, formula = plan.outputs.get("depth"), depth_formula(plan)
    cells = head.floats(raw).reshape(head.grid_hw)
    corners = formula.align_corners
    if not plan.options.full_size:
        pixels = expand_cells(depth_of(cells, formula), letterbox, align_corners=corners)
    elif formula.interpolates_raw:
        pixels = depth_of(interpolate_cells(cells, letterbox, align_corners=corners), formula)
    else:
        pixels = interpolate_cells(depth_of(cells, formula), letterbox, align_corners=corners)
    return DepthMap(pixels, letterbox.source_wh, plan.device)


def depth_formula(plan: Plan) -> DepthFormula:
    """Return how a model's numbers become depths; raises ModelError where its sidecar does not say."""
    if plan.spec.depth is None:
        raise ModelError(
            "the sidecar has no formula of depths (field 'depth'), expected one for task 'depth'",
            hint="cut the stock ONNX again: edgekit cut reads it there",
        )
    return plan.spec.depth


def depth_of(raw: Floats, formula: DepthFormula) -> Floats:
    """Return the depths that raw numbers mean.

    Args:
        raw: float32 of any shape.
        formula: Of the model.

    Returns:
        float32 of the same shape, in the model's unit.
    """
    with np.errstate(over="ignore"):
        depth = ACTIVATIONS[formula.activation](raw * np.float32(formula.gain)) * np.float32(formula.factor)
    low, high = (limit if limit is not None else end for limit, end in ((formula.low, -np.inf), (formula.high, np.inf)))
    return np.asarray(np.clip(depth + np.float32(formula.offset), low, high), np.float32)


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "exp": np.exp,
    "sigmoid": sigmoid,
    "softplus": lambda x: np.logaddexp(np.float32(0), x),
    "linear": lambda x: x,
}
