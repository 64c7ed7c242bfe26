"""Models that nothing decodes: their outputs as float arrays, by name."""

from __future__ import annotations

from edgekit.decode.heads import RawHeads
from edgekit.decode.plan import Plan
from edgekit.ops.letterbox import Letterbox
from edgekit.results.raw_outputs import RawOutputs


def decode_raw(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> RawOutputs:
    """Give one frame's outputs in the float model's unit, in the shapes of the sidecar; thresholds do not apply."""
    arrays = {head.name: plan.outputs.named(head.name).floats(raw).reshape(head.shape) for head in plan.spec.outputs}
    return RawOutputs(arrays, letterbox.source_wh, plan.device)
