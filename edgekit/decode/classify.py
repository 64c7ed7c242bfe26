"""Class probabilities of a whole image: the classify task."""

from __future__ import annotations

from edgekit.decode.heads import RawHeads, bind_roles
from edgekit.decode.options import DecodeOptions
from edgekit.errors import ModelError
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.math import softmax
from edgekit.results import Classifications
from edgekit.spec import ModelSpec


def decode_classify(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> Classifications:
    """Raw logits of one image to its class probabilities; thresholds do not apply."""
    logits = bind_roles(heads, spec).of("class").floats().reshape(-1)
    if len(logits) != spec.num_classes:
        raise ModelError(
            f"the model gives {len(logits)} scores, but the sidecar names {spec.num_classes} classes",
            hint="fix names in the sidecar, or run edgekit cut again",
        )
    return Classifications(softmax(logits), spec.names, letterbox.source_wh, device)
