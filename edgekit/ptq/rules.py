"""Rules between the fields of a PTQ yaml: combinations that the toolchain refuses or silently gets wrong."""

from __future__ import annotations

from typing import Protocol

from edgekit.errors import ConfigError
from edgekit.ptq.fields import CalibrationParameters, CompilerParameters, InputParameters, ModelParameters
from edgekit.ptq.inputs import PtqInput
from edgekit.spec import InputKind, March

TRAIN_TYPES_OF_RT: dict[InputKind, tuple[InputKind, ...]] = {
    "nv12": ("yuv444", "rgb", "bgr"),
    "yuv444": ("yuv444", "rgb", "bgr"),
    "rgb": ("rgb", "bgr"),
    "bgr": ("rgb", "bgr"),
    "gray": ("gray",),
    "featuremap": ("featuremap",),
}
CHANNELS_OF_TYPE: dict[InputKind, int] = {"rgb": 3, "bgr": 3, "yuv444": 3, "gray": 1}
MARCH_CORES = {"bernoulli2": 2, "bayes": 2, "bayes-e": 1}
INT16_OPTIMIZATIONS = ("set_model_output_int16", "set_all_nodes_int16")
PER_INPUT_FIELDS = (
    "input_type_train",
    "input_layout_train",
    "norm_type",
    "input_name",
    "input_layout_rt",
    "input_space_and_range",
    "input_shape",
    "mean_value",
    "scale_value",
)


class ConfigParts(Protocol):
    """The parts of a PTQ yaml that the rules are about; `PtqConfig` has them."""

    @property
    def model_parameters(self) -> ModelParameters:
        """Model, march and node options."""

    @property
    def input_parameters(self) -> InputParameters:
        """Types, layouts and normalization of the inputs."""

    @property
    def calibration_parameters(self) -> CalibrationParameters:
        """Samples and calibrator."""

    @property
    def compiler_parameters(self) -> CompilerParameters:
        """Options of the compiler."""

    @property
    def inputs(self) -> tuple[PtqInput, ...]:
        """The inputs one by one."""


def check_rules(config: ConfigParts) -> None:
    """Raise ConfigError on the first combination that cannot be meant."""
    _check_counts(config)
    for model_input in config.inputs:
        _check_types(model_input)
        _check_layout(model_input, config.model_parameters.march)
        _check_size(model_input)
        _check_normalisation(model_input)
    _check_batch(config)
    _check_calibration(config)
    _check_march(config)
    _check_input_source(config)


def _check_counts(config: ConfigParts) -> None:
    count = len(config.input_parameters.input_type_rt)
    for name in PER_INPUT_FIELDS:
        values = getattr(config.input_parameters, name)
        if values and len(values) != count:
            raise _refused(
                f"input_parameters.{name} has {len(values)} entries, expected {count} as input_type_rt has",
                "give one entry per input, joined with ';'",
            )
    calibration = config.calibration_parameters
    for name, values in (
        ("cal_data_dir", calibration.cal_data_dir),
        ("cal_data_type", calibration.cal_data_type),
    ):
        if values and len(values) != count:
            raise _refused(
                f"calibration_parameters.{name} has {len(values)} entries, expected {count}, one per input",
                "give one entry per input, joined with ';'",
            )
    if count > 1 and not config.input_parameters.input_name:
        raise _refused(
            f"input_parameters.input_name is missing, expected {count} names since there are {count} inputs",
            "name the inputs, joined with ';', so that their order is certain",
        )


def _check_types(model_input: PtqInput) -> None:
    legal = TRAIN_TYPES_OF_RT[model_input.type_rt]
    if model_input.type_train not in legal:
        raise _refused(
            f"input_type_rt {model_input.type_rt!r} cannot come from input_type_train {model_input.type_train!r}, "
            f"expected one of {', '.join(legal)}",
            "the board converts nv12 and yuv444 from yuv444, rgb or bgr; rgb and bgr from each other",
        )
    if model_input.color_space == "bt601_video" and model_input.type_rt != "nv12":
        raise _refused(
            f"input_space_and_range is 'bt601_video' with input_type_rt {model_input.type_rt!r}, expected nv12",
            "studio range exists for nv12 alone; delete input_space_and_range or set it to regular",
        )


def _check_layout(model_input: PtqInput, march: March) -> None:
    if model_input.type_rt == "nv12" and model_input.layout_rt:
        raise _refused(
            f"input_layout_rt is {model_input.layout_rt!r} with input_type_rt 'nv12', expected none",
            "delete input_layout_rt: nv12 is a plane of Y and a plane of UV, neither NCHW nor NHWC",
        )
    if model_input.type_rt != "nv12" and not model_input.layout_rt:
        raise _refused(
            f"input_layout_rt is missing with input_type_rt {model_input.type_rt!r}, expected NCHW or NHWC",
            "add input_layout_rt",
        )
    if (march, model_input.type_rt, model_input.layout_rt) == ("bernoulli2", "yuv444", "NCHW"):
        raise _refused(
            "input_layout_rt is 'NCHW' with yuv444 for bernoulli2, expected NHWC",
            "the RDK X3 takes yuv444 as NHWC alone",
        )


def _check_size(model_input: PtqInput) -> None:
    channels = CHANNELS_OF_TYPE.get(model_input.type_train)
    if not model_input.shape or channels is None:
        return
    position = 1 if model_input.layout_train == "NCHW" else 3
    if len(model_input.shape) != 4 or model_input.shape[position] != channels:
        raise _refused(
            f"input_shape is {'x'.join(map(str, model_input.shape))}, expected 4 sides with {channels} channels "
            f"at place {position + 1} ({model_input.layout_train}, {model_input.type_train})",
            "fix input_shape or input_layout_train",
        )
    height, width = (
        (model_input.shape[2], model_input.shape[3]) if position == 1 else (model_input.shape[1], model_input.shape[2])
    )
    if model_input.type_rt in ("nv12", "yuv444") and (height % 2 or width % 2):
        raise _refused(
            f"input_shape is {width}x{height} pixels with input_type_rt {model_input.type_rt!r}, expected even sides",
            "export the model at an even size, or use input_type_rt rgb",
        )


def _check_normalisation(model_input: PtqInput) -> None:
    needed_by_norm = {"mean_value": "mean" in model_input.norm_type, "scale_value": "scale" in model_input.norm_type}
    declared = {"mean_value": model_input.mean, "scale_value": model_input.scale}
    for name, needed in needed_by_norm.items():
        if needed and declared[name] is None:
            raise _refused(
                f"{name} is missing with norm_type {model_input.norm_type!r}, expected one number or one per channel",
                f"add {name}, or change norm_type",
            )
        if not needed and declared[name] is not None:
            raise _refused(
                f"{name} is set with norm_type {model_input.norm_type!r}, which does not use it, expected none",
                f"delete {name}, or set norm_type to use it",
            )
        _check_channels(model_input, name, declared[name])


def _check_channels(model_input: PtqInput, name: str, values: tuple[float, ...] | None) -> None:
    channels = CHANNELS_OF_TYPE.get(model_input.type_train)
    if values is not None and channels is not None and len(values) not in (1, channels):
        raise _refused(
            f"{name} has {len(values)} numbers, expected 1 or {channels} for {model_input.type_train}",
            "give one number for all channels, or one per channel with spaces between",
        )


def _check_batch(config: ConfigParts) -> None:
    inputs, batch = config.input_parameters, config.input_parameters.input_batch
    first_side = inputs.input_shape[0][0] if inputs.input_shape else 1
    if batch and batch > 1 and (len(config.inputs) > 1 or first_side != 1):
        raise _refused(
            f"input_parameters.input_batch is {batch}, expected 1 for several inputs or a batched model",
            "input_batch works for one input whose first side is 1",
        )


def _check_calibration(config: ConfigParts) -> None:
    calibration = config.calibration_parameters
    if not calibration.cal_data_dir and calibration.calibration_type not in ("load", "skip"):
        raise _refused(
            f"cal_data_dir is missing with calibration_type {calibration.calibration_type!r}, "
            "expected the folder of the calibration data",
            "make one with edgekit calibrate",
        )
    chosen = calibration.optimization or ()
    both = {"set_model_output_int8", "set_model_output_int16"}
    if both <= set(chosen):
        raise _refused("optimization asks for model outputs in int8 and in int16, expected one of the two", "drop one")


def _check_march(config: ConfigParts) -> None:
    march = config.model_parameters.march
    cores = config.compiler_parameters.core_num
    if cores and cores > MARCH_CORES[march]:
        raise _refused(
            f"core_num is {cores} for march {march!r}, expected at most {MARCH_CORES[march]}",
            "lower core_num or delete it",
        )
    if march != "bernoulli2":
        return
    int16_requests = [o for o in config.calibration_parameters.optimization or () if o in INT16_OPTIMIZATIONS]
    int16_requests += [n for n, r in (config.model_parameters.node_info or {}).items() if "int16" in r.values()]
    if int16_requests:
        raise _refused(
            f"{int16_requests[0]!r} asks for int16 on march 'bernoulli2', expected int8 alone",
            "the RDK X3 computes in int8; drop the int16 setting",
        )


def _check_input_source(config: ConfigParts) -> None:
    names = config.input_parameters.input_name
    for name in config.compiler_parameters.input_source or {}:
        if names and name not in names:
            raise _refused(
                f"input_source names {name!r}, expected one of the inputs {', '.join(names)}",
                "use a name from input_name",
            )


def _refused(message: str, hint: str) -> ConfigError:
    return ConfigError(message, hint=hint)
