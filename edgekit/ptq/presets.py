"""The PTQ settings that edgekit starts from, with the reason for each; `ptq_yamls/` holds them as files."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import ConfigError
from edgekit.ptq.config import PtqConfig, dump_config
from edgekit.ptq.fields import (
    CalibrationParameters,
    CompilerParameters,
    InputParameters,
    ModelParameters,
)
from edgekit.ptq.inputs import PtqInput
from edgekit.spec import InputKind, Layout, March, TaskName

UNIT_SCALE = 1 / 255  # Ultralytics models take pixels in 0..1; the calibration files hold 0..255
CALIBRATION_DIR = "calibration_data"
OUTPUT_DIR = "model_output"
MAX_NAME = 80  # characters of a model's name in the names of its files
SOFTMAX_ON_BPU = ("set_Softmax_input_int8", "set_Softmax_output_int8")
LAYOUT_RT: dict[InputKind, Layout] = {"rgb": "NCHW", "bgr": "NCHW", "gray": "NCHW", "yuv444": "NHWC"}  # nv12 has none
CALIBRATIONS = ("default", "max", "kl")


def ptq_config(
    *,
    onnx_model: str,
    prefix: str,
    march: March,
    input_kind: InputKind,
    size_wh: tuple[int, int],
    input_name: str = "images",
    train_type: InputKind = "rgb",
    calibration: str = "default",
    max_percentile: float | None = None,
    mean: tuple[float, ...] = (0.0,),
    scale: tuple[float, ...] = (UNIT_SCALE,),
    softmax_on_bpu: bool = False,
    batch: int = 1,
) -> PtqConfig:
    """A complete PTQ yaml for one model with one image input.

    `input_kind` is what the board will feed (nv12, rgb, bgr, yuv444, gray), `train_type` what the ONNX takes, which is
    (pixel - mean) * scale, one number for all channels or one for each. `batch`: images per call of the `.bin`.
    Raises ConfigError on combinations that cannot be compiled.
    """
    channels = 1 if train_type == "gray" else 3
    source = image_input(
        input_name, input_kind, train_type, (1, channels, size_wh[1], size_wh[0]), mean=mean, scale=scale
    )
    return config_of_inputs(
        (source,),
        onnx_model=onnx_model,
        prefix=prefix,
        march=march,
        calibration=calibration,
        max_percentile=max_percentile,
        softmax_on_bpu=softmax_on_bpu,
        batch=batch,
    )


def image_input(
    name: str,
    kind: InputKind,
    train_type: InputKind,
    shape: tuple[int, ...],
    *,
    mean: tuple[float, ...],
    scale: tuple[float, ...],
    data_dir: str = f"./{CALIBRATION_DIR}",
) -> PtqInput:
    """An image input of a PTQ yaml; `shape` is (1, c, h, w), the other arguments are as for `ptq_config`."""
    return PtqInput(
        name=name,
        type_train=train_type,
        layout_train="NCHW",
        type_rt=kind,
        layout_rt="" if kind == "nv12" else LAYOUT_RT.get(kind, "NCHW"),
        color_space="regular",
        shape=shape,
        norm_type="data_mean_and_scale" if any(mean) else "data_scale",
        mean=mean if any(mean) else None,
        scale=scale,
        cal_data_dir=data_dir,
        cal_data_type="float32",
    )


def featuremap_input(name: str, shape: tuple[int, ...], *, data_dir: str = f"./{CALIBRATION_DIR}") -> PtqInput:
    """An input of a PTQ yaml that is no image: the board feeds what the ONNX takes."""
    return PtqInput(
        name=name,
        type_train="featuremap",
        layout_train="NCHW",
        type_rt="featuremap",
        layout_rt="NCHW",
        color_space="regular",
        shape=shape,
        norm_type="no_preprocess",
        mean=None,
        scale=None,
        cal_data_dir=data_dir,
        cal_data_type="float32",
    )


def config_of_inputs(
    inputs: Sequence[PtqInput],
    *,
    onnx_model: str,
    prefix: str,
    march: March,
    calibration: str = "default",
    max_percentile: float | None = None,
    softmax_on_bpu: bool = False,
    batch: int = 1,
) -> PtqConfig:
    """A complete PTQ yaml for a model with these inputs; see `ptq_config`."""
    if max_percentile is not None and calibration != "max":
        raise ConfigError(
            f"max_percentile is {max_percentile} with calibration {calibration!r}, expected calibration max",
            hint="add --calibration max, or leave the percentile out",
        )
    return PtqConfig(
        ModelParameters(
            onnx_model=f"./{onnx_model}",
            march=march,
            output_model_file_prefix=prefix,
            working_dir=OUTPUT_DIR,
            layer_out_dump=False,
        ),
        _input_parameters(inputs, batch),
        CalibrationParameters(
            cal_data_dir=tuple(item.cal_data_dir for item in inputs),
            cal_data_type=tuple(item.cal_data_type for item in inputs),
            calibration_type=calibration,
            max_percentile=max_percentile,
            optimization=SOFTMAX_ON_BPU if softmax_on_bpu else None,
        ),
        CompilerParameters(compile_mode="latency", debug=False, optimize_level="O3"),
    )


def _input_parameters(inputs: Sequence[PtqInput], batch: int) -> InputParameters:
    """The inputs field by field; what no input needs is left out."""
    layouts = tuple(item.layout_rt for item in inputs)
    means, scales = tuple(item.mean for item in inputs), tuple(item.scale for item in inputs)
    nv12 = any(item.type_rt == "nv12" for item in inputs)
    return InputParameters(
        input_name=tuple(item.name for item in inputs),
        input_type_rt=tuple(item.type_rt for item in inputs),
        input_layout_rt=layouts if any(layouts) else None,
        input_space_and_range=tuple(item.color_space for item in inputs) if nv12 else None,
        input_type_train=tuple(item.type_train for item in inputs),
        input_layout_train=tuple(item.layout_train for item in inputs),
        input_shape=tuple(item.shape for item in inputs),
        input_batch=batch if batch > 1 else None,
        norm_type=tuple(item.norm_type for item in inputs),
        mean_value=means if any(mean is not None for mean in means) else None,
        scale_value=scales if any(scale is not None for scale in scales) else None,
    )


def reasons(config: PtqConfig) -> dict[str, str]:
    """Why each value stands as it does, by field: the comments in the yaml."""
    model_input = next((item for item in config.inputs if item.type_rt != "featuremap"), config.inputs[0])
    kinds = tuple(dict.fromkeys(item.type_rt for item in config.inputs))
    arrays = "featuremap" in kinds
    unit = model_input.scale == (UNIT_SCALE,) and model_input.mean is None
    return {
        "onnx_model": "cut at the head convolutions (edgekit cut), so that no float tail stays on the board's CPU",
        "march": "bernoulli2: RDK X3, bayes: RDK Ultra, bayes-e: RDK X5; their .bin files never interchange",
        "output_model_file_prefix": "the name of every file that the compiler writes",
        "working_dir": "beside this yaml, like every path here",
        "layer_out_dump": "outputs of inner layers cost memory and time on the board",
        "input_name": "the input of the ONNX" if len(config.inputs) == 1 else "the inputs of the ONNX, in this order",
        "input_type_rt": "; ".join(REASON_OF_RT[kind] for kind in kinds),
        "input_layout_rt": REASON_OF_LAYOUT.get(model_input.type_rt, ""),
        "input_space_and_range": "BT.601 full range (0..255), which edgekit's NV12 has; cv2's I420 is studio range",
        "input_type_train": "the colour order that the ONNX was trained on, and that of the calibration files",
        "input_layout_train": "the layout of the ONNX, and that of the calibration files",
        "input_shape": "the size that the ONNX was exported at; nv12 and yuv444 need even sides",
        "input_batch": "images per call of the .bin; the ONNX and the calibration files are those of one",
        "norm_type": "the BPU scales the pixels itself" + ("; featuremaps are taken as they are" if arrays else ""),
        "mean_value": "subtracted from the pixels 0..255 of the files and the board, per channel of the ONNX",
        "scale_value": REASON_OF_UNIT_SCALE if unit else "1 / std: what the model was trained with, per channel",
        "cal_data_dir": "made by edgekit calibrate: each image fits the input as it will at run time",
        "cal_data_type": "raw float32, no header, " + ("images " if arrays else "") + "values 0..255",
        "calibration_type": REASON_OF_CALIBRATION.get(config.calibration_parameters.calibration_type, ""),
        "max_percentile": "cuts the rarest activations off, so that the common ones get finer steps",
        "optimization": "a Softmax of an attention block stays on the BPU in int8; none is left after edgekit cut",
        "compile_mode": "the shortest time per frame; bandwidth would spare the DDR",
        "debug": "per-layer figures inside the .bin, not needed to run it",
        "optimize_level": "the fastest code; O0 compiles in seconds for a first try",
    }


REASON_OF_UNIT_SCALE = "1/255: the files and the board give 0..255, the ONNX takes 0..1; no mean is subtracted"
REASON_OF_RT = {
    "nv12": "what the board's cameras and decoders deliver: half the bytes of RGB, converted on the BPU for free",
    "rgb": "three planes of pixels as the model was trained: no colour conversion lies between",
    "bgr": "what cv2 reads; the BPU swaps the channels",
    "yuv444": "full-resolution chroma; twice the bytes of nv12",
    "gray": "one plane, for a model trained on grey images",
    "featuremap": "no image: float32 as the ONNX takes it",
}
REASON_OF_LAYOUT = {
    "rgb": "planes, as the model has them",
    "bgr": "planes, as the model has them",
    "gray": "one plane",
    "yuv444": "interleaved: the one layout that every board takes",
}
REASON_OF_CALIBRATION = {
    "default": "the compiler tries several methods and keeps the best by output similarity; the safe start",
    "max": "the largest activation seen, or the percentile below",
    "kl": "the threshold that keeps the distribution's information (entropy)",
}


@dataclass(frozen=True, slots=True)
class Preset:
    """One file of `ptq_yamls/`: a family, a task and an input kind, shown on the family's nano model."""

    model: str
    task: TaskName
    input_kind: InputKind
    size: int = 640
    attention: bool = False

    @property
    def config(self) -> PtqConfig:
        """The preset as a complete yaml."""
        family = self.model.replace("-", "_")
        return ptq_config(
            onnx_model=f"{self.model}_heads.onnx",
            prefix=output_prefix(family, "bayes-e", (self.size, self.size), self.input_kind),
            march="bayes-e",
            input_kind=self.input_kind,
            size_wh=(self.size, self.size),
            softmax_on_bpu=self.attention,
        )

    def text(self) -> str:
        """The file's content."""
        families = "YOLOv10, 11, 12, 13 and 26 (attention blocks)" if self.attention else "YOLOv5, v8 and v9"
        header = (
            f"{self.task}, {self.input_kind} on the board: {families}.\n"
            f"`edgekit calibrate --input {self.input_kind}` writes this yaml filled in for your model.\n"
            "By hand: put in your model's name and size, then run `edgekit compile` on it."
        )
        return dump_config(self.config, header=header, comments=reasons(self.config))


def output_prefix(stem: str, march: March, size_wh: tuple[int, int], input_kind: InputKind) -> str:
    """The name of the compiled files, e.g. `yolov8n_seg_bayese_640x640_nv12` (width x height).

    The toolchain takes plain names: see `plain_name` for what becomes of others.
    """
    return f"{plain_name(stem)}_{march.replace('-', '')}_{size_wh[0]}x{size_wh[1]}_{input_kind}"


def plain_name(text: str) -> str:
    """`text` in ASCII letters, digits and underscores; accents go, and where more is lost, a short hash keeps it apart.

    yolov8n-seg gives yolov8n_seg, a name in Chinese model_1a2b3c4d, one with a word of ASCII in it that word and
    the hash. Equal names give equal ones, different names different ones but for punctuation.
    """
    words = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"\W+", "_", words, flags=re.ASCII).strip("_")
    if text.isascii() and plain and len(plain) <= MAX_NAME:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[:MAX_NAME].strip('_') or 'model'}_{digest}"


# Family, task: (nano model of the family, its usual size, whether it has attention)
_MODELS: dict[tuple[str, TaskName], tuple[str, int, bool]] = {
    ("yolov8", "detect"): ("yolov8n", 640, False),
    ("yolov8", "segment"): ("yolov8n-seg", 640, False),
    ("yolov8", "pose"): ("yolov8n-pose", 640, False),
    ("yolov8", "obb"): ("yolov8n-obb", 1024, False),
    ("yolov8", "classify"): ("yolov8n-cls", 224, False),
    ("yolo11", "detect"): ("yolo11n", 640, True),
    ("yolo11", "segment"): ("yolo11n-seg", 640, True),
    ("yolo11", "pose"): ("yolo11n-pose", 640, True),
    ("yolo11", "obb"): ("yolo11n-obb", 1024, True),
    ("yolo11", "classify"): ("yolo11n-cls", 224, True),
}
PRESET_KINDS: tuple[InputKind, ...] = ("nv12", "rgb")
PRESETS: dict[str, Preset] = {
    f"{family}_{task}_{kind}.yaml": Preset(model, task, kind, size, attention)
    for (family, task), (model, size, attention) in _MODELS.items()
    for kind in PRESET_KINDS
}
