"""A compile job: one PTQ yaml with everything it names, checked before any work begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.compiler_api import CompileJob, JobInput
from edgekit.errors import ConfigError, DataError, ModelError
from edgekit.files import is_file, is_folder, resolved
from edgekit.manifest import check_manifest
from edgekit.preprocess import MAX_SIDES
from edgekit.spec import ModelSpec, load_spec, sidecar_path

if TYPE_CHECKING:
    from edgekit.ptq import PtqConfig
    from edgekit.ptq.inputs import PtqInput

ITEM_BYTES = {"float32": 4, "uint8": 1}  # cal_data_type: bytes of one value
OPTIMIZE_LEVELS = ("O0", "O1", "O2", "O3")
DEFAULT_WORKING_DIR = "model_output"
DEFAULT_OPTIMIZE_LEVEL = "O0"  # the vendor's default where the yaml says nothing
MAX_ONNX_BYTES = 2 << 30  # the limit of a protobuf message


def load_job(yaml_path: Path, *, optimize: str | None = None) -> CompileJob:
    """Read a PTQ yaml and check what it names; relative paths count from the yaml's folder.

    Args:
        yaml_path: The yaml.
        optimize: "O0" to "O3" instead of the yaml's `optimize_level`; None: the yaml's.

    Returns:
        The job, all paths absolute.

    Raises:
        ConfigError: The yaml is wrong.
        ModelError: The ONNX or its sidecar is.
        DataError: The calibration set is.
    """
    from edgekit.ptq import load_config, with_defaults

    yaml_path = resolved(Path(yaml_path))
    notes: list[str] = []
    config = with_defaults(load_config(yaml_path, on_repeat=notes.append))
    model = config.model_parameters
    onnx_path = _onnx_file(yaml_path.parent / str(model.onnx_model), yaml_path)
    first, *more = _job_inputs(yaml_path, config, onnx_path)
    check_manifest(yaml_path.parent)
    return CompileJob(
        yaml_path=yaml_path,
        config=config,
        onnx_path=onnx_path,
        spec=_spec_of(onnx_path),
        input_name=first.name,
        input_shape=first.shape,
        calibration_files=first.calibration_files,
        calibration_dtype=first.calibration_dtype,
        working_dir=resolved(yaml_path.parent / (model.working_dir or DEFAULT_WORKING_DIR)),
        prefix=model.output_model_file_prefix,
        march=model.march,
        optimize_level=_optimize_level(optimize or config.compiler_parameters.optimize_level),
        notes=tuple(f"{yaml_path.name}: {note}" for note in notes),
        more_inputs=tuple(more),
    )


def _onnx_file(path: Path, yaml_path: Path) -> Path:
    path = resolved(path)
    if not is_file(path):
        raise ModelError(
            f"{yaml_path.name} names onnx_model {path}, which is no file, expected the cut heads ONNX",
            hint="run edgekit calibrate again, or fix onnx_model (relative paths count from the yaml's folder)",
        )
    if path.stat().st_size > MAX_ONNX_BYTES:
        raise ModelError(
            f"{path} has {path.stat().st_size} bytes, expected an ONNX file of at most 2 GiB",
            hint="name the cut model that edgekit cut wrote",
        )
    return path


def _job_inputs(yaml_path: Path, config: PtqConfig, onnx_path: Path) -> tuple[JobInput, ...]:
    """The inputs as the yaml lists them, each with the ONNX's shape and its calibration files."""
    shapes, inputs = _float_inputs(onnx_path), config.inputs
    if len(inputs) != len(shapes):
        raise ConfigError(
            f"{yaml_path.name} describes {len(inputs)} inputs, {onnx_path.name} has {len(shapes)} "
            f"({', '.join(shapes)}), expected as many",
            hint="describe each input, joined with ';', or run edgekit calibrate again",
        )
    names = list(shapes) if len(inputs) == 1 else [source.name for source in inputs]
    job_inputs = []
    for source, name in zip(inputs, names, strict=True):
        _check_input(source, name, shapes)
        files = _calibration_files(yaml_path, source, name, shapes[name])
        job_inputs.append(JobInput(name, shapes[name], source, files, source.cal_data_type or "uint8"))
    _check_samples(job_inputs)
    return tuple(job_inputs)


def _check_samples(inputs: Sequence[JobInput]) -> None:
    """Every sample needs a file of each input: the nth files belong together."""
    first = inputs[0]
    for item in inputs[1:]:
        if len(item.calibration_files) != len(first.calibration_files):
            raise DataError(
                f"input {item.name!r} has {len(item.calibration_files)} calibration files, {first.name!r} has "
                f"{len(first.calibration_files)}, expected as many: one of each makes a sample",
                hint="run edgekit calibrate again, or fix cal_data_dir",
            )


def _float_inputs(onnx_path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the model's inputs."""
    import onnx

    try:
        graph = onnx.load(onnx_path, load_external_data=False).graph
    except Exception as error:  # protobuf raises its own kinds
        raise ModelError(
            f"{onnx_path} cannot be read as ONNX ({type(error).__name__})", hint="run edgekit cut again"
        ) from error
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    shapes = {v.name: tuple(int(d.dim_value) for d in v.type.tensor_type.shape.dim) for v in inputs}
    if not shapes:
        raise ModelError(f"{onnx_path} has no inputs, expected some", hint="compile the model that edgekit cut wrote")
    return shapes


def _check_input(source: PtqInput, name: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """What the yaml says of an input, where it says it, must be what the ONNX has."""
    if name not in shapes:
        raise ConfigError(
            f"input_parameters.input_name has {name!r}, expected the ONNX's inputs {', '.join(shapes)}",
            hint="run edgekit calibrate again, or fix input_name",
        )
    shape = shapes[name]
    least, most = (2, MAX_SIDES) if source.type_train == "featuremap" else (4, 4)
    if not least <= len(shape) <= most or shape[0] != 1 or min(shape) < 1:
        expected = "1xCxHxW" if most == 4 else "1x..."
        raise ModelError(
            f"input {name!r} has the shape {shape}, expected a fixed {expected}",
            hint="export the model with a fixed batch of 1 and a fixed size (dynamic=False)",
        )
    for field, value, actual in (("input_name", source.name, name), ("input_shape", source.shape, shape)):
        if value and value != actual:
            raise ConfigError(
                f"input_parameters.{field} is {value!r}, the ONNX has {actual!r}, expected the same",
                hint=f"leave {field} out of the yaml, or run edgekit calibrate again",
            )


def _spec_of(onnx_path: Path) -> ModelSpec:
    path = sidecar_path(onnx_path)
    if not is_file(path):
        raise ModelError(
            f"{path.name} is missing beside {onnx_path.name}, expected the sidecar that says what the outputs are",
            hint="run edgekit cut on the model (a model that is already cut is recognised and described)",
        )
    return load_spec(path)


def _calibration_files(yaml_path: Path, source: PtqInput, name: str, shape: tuple[int, ...]) -> tuple[Path, ...]:
    folder = resolved(yaml_path.parent / source.cal_data_dir)
    dtype = source.cal_data_type or "uint8"
    if not source.cal_data_dir or not is_folder(folder):
        raise DataError(
            f"{yaml_path.name} names cal_data_dir {source.cal_data_dir!r} for {name!r}, which is no folder",
            hint="run edgekit calibrate again, or fix cal_data_dir",
        )
    files = tuple(sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")))
    if not files:
        raise DataError(f"{folder} has no calibration files", hint="run edgekit calibrate again")
    expected = math.prod(shape) * ITEM_BYTES[dtype]
    for path in files:
        if path.stat().st_size != expected:
            size = "x".join(map(str, shape))
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, expected {expected} ({size} {dtype})",
                hint="run edgekit calibrate again for this model, or take the file out of the folder",
            )
    return files


def _optimize_level(level: object) -> str:
    if level is None:
        return DEFAULT_OPTIMIZE_LEVEL
    if level not in OPTIMIZE_LEVELS:
        raise ConfigError(
            f"optimize_level is {level!r}, expected one of {', '.join(OPTIMIZE_LEVELS)}",
            hint="fix compiler_parameters.optimize_level or --optimize",
        )
    return str(level)
