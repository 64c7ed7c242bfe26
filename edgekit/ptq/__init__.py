"""The PTQ yaml of the vendor's compiler: typed groups, rules, presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.ptq.config import PtqConfig, dump_config, load_config, parse_config, save_config, with_defaults
    from edgekit.ptq.fields import CalibrationParameters, CompilerParameters, InputParameters, ModelParameters
    from edgekit.ptq.inputs import PtqInput

__all__ = [
    "CalibrationParameters",
    "CompilerParameters",
    "InputParameters",
    "ModelParameters",
    "PtqConfig",
    "PtqInput",
    "dump_config",
    "load_config",
    "parse_config",
    "save_config",
    "with_defaults",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "CalibrationParameters": "edgekit.ptq.fields",
        "CompilerParameters": "edgekit.ptq.fields",
        "InputParameters": "edgekit.ptq.fields",
        "ModelParameters": "edgekit.ptq.fields",
        "PtqConfig": "edgekit.ptq.config",
        "PtqInput": "edgekit.ptq.inputs",
        "dump_config": "edgekit.ptq.config",
        "load_config": "edgekit.ptq.config",
        "parse_config": "edgekit.ptq.config",
        "save_config": "edgekit.ptq.config",
        "with_defaults": "edgekit.ptq.config",
    },
)
