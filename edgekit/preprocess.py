"""A model's input, and how an image becomes it: size, fit, padding, colour range, mean and standard deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from edgekit.records import any_of, require

ColorRange = Literal["full", "studio"]
Fit = Literal["pad", "crop", "stretch"]
InputKind = Literal["nv12", "rgb", "bgr", "yuv444", "gray", "featuremap"]
Layout = Literal["NCHW", "NHWC"]  # of an image input; nv12 has none
COLOR_RANGES: tuple[ColorRange, ...] = get_args(ColorRange)
FITS: tuple[Fit, ...] = get_args(Fit)
INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
PAD_VALUE = 114  # the grey that Ultralytics pads with
MAX_SIDE = 16384
MAX_SIDES = 8  # of a tensor
MAX_ELEMENTS = 1 << 30  # of a tensor
MAX_BATCH = 128  # of the compiler's input_batch
MAX_MEAN = 65535.0  # pixels of 16 bits
UNIT_STD = (255.0,)  # float models that take pixels in 0..1, as Ultralytics' do


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The model's input tensor.

    A float model (stage "stock" or "heads") takes `kind` "rgb", NCHW, float32 in 0..1; a quantized one takes uint8
    pixels (nv12: one flat array of H*W*3/2 bytes, the Y plane, then interleaved UV).

    Attributes:
        name: Of the tensor.
        kind: Of image: one of `InputKind`.
        layout: "NCHW" or "NHWC"; nv12 has none.
        shape: Of the float model's tensor, batch included: of a featuremap, and of every input behind the first. Empty
            for the one image of most models, whose size the preprocess has.
        batch: Images per call of the compiled model, along the first axis of its inputs and outputs. The float model
            and the shapes of the sidecar are those of one image.
    """

    name: str
    kind: InputKind = "rgb"
    layout: Layout = "NCHW"
    shape: tuple[int, ...] = ()
    batch: int = 1

    def __post_init__(self) -> None:
        _require_input(self.kind in INPUT_KINDS, "kind", self.kind, any_of(INPUT_KINDS))
        _require_input(self.layout in LAYOUTS, "layout", self.layout, "NCHW or NHWC")
        _require_input(len(self.shape) <= MAX_SIDES, "shape", self.shape, f"at most {MAX_SIDES} sides")
        _require_input(all(0 < side <= MAX_ELEMENTS for side in self.shape), "shape", self.shape, "positive numbers")
        _require_input(math.prod(self.shape) <= MAX_ELEMENTS, "shape", self.shape, "at most 2^30 elements")
        _require_input(1 <= self.batch <= MAX_BATCH, "batch", self.batch, f"1..{MAX_BATCH}")

    @property
    def is_image(self) -> bool:
        """Whether images are made into it; a featuremap takes an array as it is."""
        return self.kind != "featuremap"

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of an image whose shape (1, c, h, w) is recorded."""
        return self.shape[3], self.shape[2]


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How an image becomes the model's input; calibration, simulation and board all read it from here.

    Attributes:
        width: Of the input, in pixels.
        height: Of the input, in pixels.
        pad_value: Grey level of the padding.
        interpolation: How images are scaled; "linear".
        color_range: Of YUV inputs: "full" (0..255, yaml `regular`) or "studio" (16..235, `bt601_video`).
        fit: "pad" scales an image to fit and centers it; "crop" scales it to cover and cuts the overhang off, as
            classifiers are trained; "stretch" scales width and height separately.
        crop_fraction: Of "crop": the input's side as a share of the scaled image's, 0..1. 224 / 256 = 0.875 is
            torchvision's Resize(256) and CenterCrop(224), which timm calls crop_pct.
        mean: Subtracted from pixels 0..255: one number, or one per channel of the float model's input.
        std: What the difference is divided by, likewise; 255 alone gives 0..1.
    """

    width: int
    height: int
    pad_value: int = PAD_VALUE
    interpolation: str = "linear"
    color_range: ColorRange = "full"
    fit: Fit = "pad"
    crop_fraction: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = UNIT_STD

    def __post_init__(self) -> None:
        _require(self.fit in FITS, "fit", self.fit, any_of(FITS))
        _require(0 < self.width <= MAX_SIDE, "width", self.width, f"1..{MAX_SIDE}")
        _require(0 < self.height <= MAX_SIDE, "height", self.height, f"1..{MAX_SIDE}")
        _require(0 <= self.pad_value <= 255, "pad_value", self.pad_value, "0..255")
        _require(self.interpolation == "linear", "interpolation", self.interpolation, "linear")
        _require(self.color_range in COLOR_RANGES, "color_range", self.color_range, any_of(COLOR_RANGES))
        _require(0.1 <= self.crop_fraction <= 1, "crop_fraction", self.crop_fraction, "0.1..1")
        for name in ("mean", "std"):
            values = getattr(self, name)
            _require(len(values) in (1, 3), f"{name} count", len(values), "1 or 3")
            finite = all(math.isfinite(v) and abs(v) <= MAX_MEAN for v in values)
            _require(finite, name, values, f"numbers of at most {MAX_MEAN:g}")
        _require(min(self.std) > 0, "std", self.std, "numbers above 0")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def scale(self) -> tuple[float, ...]:
        """What the difference from the mean is multiplied by: 1 / std, the yaml's `scale_value`."""
        return tuple(1 / value for value in self.std)


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    require(condition, f"preprocess.{name}", value, expected)


def _require_input(condition: bool, name: str, value: object, expected: str) -> None:
    require(condition, f"input.{name}", value, expected)
