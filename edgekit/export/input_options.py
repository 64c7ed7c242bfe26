"""How an ordinary CNN takes its images, where nothing in the file says it: mean, deviation, fit and channel order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from edgekit.errors import ConfigError, ModelError
from edgekit.preprocess import MAX_BATCH, Fit, Preprocess
from edgekit.records import to_json
from edgekit.spec import ModelSpec

__all__ = ["COLORS", "NORMALIZATIONS", "NO_INPUT_OPTIONS", "InputOptions", "missing_normalization"]

Color = Literal["rgb", "bgr"]
COLORS: tuple[Color, ...] = get_args(Color)
# Name -> (mean, std) of pixels 0..255, per channel in RGB order: what models were trained on.
NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # torchvision; most of timm
    "unit": ((0.0,), (255.0,)),  # 0..1: Ultralytics
    "signed": ((127.5,), (127.5,)),  # -1..1: Inception, MobileNet of TensorFlow
    "pixels": ((0.0,), (1.0,)),  # 0..255 as they are
}


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What a user says of a model's images; empty fields leave what the model's kind implies.

    Attributes:
        mean: Of the pixels 0..255, one number or one per channel.
        std: Their standard deviation, likewise.
        fit: "pad", "crop" or "stretch".
        crop_fraction: Of "crop": the input's side as a share of the scaled image's; see `Preprocess`.
        color: Channel order of a model with three channels: "rgb" or "bgr".
        featuremaps: Inputs that are no images although they could be.
        batch: Images per call of the compiled model; None leaves it.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fit: Literal[Fit, ""] = ""
    crop_fraction: float | None = None
    color: Literal[Color, ""] = ""
    featuremaps: tuple[str, ...] = ()
    batch: int | None = None

    def __post_init__(self) -> None:
        if bool(self.mean) != bool(self.std):
            missing, there = ("std", "mean") if self.mean else ("mean", "std")
            raise ConfigError(
                f"--{missing} is missing beside --{there}, expected both",
                hint=f"add --{missing}, in pixels 0..255, or name a preset: --normalize imagenet",
            )
        if self.batch is not None and not 1 <= self.batch <= MAX_BATCH:
            raise ConfigError(f"--batch is {self.batch}, expected 1..{MAX_BATCH}", hint="1 is the usual")
        if self.color not in ("", *COLORS):
            raise ConfigError(f"color is {self.color!r}, expected one of {', '.join(COLORS)}", hint="leave it out")

    def __bool__(self) -> bool:
        return self != InputOptions()

    @property
    def normalized(self) -> bool:
        """Whether mean and standard deviation are known."""
        return bool(self.mean)

    def to_json(self) -> dict[str, Any]:
        """Return the options that are set, for a manifest."""
        return {key: value for key, value in to_json(self).items() if value not in ("", None, [])}

    def applied(self, spec: ModelSpec) -> ModelSpec:
        """Return the sidecar with these options in it.

        Args:
            spec: The sidecar of a float model.

        Raises:
            ConfigError: They do not fit the model's input.
        """
        if not self:
            return spec
        self._check(spec)
        inputs = [replace(item, kind=self.color or item.kind) if item.is_image else item for item in spec.inputs]
        if self.batch is not None:
            inputs[0] = replace(inputs[0], batch=self.batch)
        return replace(
            spec, input=inputs[0], more_inputs=tuple(inputs[1:]), preprocess=self._preprocess(spec.preprocess)
        )

    def _check(self, spec: ModelSpec) -> None:
        """Raise ConfigError where the options do not fit the model's inputs."""
        gray = next((item.name for item in spec.inputs if item.kind == "gray"), None)
        if gray is not None and (self.color or max(len(self.mean), len(self.std)) > 1):
            raise ConfigError(
                f"input {gray!r} has one channel, expected one mean, one std and no --color",
                hint="give --mean and --std one number each",
            )
        if (self.batch or 1) > 1 and not spec.takes_one_image:
            raise ConfigError(
                f"--batch {self.batch} is for models that take one image, and this one takes "
                f"{', '.join(item.name for item in spec.inputs)}",
                hint="leave --batch out: the compiler has batches for one image input alone",
            )
        images = {item.name for item in spec.inputs if item.is_image}
        if cut_as_image := [name for name in self.featuremaps if name in images]:
            raise ConfigError(
                f"--featuremap names {cut_as_image[0]!r}, which this model was cut to take as an image",
                hint="cut the export itself: edgekit cut MODEL.onnx --task raw --featuremap NAME",
            )
        if not images and replace(self, featuremaps=(), batch=None):
            raise ConfigError(
                f"input {spec.input.name!r} is no image, expected no --normalize, --mean, --std, --fit and --color",
                hint="leave them out: featuremaps reach the model as they are",
            )

    def _preprocess(self, before: Preprocess) -> Preprocess:
        fit = self.fit or before.fit
        if self.crop_fraction is not None and fit != "crop":
            raise ConfigError(
                f"--crop-fraction is {self.crop_fraction:g} with images that are not cropped, expected --fit crop",
                hint="add --fit crop, or leave the fraction out",
            )
        fraction = self.crop_fraction if self.crop_fraction is not None else before.crop_fraction
        try:
            return replace(
                before,
                fit=fit,
                crop_fraction=fraction if fit == "crop" else 1.0,
                mean=self.mean or before.mean,
                std=self.std or before.std,
            )
        except ModelError as error:
            raise ConfigError(error.message.removeprefix("preprocess."), hint="see edgekit cut --help") from error


NO_INPUT_OPTIONS = InputOptions()


def missing_normalization(input_name: str) -> ModelError:
    """Return the refusal of a model of which nothing says how its pixels are normalised."""
    return ModelError(
        f"nothing says how the pixels of input {input_name!r} are normalised, expected a mean and a std",
        hint="add --normalize imagenet (torchvision, timm), unit (0..1) or signed (-1..1), or --mean and --std",
    )
