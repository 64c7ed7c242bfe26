"""What a model is: the sidecar `<name>.json` that lies beside every model file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from edgekit.errors import DataError, ModelError
from edgekit.files import read_json, sha256_file, write_json
from edgekit.preprocess import COLOR_RANGES as COLOR_RANGES
from edgekit.preprocess import INPUT_KINDS as INPUT_KINDS
from edgekit.preprocess import LAYOUTS as LAYOUTS
from edgekit.preprocess import MAX_SIDE, MAX_SIDES
from edgekit.preprocess import PAD_VALUE as PAD_VALUE
from edgekit.preprocess import ColorRange as ColorRange
from edgekit.preprocess import InputKind as InputKind
from edgekit.preprocess import InputSpec as InputSpec
from edgekit.preprocess import Layout as Layout
from edgekit.preprocess import Preprocess as Preprocess
from edgekit.records import any_of, as_mapping, check_envelope, envelope, from_json, require, to_json
from edgekit.text import shorten

KIND = "model"  # in the schema of a sidecar
TaskName = Literal["detect", "segment", "pose", "obb", "classify", "semantic", "depth", "raw"]
Stage = Literal["stock", "heads", "quantized", "bin"]
Role = Literal["box", "class", "mask", "keypoint", "angle", "proto", "object", "depth", "raw"]
HeadDtype = Literal["float32", "int32", "int16", "int8"]
DepthActivation = Literal["exp", "sigmoid", "softplus", "linear"]
March = Literal["bernoulli2", "bayes", "bayes-e", "nash-e", "nash-m", "nash-p"]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
STAGES: tuple[Stage, ...] = get_args(Stage)
ROLES: tuple[Role, ...] = get_args(Role)
DEPTH_ACTIVATIONS: tuple[DepthActivation, ...] = get_args(DepthActivation)
GRID_ROLES: tuple[Role, ...] = ("box", "class", "object", "depth")  # one of them is on every stride
HEAD_DTYPES: tuple[HeadDtype, ...] = get_args(HeadDtype)
MARCHES: tuple[March, ...] = get_args(March)
MAX_BINS = 1024  # reg_max is 16 in practice


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """One output tensor, NHWC.

    Attributes:
        name: Of the tensor.
        role: What it means: one of `Role`.
        shape: All sides, the batch of 1 included.
        stride: Input pixels per cell; 0 for classify outputs, which have no grid.
        dtype: "float32", "int32", "int16" or "int8".
        scale: One entry or one per channel along `axis`, empty for float outputs: float value = integer * scale.
        axis: Of the scales.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    stride: int = 0  # 0 for classify outputs, which have no grid
    dtype: HeadDtype = "float32"
    scale: tuple[float, ...] = ()
    axis: int = 3

    def __post_init__(self) -> None:
        location = f"output {self.name!r}"
        require(self.role in ROLES, f"{location} role", self.role, any_of(ROLES))
        require(self.dtype in HEAD_DTYPES, f"{location} dtype", self.dtype, any_of(HEAD_DTYPES))
        least, most = (4, 4) if self.stride > 0 or self.role == "proto" else (1, MAX_SIDES)  # a grid, or scores
        require(least <= len(self.shape) <= most, f"{location} shape", self.shape, f"{least}..{most} sides")
        require(all(d > 0 for d in self.shape), f"{location} shape", self.shape, "positive numbers")
        require(0 <= self.stride <= MAX_SIDE, f"{location} stride", self.stride, f"0..{MAX_SIDE}")
        require(math.prod(self.shape) <= 1 << 30, f"{location} shape", self.shape, "at most 2^30 elements")
        if self.dtype == "float32":
            require(not self.scale, f"{location} scale", self.scale, "none, since it is float")
        else:
            require(0 <= self.axis < len(self.shape), f"{location} axis", self.axis, f"0..{len(self.shape) - 1}")
            allowed = (1, self.shape[self.axis])
            require(len(self.scale) in allowed, f"{location} scale count", len(self.scale), any_of(allowed))
            good = all(math.isfinite(s) and s > 0 for s in self.scale)
            require(good, f"{location} scale", self.scale[:4], "positive finite numbers")

    @property
    def key(self) -> str:
        """What it is and where: "box_8", or the role alone without a grid."""
        return f"{self.role}_{self.stride}" if self.stride else self.role

    @property
    def channels(self) -> int:
        """Size of the last axis."""
        return self.shape[-1]


@dataclass(frozen=True, slots=True)
class DepthFormula:
    """What the numbers of a depth head mean: activation(raw * gain) * factor + offset, within low..high.

    Attributes:
        activation: One of `DEPTH_ACTIVATIONS`; "exp" where the head gives logarithms.
        factor: Above 0.
        gain: Above 0.
        offset: In the model's unit, as low and high are; Ultralytics' models give metres.
        low: The least depth; None for no limit.
        high: The largest depth; None for no limit.
        interpolates_raw: Whether the model interpolates its raw numbers at full size, not the depths.
        align_corners: Whether its Resize lays the outer cells on the outer pixels; half-pixel centers otherwise.
    """

    activation: DepthActivation = "linear"
    factor: float = 1.0
    offset: float = 0.0
    gain: float = 1.0
    low: float | None = None
    high: float | None = None
    interpolates_raw: bool = False
    align_corners: bool = False

    def __post_init__(self) -> None:
        require(self.activation in DEPTH_ACTIVATIONS, "depth.activation", self.activation, any_of(DEPTH_ACTIVATIONS))
        for name in ("factor", "gain"):
            value = getattr(self, name)
            require(math.isfinite(value) and value > 0, f"depth.{name}", value, "a number above 0")
        require(math.isfinite(self.offset), "depth.offset", self.offset, "a finite number")
        limits = [limit for limit in (self.low, self.high) if limit is not None]
        require(all(map(math.isfinite, limits)), "depth.low and depth.high", limits, "finite numbers or null")
        require(limits == sorted(limits), "depth.low and depth.high", limits, "the lower one first")


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file beside the sidecar: its plain name (no folders) and SHA-256."""

    name: str
    sha256: str

    def __post_init__(self) -> None:
        plain = self.name not in ("", ".", "..") and not any(c in self.name for c in "/\\\0:")
        require(plain, "file name", self.name, "a plain name without folders")
        is_hex = len(self.sha256) == 64 and all(c in "0123456789abcdef" for c in self.sha256)
        require(is_hex, f"sha256 of {self.name!r}", self.sha256, "64 hex digits")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything that the runtime needs to know of a model.

    Attributes:
        task: One of `TaskName`.
        names: Of the classes.
        input: The input tensor: the first image, or, where none is an image, the first featuremap.
        preprocess: How an image becomes it.
        outputs: The output tensors.
        stage: Which file it describes: "stock" export, cut "heads", "quantized" graph or "bin".
        family: A row of `decode.FAMILIES`; "" is read as YOLOv8.
        reg_max: DFL bins per side of a box.
        anchors: Per stride, (width, height) in pixels: YOLOv5 only.
        end_to_end: Whether heads are one-to-one: no NMS.
        keypoint_shape: Points, and values per point.
        depth: How the numbers of a depth head become distances.
        march: The board's BPU: "bayes-e", ...; "" if it is not compiled.
        simulated: Whether the simulated compiler made it.
        files: Related files by part ("model", "quantized", ...).
        tools: The versions that made it.
        notes: What was assumed because nothing said it.
        more_inputs: The inputs besides `input`, of the task "raw"; see `preprocess_of`.
    """

    task: TaskName
    names: tuple[str, ...]
    input: InputSpec
    preprocess: Preprocess
    outputs: tuple[HeadSpec, ...]
    stage: Stage = "heads"
    family: str = ""
    reg_max: int = 16
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()  # per stride, (width, height) px: YOLOv5 only
    end_to_end: bool = False  # one-to-one heads: no NMS
    keypoint_shape: tuple[int, ...] = ()
    depth: DepthFormula | None = None
    march: Literal[March, ""] = ""
    simulated: bool = False
    files: Mapping[str, FileRef] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    more_inputs: tuple[InputSpec, ...] = ()

    def __post_init__(self) -> None:
        require(self.task in TASK_NAMES, "task", self.task, any_of(TASK_NAMES))
        require(self.stage in STAGES, "stage", self.stage, any_of(STAGES))
        require(self.march in ("", *MARCHES), "march", self.march, any_of(MARCHES))
        require(len(self.names) > 0 or self.task == "raw", "names", self.names, "at least one class name")
        require(1 <= self.reg_max <= MAX_BINS, "reg_max", self.reg_max, f"1..{MAX_BINS}")
        sizes = [side for at_stride in self.anchors for anchor in at_stride for side in anchor]
        require(all(side > 0 for side in sizes), "anchors", self.anchors, "sizes above 0")
        require(all(count > 0 for count in self.keypoint_shape), "keypoint_shape", self.keypoint_shape, "counts")
        require(len(self.outputs) > 0, "outputs", "none", "at least one")
        output_names = [head.name for head in self.outputs]
        distinct = len(set(output_names)) == len(output_names)
        require(distinct, "output names", output_names, "each once")
        input_names = [model_input.name for model_input in self.inputs]
        require(len(set(input_names)) == len(input_names), "input names", input_names, "each once")
        require(self.task == "raw" or not self.more_inputs, "more_inputs", input_names[1:], "none but for task raw")
        for model_input in self.more_inputs:
            sides = 4 if model_input.is_image else 1
            fits = len(model_input.shape) >= sides
            require(fits, f"shape of input {model_input.name!r}", model_input.shape, f"at least {sides} sides")
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "tools", MappingProxyType(dict(self.tools)))

    def __reduce__(self) -> tuple[Any, ...]:  # mapping proxies do not pickle
        return spec_from_dict, (spec_to_dict(self),)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """Every input, `input` first."""
        return (self.input, *self.more_inputs)

    @property
    def takes_one_image(self) -> bool:
        """Whether one image is all that the model takes."""
        return not self.more_inputs and self.input.is_image

    def preprocess_of(self, model_input: InputSpec) -> Preprocess:
        """Return how an image becomes this input: as that of `input`, at the size of its own shape."""
        if model_input.name == self.input.name or not model_input.is_image:
            return self.preprocess
        width, height = model_input.size_wh
        return replace(self.preprocess, width=width, height=height)

    @property
    def num_classes(self) -> int:
        """Number of classes that the model tells apart."""
        return len(self.names)

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides that have boxes (or, without boxes, classes or depths), small to large."""
        return tuple(sorted({h.stride for h in self.outputs if h.role in GRID_ROLES and h.stride}))

    def head(self, role: Role, stride: int | None = None) -> HeadSpec:
        """Return the only output with this role (and stride); raises ModelError if there is not exactly one."""
        heads = [h for h in self.outputs if h.role == role and stride in (None, h.stride)]
        if len(heads) != 1:
            where = f" at stride {stride}" if stride else ""
            raise ModelError(
                f"the model has {len(heads)} outputs of role {role!r}{where}, expected exactly one",
                hint="run edgekit cut again on the stock ONNX so that the sidecar fits the model",
            )
        return heads[0]


def sidecar_path(model: Path) -> Path:
    """Return where the sidecar of `model` lies: the same name with `.json`."""
    return Path(model).parent / f"{Path(model).stem}.json"  # with_suffix raises on "." and "/"


def spec_to_dict(spec: ModelSpec) -> dict[str, Any]:
    """Return the sidecar of a model as plain JSON values."""
    return {**envelope(KIND), **to_json(spec)}


def is_sidecar(value: object) -> bool:
    """Return whether a parsed JSON is a sidecar, of whatever version."""
    if not isinstance(value, Mapping):
        return False
    return str(value.get("schema", "")).startswith(f"edgekit.{KIND}/") or _is_unversioned(value)


def spec_from_dict(value: object, *, location: str = "the sidecar") -> ModelSpec:
    """Read a sidecar.

    Args:
        value: The parsed JSON, as `spec_to_dict` writes it.
        location: What the value is, for messages.

    Returns:
        The model.

    Raises:
        ModelError: It is no sidecar, or of another version, or a field is wrong; names the field.
    """
    document = as_mapping(value, location)
    if not is_sidecar(document):
        raise ModelError(
            f"{location} is no sidecar of edgekit (its schema is {shorten(document.get('schema'))})",
            hint="move the file away from the model, or write the sidecar there with edgekit cut or edgekit compile",
        )
    if _is_unversioned(document):
        data = {key: item for key, item in document.items() if key not in ("edgekit", "version")}
    else:
        data = check_envelope(document, KIND, location, hint="run edgekit cut or edgekit compile again")
    return from_json(ModelSpec, data, location)


def _is_unversioned(value: Mapping[str, Any]) -> bool:
    """Return whether a document is a sidecar as written before schemas; its fields are those of version 1."""
    return "schema" not in value and value.get("edgekit") == KIND and value.get("version", 1) == 1


def save_spec(path: Path, spec: ModelSpec) -> None:
    """Write the sidecar to `path`, whole or not at all."""
    write_json(path, spec_to_dict(spec))


def load_spec(path: Path) -> ModelSpec:
    """Read a sidecar; raises ModelError if it is missing, no JSON or contradicts itself."""
    try:
        return spec_from_dict(read_json(path), location=str(path))
    except DataError as error:
        raise ModelError(error.message, hint="run edgekit cut or edgekit compile again") from error


def file_ref(path: Path) -> FileRef:
    """Return the name and SHA-256 of `path`."""
    return FileRef(Path(path).name, sha256_file(path))
