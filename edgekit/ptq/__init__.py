"""The PTQ yaml of the vendor's compiler: typed groups, rules, presets."""

from edgekit.ptq.config import (
    PtqConfig,
    PtqInput,
    dump_config,
    load_config,
    parse_config,
    save_config,
    with_defaults,
)
from edgekit.ptq.fields import (
    CalibrationParameters,
    CompilerParameters,
    InputParameters,
    ModelParameters,
)

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
