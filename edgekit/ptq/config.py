"""The PTQ yaml of hb_mapper as a typed value: read, checked, written back without loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from edgekit.data.plain_yaml import parse_yaml, read_yaml
from edgekit.errors import ConfigError
from edgekit.files import write_text
from edgekit.ptq.fields import (
    CalibrationParameters,
    CompilerParameters,
    InputParameters,
    ModelParameters,
    read_group,
    unknown_name,
    write_group,
)
from edgekit.ptq.inputs import PtqInput
from edgekit.ptq.rules import check_rules
from edgekit.text import shorten

GROUPS: dict[str, type] = {
    "model_parameters": ModelParameters,
    "input_parameters": InputParameters,
    "calibration_parameters": CalibrationParameters,
    "compiler_parameters": CompilerParameters,
}


@dataclass(frozen=True, slots=True)
class PtqConfig:
    """A whole PTQ yaml; making one checks every field and the rules between them (ConfigError)."""

    model_parameters: ModelParameters
    input_parameters: InputParameters
    calibration_parameters: CalibrationParameters
    compiler_parameters: CompilerParameters

    def __post_init__(self) -> None:
        check_rules(self)

    def __reduce__(self) -> tuple[Any, ...]:  # mapping proxies do not pickle
        return parse_config, (dump_config(self),)

    @property
    def inputs(self) -> tuple[PtqInput, ...]:
        """The inputs in their order, with the toolchain's defaults where the yaml left a field out."""
        parameters, calibration = self.input_parameters, self.calibration_parameters
        count = len(parameters.input_type_rt)
        folders = calibration.cal_data_dir or ("",) * count
        columns = (
            parameters.input_name or ("",) * count,
            parameters.input_type_train,
            parameters.input_layout_train,
            parameters.input_type_rt,
            parameters.input_layout_rt or ("",) * count,
            parameters.input_space_and_range or ("regular",) * count,
            parameters.input_shape or ((),) * count,
            parameters.norm_type,
            parameters.mean_value or (None,) * count,
            parameters.scale_value or (None,) * count,
            folders,
            calibration.cal_data_type or tuple(map(_data_type_of_folder, folders)),
        )
        return tuple(PtqInput(*row) for row in zip(*columns, strict=True))


def load_config(path: Path, *, on_repeat: Callable[[str], None] | None = None) -> PtqConfig:
    """Read a PTQ yaml.

    Args:
        path: The file.
        on_repeat: Told of each repeated key, whose last value counts as it does for hb_mapper; without it they are
            refused.

    Returns:
        The checked yaml.

    Raises:
        ConfigError: Names the file, the field, its value and the legal ones.
    """
    return _config_from(read_yaml(path, on_repeat=on_repeat), str(path))


def parse_config(text: str, *, location: str = "the yaml") -> PtqConfig:
    """Read the text of a PTQ yaml.

    Args:
        text: The yaml.
        location: What the text is, for messages.

    Returns:
        The checked yaml.

    Raises:
        ConfigError: Names the field, its value and the legal ones.
    """
    return _config_from(parse_yaml(text, location=location), location)


def dump_config(config: PtqConfig, *, header: str = "", comments: Mapping[str, str] | None = None) -> str:
    """Return the yaml text of `config`; `parse_config` gives it back.

    Args:
        config: The yaml; fields that are not set are left out.
        header: Goes on top as comment lines.
        comments: Goes above a field as comment lines, by the field's name.

    Returns:
        The text.
    """
    lines = _comment(header, "")
    for group in GROUPS:
        lines += ["", f"{group}:"] if lines else [f"{group}:"]
        values = write_group(getattr(config, group))
        if not values:
            lines[-1] += " {}"
        for name, value in values.items():
            lines += _comment((comments or {}).get(name, ""), "  ")
            text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, width=1 << 20)
            lines += [f"  {line}" for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def save_config(path: Path, config: PtqConfig, *, header: str = "", comments: Mapping[str, str] | None = None) -> None:
    """Write `dump_config(config)` to a file, whole or not at all.

    Args:
        path: The file.
        config: The yaml.
        header: Goes on top as comment lines.
        comments: Goes above a field as comment lines, by the field's name.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, dump_config(config, header=header, comments=comments))


def with_defaults(config: PtqConfig) -> PtqConfig:
    """Set every field that is not set to the toolchain's default.

    Args:
        config: The yaml.

    Returns:
        A copy with defaults.
    """
    groups = {}
    for name in GROUPS:
        group = getattr(config, name)
        unset = [f for f in fields(group) if getattr(group, f.name) is None]
        defaults = {f.name: f.metadata["default"] for f in unset if f.metadata["default"] is not None}
        groups[name] = replace(group, **defaults)
    return PtqConfig(**groups)


def _config_from(value: object, location: str) -> PtqConfig:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{location} holds {type(value).__name__}, expected the groups {', '.join(GROUPS)}",
            hint="start from a preset in ptq_yamls/ or from edgekit calibrate",
        )
    try:
        for name in value:
            if name not in GROUPS:
                raise unknown_name(shorten(str(name))[1:-1], "group", str(name), tuple(GROUPS))
        missing = [name for name in GROUPS if name not in value]
        if missing:
            raise ConfigError(f"group {missing[0]} is missing, expected {', '.join(GROUPS)}", hint=f"add {missing[0]}")
        return PtqConfig(
            **{name: read_group(kind, _without_last_separator(value[name]), name) for name, kind in GROUPS.items()}
        )
    except ConfigError as error:
        raise ConfigError(f"{location}: {error.message}", hint=error.hint) from error


def _without_last_separator(group: object) -> object:
    """A group whose `input_layout_rt` does not end in a separator: the vendor's samples have one behind every input.

    Between inputs a blank is an input without a layout, so the number of inputs decides.
    """
    if not isinstance(group, Mapping):
        return group
    layouts, kinds = group.get("input_layout_rt"), group.get("input_type_rt")
    if not isinstance(layouts, str) or not isinstance(kinds, str) or not layouts.strip().endswith(";"):
        return group
    inputs = len(kinds.strip().removesuffix(";").split(";"))
    if len(layouts.split(";")) != inputs + 1:
        return group
    return {**group, "input_layout_rt": layouts.strip().removesuffix(";")}


def _data_type_of_folder(folder: str) -> str:
    return "float32" if folder.rstrip("/").endswith("_f32") else "uint8"  # as the toolchain guesses


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}".rstrip() for line in text.splitlines()]
