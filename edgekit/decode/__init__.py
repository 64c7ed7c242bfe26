"""From raw heads to results: a decoder bound to one model, and the table of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.decode.decoder import Decoder
    from edgekit.decode.families import FAMILIES
    from edgekit.decode.plan import DecodeOptions
    from edgekit.decode.reference import decode_rows
    from edgekit.decode.roles import infer_roles
    from edgekit.decode.tasks import TASKS, Task

__all__ = ["FAMILIES", "TASKS", "DecodeOptions", "Decoder", "Task", "decode_rows", "infer_roles"]

__getattr__ = lazy_exports(
    __name__,
    {
        "FAMILIES": "edgekit.decode.families",
        "TASKS": "edgekit.decode.tasks",
        "DecodeOptions": "edgekit.decode.plan",
        "Decoder": "edgekit.decode.decoder",
        "Task": "edgekit.decode.tasks",
        "decode_rows": "edgekit.decode.reference",
        "infer_roles": "edgekit.decode.roles",
    },
)
