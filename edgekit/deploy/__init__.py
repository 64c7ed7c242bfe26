"""The bundle for the board: written, pushed, and what a machine lacks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.deploy.bundle_writer import write_bundle
    from edgekit.deploy.doctor import examine
    from edgekit.deploy.pipeline import Deployed, deploy
    from edgekit.deploy.remote import Pushed, push

__all__ = ["Deployed", "Pushed", "deploy", "examine", "push", "write_bundle"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Deployed": "edgekit.deploy.pipeline",
        "Pushed": "edgekit.deploy.remote",
        "deploy": "edgekit.deploy.pipeline",
        "examine": "edgekit.deploy.doctor",
        "push": "edgekit.deploy.remote",
        "write_bundle": "edgekit.deploy.bundle_writer",
    },
)
