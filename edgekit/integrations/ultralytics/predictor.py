"""Ultralytics' predictor over a session: its sources, trackers and outputs, our preprocessing and decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from ultralytics.engine.predictor import BasePredictor

from edgekit.decode.plan import DecodeOptions
from edgekit.errors import ConfigError
from edgekit.integrations.ultralytics.module import ResultsBatch, SessionModule, images_of_tensor
from edgekit.results import Detections, Results
from edgekit.results.frame import Image

__all__ = ["EdgekitPredictor", "decode_options", "refuse_unsupported"]

MANY = 1000  # detections of which some classes are kept
UNSUPPORTED = ("agnostic_nms", "augment", "embed", "visualize")


class EdgekitPredictor(BasePredictor):
    """A predictor for every task: images go to the session in their original size."""

    def setup_model(self, model: SessionModule, verbose: bool = True) -> None:
        """Bind the session."""
        super().setup_model(model, verbose=verbose)
        self.module = model

    def preprocess(self, im: torch.Tensor | list[Image]) -> torch.Tensor:
        """Return a tensor of the model's input shape without content: the session prepares images itself."""
        width, height = self.module.session.spec.preprocess.size_wh
        return torch.empty((len(im), 3, height, width), device="meta")

    def inference(self, im: torch.Tensor, *args: Any, **kwargs: Any) -> ResultsBatch:
        """Predict the images of the current batch, with the thresholds of the current call."""
        options = decode_options(self.args, multi_label=False)
        if self.args.classes is not None:  # the limit is one of the classes that are kept
            options = replace(options, max_detections=max(MANY, options.max_detections))
        module = self.module.with_options(options)
        return ResultsBatch(tuple(module.session.predict(bgr) for bgr in _images(self.batch[1])))

    def postprocess(
        self, preds: ResultsBatch, img: torch.Tensor, orig_imgs: torch.Tensor | list[Image], **kwargs: Any
    ) -> list[Any]:
        """Convert to Ultralytics' results, in pixels of the original images, with the classes that `classes` keeps."""
        images, paths = _images(orig_imgs), self.batch[0]
        return [
            _limited(_of_classes(results, self.args.classes), int(self.args.max_det)).to_ultralytics(
                bgr, path=str(path)
            )
            for results, bgr, path in zip(preds.results, images, paths, strict=True)
        ]


def decode_options(args: Any, *, multi_label: bool) -> DecodeOptions:
    """Return the thresholds of Ultralytics' arguments.

    Args:
        args: With `conf`, `iou` and `max_det`.
        multi_label: Whether a cell may be several classes at once.

    Returns:
        Our options.

    Raises:
        ConfigError: A number is out of range.
    """
    conf = 0.25 if args.conf is None else float(args.conf)
    return DecodeOptions(conf, float(args.iou), int(args.max_det), multi_label)


def refuse_unsupported(args: Mapping[str, Any]) -> None:
    """Raise ConfigError for an option of Ultralytics that a compiled model cannot follow.

    Args:
        args: Ultralytics' arguments by name.
    """
    for name in UNSUPPORTED:
        if args.get(name):
            raise ConfigError(
                f"{name} is {args[name]!r}, expected it to be off: a compiled model has no such mode",
                hint=f"leave {name} away, or use the .pt model for it",
            )


def _images(batch: torch.Tensor | list[Image]) -> Sequence[Image]:
    if isinstance(batch, torch.Tensor):
        return images_of_tensor(batch)
    return [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in batch]


def _of_classes(results: Results, classes: Sequence[int] | None) -> Results:
    if classes is None or not isinstance(results, Detections):
        return results
    kept = np.isin(results.class_ids, np.atleast_1d(np.asarray(classes)))
    return results[kept]


def _limited(results: Results, count: int) -> Results:
    return results[:count] if isinstance(results, Detections) else results
