"""Several models on several cameras: one configuration, fair shares of the device, a cascade on crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.robot.config import RobotConfig, parse_config
    from edgekit.robot.robot import Robot

__all__ = ["Robot", "RobotConfig", "parse_config"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Robot": "edgekit.robot.robot",
        "RobotConfig": "edgekit.robot.config",
        "parse_config": "edgekit.robot.config",
    },
)
