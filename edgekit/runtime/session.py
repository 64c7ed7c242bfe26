"""A session: one model on one device, from image to results.

>>> session = edgekit.load("yolov8n_seg.bin")
>>> results = session.predict(edgekit.read_image("street.jpg"))
>>> results.labels, results.scores, results.boxes_xyxy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from edgekit.decode.decoder import Decoder
from edgekit.decode.plan import DecodeOptions
from edgekit.errors import ConfigError, ModelError
from edgekit.ops.buffers import Buffers
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.nv12 import letterbox_nv12, nv12_to_bgr
from edgekit.ops.pixels import normalised
from edgekit.ops.prepare import prepare_image
from edgekit.preprocess import ColorRange
from edgekit.results import Results
from edgekit.runtime.batches import infer_images
from edgekit.runtime.device import Device, Tensors
from edgekit.runtime.model_inputs import FLOAT_STAGES as FLOAT_STAGES
from edgekit.runtime.model_inputs import prepare_arrays
from edgekit.runtime.registry import open_model
from edgekit.spec import ModelSpec

Named = Mapping[str, npt.NDArray[Any]]


class Session:
    """One model on one device: prepare -> infer -> decode, or predict for all three; nothing is kept between frames."""

    def __init__(
        self, spec: ModelSpec, device: Device, options: DecodeOptions | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        """Bind a model's decoder.

        Args:
            spec: The model.
            device: What computes it.
            options: Thresholds and limits; None for the defaults.
            notes: What was assumed on the way.

        Raises:
            ModelError: The outputs are not a whole head of the model's task.
        """
        self.spec = spec
        self.device = device
        self.options = options or DecodeOptions()
        self.decoder = Decoder(spec, self.options, device=device.kind)
        self.notes = notes

    @overload
    def prepare(
        self, sample: npt.NDArray[np.uint8], *, buffers: Buffers | None = None
    ) -> tuple[npt.NDArray[Any], Letterbox]: ...

    @overload
    def prepare(
        self, sample: Named, *, buffers: Buffers | None = None
    ) -> tuple[dict[str, npt.NDArray[Any]], Letterbox]: ...

    def prepare(
        self, sample: npt.NDArray[np.uint8] | Named, *, buffers: Buffers | None = None
    ) -> tuple[npt.NDArray[Any] | dict[str, npt.NDArray[Any]], Letterbox]:
        """Convert an image, or arrays by input name, to the model's inputs.

        Args:
            sample: (h, w, 3) uint8 BGR; for a model that takes more than one image or none, arrays by input name, as
                `model_inputs.prepare_arrays` says.
            buffers: Memory for the result, one set per thread; the array is overwritten by the next call with them.

        Returns:
            uint8 for quantized models (nv12: flat), normalised float32 (1, 3, h, w) for float ones, by input name if
                `sample` is; and where the image lies in it.

        Raises:
            ImageError: An image is none.
            ModelError: The model takes something else.
        """
        if isinstance(sample, Mapping):
            return prepare_arrays(sample, self.spec, buffers or Buffers())
        if not self.spec.takes_one_image:
            raise ModelError(
                f"the model takes {', '.join(item.name for item in self.spec.inputs)}, expected arrays by these names",
                hint="give a folder of .npz or of .npy, or Session.predict a mapping: see docs/plain-cnns.md",
            )
        pixels, letterbox = prepare_image(sample, self.spec.input, self.spec.preprocess, buffers or Buffers())
        if self.spec.stage in FLOAT_STAGES:
            return normalised(pixels, self.spec.input, self.spec.preprocess), letterbox
        return pixels, letterbox

    def prepare_nv12(
        self,
        nv12: npt.NDArray[np.uint8],
        size_wh: tuple[int, int],
        *,
        color_range: ColorRange | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[npt.NDArray[Any], Letterbox]:
        """Convert an NV12 frame of a camera or codec to the model's input, without BGR between.

        A frame of the input's size passes through untouched. A model that takes no NV12, or does not pad, gets
        the image its own way.

        Args:
            nv12: Packed frame, flat uint8 of w * h * 3 / 2.
            size_wh: Its size in pixels.
            color_range: The frame's, "full" or "studio"; None for the model's.
            buffers: Memory for the result, one set per thread.

        Returns:
            As `prepare`.

        Raises:
            ImageError: The frame has another size.
        """
        if self.spec.input.kind != "nv12" or self.spec.preprocess.fit != "pad":
            bgr = nv12_to_bgr(nv12, size_wh, color_range=color_range or self.spec.preprocess.color_range)
            return self.prepare(bgr, buffers=buffers)
        return letterbox_nv12(nv12, size_wh, self.spec.preprocess, buffers or Buffers(), color_range=color_range)

    def infer(self, inputs: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Run the model.

        Args:
            inputs: The input, or input name -> array.

        Returns:
            Output name -> integers or floats as the device gives them.

        Raises:
            ModelError: The inputs do not fit.
            DeviceError: The device fails.
        """
        if self.images_per_call > 1:
            return self.infer_batch([inputs])[0]
        named = inputs if isinstance(inputs, Mapping) else {self.spec.input.name: inputs}
        return self.device.infer(named)

    @property
    def images_per_call(self) -> int:
        """How many images the device takes at once: 1 but for a model that was compiled with --batch."""
        return self.spec.input.batch if self.spec.stage == "bin" else 1

    def infer_batch(self, inputs: Sequence[npt.NDArray[Any] | Named]) -> list[Tensors]:
        """Run several images, as many per call as the model takes; see `infer`.

        Args:
            inputs: Of each image, as `prepare` makes them. The last call is filled up with its last image.

        Returns:
            Of each image what `infer` gives.
        """
        if self.images_per_call == 1:
            return [self.infer(item) for item in inputs]
        name = self.spec.input.name
        arrays = [item[name] if isinstance(item, Mapping) else item for item in inputs]
        return infer_images(self.device, name, arrays, self.images_per_call)

    def predict_batch(self, images: Sequence[npt.NDArray[np.uint8] | Named]) -> list[Results]:
        """Run several images to their results, as many per call as the model takes; see `predict`."""
        prepared = [self.prepare(image) for image in images]
        heads = self.infer_batch([inputs for inputs, _ in prepared])
        return [self.decode(of_image, box) for of_image, (_, box) in zip(heads, prepared, strict=True)]

    def decode(self, heads: Mapping[str, npt.NDArray[Any]], letterbox: Letterbox) -> Results:
        """Decode the device's outputs to results in pixels of the original image; see `Decoder`."""
        return self.decoder(heads, letterbox)

    def predict(self, sample: npt.NDArray[np.uint8] | Named) -> Results:
        """Run an image (h, w, 3) uint8 BGR, or arrays by input name, to its results; see `prepare`."""
        inputs, letterbox = self.prepare(sample)
        return self.decode(self.infer(inputs), letterbox)

    def with_names(self, names: tuple[str, ...]) -> Session:
        """Return the same session with other class names; raises ConfigError unless there is one per class."""
        if len(names) != self.spec.num_classes:
            raise ConfigError(
                f"{len(names)} class names were given, expected {self.spec.num_classes}",
                hint="give one name per class of the model",
            )
        return Session(replace(self.spec, names=names), self.device, self.options, self.notes)

    def close(self) -> None:
        """Release the device."""
        self.device.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(
    path: str | Path,
    device: str = "auto",
    *,
    conf: float = 0.25,
    iou: float = 0.7,
    max_detections: int = 300,
    multi_label: bool = False,
    full_size: bool = False,
    threads: int = 0,
) -> Session:
    """Open a `.bin`, a quantized graph, a float ONNX (run by onnxruntime) or a bundle.

    Args:
        path: The model file or bundle.
        device: "auto" (what the file asks for), "sim", "bpu" or "hbdk-sim"; for a float model a provider of
            onnxruntime: "cpu", "cuda", "directml", ... (`runtime.providers`).
        conf: Score threshold, 0..1.
        iou: Overlap threshold of the non-maximum suppression, 0..1.
        max_detections: Most objects kept per image.
        multi_label: Whether a cell may give one detection per class above the threshold.
        full_size: Whether class maps and depth maps are interpolated at every pixel.
        threads: Threads of the device; 0 is its default (see `open_model`).

    Returns:
        A session; `session.notes` says what was assumed.

    Raises:
        ModelError: The file is no model that edgekit runs.
        DeviceError: The device is not available or cannot run this model.
        ConfigError: An argument is out of range.
    """
    options = DecodeOptions(conf, iou, max_detections, multi_label, full_size)
    opened = open_model(path, device=device, threads=threads)
    return Session(opened.spec, opened.device, options, opened.notes)
