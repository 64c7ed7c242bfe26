"""The four parameter groups of an hb_mapper 1.24 yaml, field by field.

A field that is None was not set and is not written; `default` in its metadata is what the toolchain takes
then. Values that the yaml joins with `;`, one per input, are tuples; an empty tuple is a blank text.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from edgekit.errors import ConfigError
from edgekit.ptq.field_types import (
    FieldKind,
    channel_values,
    choice,
    flag,
    integer,
    joined,
    mapping_of,
    node_rules,
    number,
    shape,
    text,
)
from edgekit.spec import LAYOUTS, InputKind, Layout, March
from edgekit.text import shorten

HB_MAPPER_MARCHES: tuple[March, ...] = (
    "bernoulli2",
    "bayes",
    "bayes-e",
)  # the nash targets have hb_compile, with another yaml
TRAIN_TYPES: tuple[InputKind, ...] = ("rgb", "bgr", "yuv444", "gray", "featuremap")
RT_TYPES: tuple[InputKind, ...] = ("rgb", "bgr", "yuv444", "nv12", "gray", "featuremap")
NORM_TYPES = ("data_mean_and_scale", "data_mean", "data_scale", "no_preprocess")
CALIBRATION_TYPES = ("default", "mix", "kl", "max", "load", "skip")
OPTIMIZATIONS = (
    "set_model_output_int8",
    "set_model_output_int16",
    "set_Softmax_input_int8",
    "set_Softmax_output_int8",
    "set_all_nodes_int16",
)
REMOVABLE_NODES = ("Quantize", "Transpose", "Dequantize", "Cast", "Reshape")

T = TypeVar("T")


def _required(kind: FieldKind) -> Any:
    return field(metadata={"kind": kind, "required": True})


def _optional(kind: FieldKind, default: object = None) -> Any:
    return field(default=None, metadata={"kind": kind, "default": default})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParameters:
    """Which model is compiled, for which BPU, and where the results go (paths relative to the yaml)."""

    onnx_model: str = _required(text())
    march: March = _required(choice(*HB_MAPPER_MARCHES))  # noqa: RUF009  # a dataclass field
    output_model_file_prefix: str = _required(text(plain=True))
    working_dir: str | None = _optional(text(), "model_output")
    layer_out_dump: bool | None = _optional(flag(), False)
    output_nodes: tuple[str, ...] | None = _optional(joined(text()))
    remove_node_type: tuple[str, ...] | None = _optional(joined(choice(*REMOVABLE_NODES)))
    remove_node_name: tuple[str, ...] | None = _optional(joined(text()))
    debug_mode: str | None = _optional(text())
    node_info: Mapping[str, Mapping[str, str]] | None = _optional(node_rules())

    def __post_init__(self) -> None:
        _check_fields(self, "model_parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputParameters:
    """What the model was trained on and what the board will feed it, one entry per input."""

    input_name: tuple[str, ...] | None = _optional(joined(text()))
    input_type_rt: tuple[InputKind, ...] = _required(joined(choice(*RT_TYPES)))
    input_layout_rt: tuple[Literal[Layout, ""], ...] | None = _optional(joined(choice(*LAYOUTS), blanks=True))
    input_space_and_range: tuple[str, ...] | None = _optional(joined(choice("regular", "bt601_video")))
    input_type_train: tuple[InputKind, ...] = _required(joined(choice(*TRAIN_TYPES)))
    input_layout_train: tuple[Layout, ...] = _required(joined(choice(*LAYOUTS)))
    input_shape: tuple[tuple[int, ...], ...] | None = _optional(joined(shape()))
    input_batch: int | None = _optional(integer(1, 128), 1)
    norm_type: tuple[str, ...] = _required(joined(choice(*NORM_TYPES)))
    mean_value: tuple[tuple[float, ...] | None, ...] | None = _optional(channel_values(zero=True))
    scale_value: tuple[tuple[float, ...] | None, ...] | None = _optional(channel_values(zero=False))

    def __post_init__(self) -> None:
        _check_fields(self, "input_parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationParameters:
    """Where the calibration data lies and how thresholds are chosen from it."""

    cal_data_dir: tuple[str, ...] | None = _optional(joined(text()))
    cal_data_type: tuple[str, ...] | None = _optional(joined(choice("float32", "uint8")))
    calibration_type: str = field(default="default", metadata={"kind": choice(*CALIBRATION_TYPES)})  # as hb_mapper
    preprocess_on: bool | None = _optional(flag(), False)
    max_percentile: float | None = _optional(number(0, 1), 1.0)
    per_channel: bool | None = _optional(flag(), False)
    run_on_cpu: tuple[str, ...] | None = _optional(joined(text()))
    run_on_bpu: tuple[str, ...] | None = _optional(joined(text()))
    optimization: tuple[str, ...] | None = _optional(joined(choice(*OPTIMIZATIONS), separator=","))

    def __post_init__(self) -> None:
        _check_fields(self, "calibration_parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerParameters:
    """How the quantized graph becomes instructions."""

    compile_mode: str | None = _optional(choice("latency", "bandwidth"), "latency")
    debug: bool | None = _optional(flag(), False)
    core_num: int | None = _optional(integer(1, 2), 1)
    optimize_level: str | None = _optional(choice("O0", "O1", "O2", "O3"))
    input_source: Mapping[str, str] | None = _optional(mapping_of(choice("ddr", "pyramid", "resizer")))
    max_time_per_fc: int | None = _optional(integer(1000, 4294967295, or_zero=True), 0)
    jobs: int | None = _optional(integer(1, 1024))

    def __post_init__(self) -> None:
        _check_fields(self, "compiler_parameters")


def read_group(kind: type[T], value: object, group: str) -> T:
    """A group from its yaml mapping; unknown, missing and illegal fields are refused by name."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{group} is {_shown(value)}, expected fields below it", hint=f"fill {group} in")
    specs = {f.name: f.metadata for f in fields(kind)}  # type: ignore[arg-type]
    for name in value:
        if name not in specs:
            raise unknown_name(f"{group}.{shorten(str(name))[1:-1]}", "field", str(name), tuple(specs))
    present = {name: _read(specs[name]["kind"], v, f"{group}.{name}") for name, v in value.items() if v is not None}
    missing = [n for n, s in specs.items() if s.get("required") and present.get(n) in (None, ())]
    if missing:
        raise ConfigError(
            f"{group}.{missing[0]} is missing, expected {specs[missing[0]]['kind'].expected}",
            hint=f"add {missing[0]} to {group}",
        )
    return kind(**present)


def write_group(group: object) -> dict[str, object]:
    """The fields that are set, as yaml values, in the order of the class."""
    set_fields = {f: getattr(group, f.name) for f in fields(group)}  # type: ignore[arg-type]
    return {f.name: f.metadata["kind"].write(v) for f, v in set_fields.items() if v is not None}


def unknown_name(location: str, what: str, name: str, legal: tuple[str, ...]) -> ConfigError:
    """The error for a name that is not among `legal`, with the nearest one as the way out."""
    near = difflib.get_close_matches(name, legal, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"delete it or use another {what}"
    return ConfigError(f"{location} is an unknown {what}, expected one of {', '.join(legal)}", hint=hint)


def _check_fields(group: Any, group_name: str) -> None:
    """Refuse what the yaml could not carry: every value must come back equal from its yaml form."""
    for f in fields(group):
        value = getattr(group, f.name)
        if value is None and f.default is None:
            continue
        kind: FieldKind = f.metadata["kind"]
        try:
            normal = kind.read(kind.write(value))
            same = normal == value and not (f.metadata.get("required") and normal == ())
        except (ValueError, TypeError, AttributeError):
            same = False
        if not same:
            raise _illegal(kind, value, f"{group_name}.{f.name}")
        object.__setattr__(group, f.name, normal)


def _read(kind: FieldKind, value: object, location: str) -> object:
    try:
        return kind.read(value)
    except ValueError as error:
        raise _illegal(kind, value, location) from error


def _illegal(kind: FieldKind, value: object, location: str) -> ConfigError:
    near = difflib.get_close_matches(shorten(value).strip("'"), kind.legal, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"set {location} to a legal value"
    if location.endswith(".march") and str(value).startswith("nash"):
        hint = "hb_mapper does not build for the S series; its toolchain is hb_compile, with another yaml"
    return ConfigError(f"{location} is {_shown(value)}, expected {kind.expected}", hint=hint)


def _shown(value: object) -> str:
    return "blank" if value is None or value == () else shorten(value)
