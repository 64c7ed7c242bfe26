"""A session as a torch module: a batch of letterboxed images in, results out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgekit.decode.plan import DecodeOptions
from edgekit.results import Results
from edgekit.results.frame import Image
from edgekit.runtime.session import Session

__all__ = ["ResultsBatch", "SessionModule", "images_of_tensor"]


@dataclass(frozen=True, slots=True)
class ResultsBatch:
    """Results of a batch of images, in its order. Ultralytics hands it through as it does any object."""

    results: tuple[Results, ...]


class SessionModule(torch.nn.Module):
    """What Ultralytics' backend takes for a PyTorch model: names, stride and a forward pass.

    Thresholding and non-maximum suppression are the session's own: results need none of Ultralytics' post-processing.
    """

    def __init__(self, session: Session) -> None:
        """Take a session; its device is shared, not copied."""
        super().__init__()
        self.session = session
        self.names = dict(enumerate(session.spec.names))
        self.task = session.spec.task
        self.stride = torch.tensor([32.0])
        self.kpt_shape = list(session.spec.keypoint_shape)
        self.yaml = {"channels": 3}

    def fuse(self, verbose: bool = False) -> SessionModule:
        """Return the module: there is nothing to fuse."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SessionModule:
        """Return a module of the same session: Ultralytics copies what it fuses, and a device cannot be copied."""
        return SessionModule(self.session)

    def with_options(self, options: DecodeOptions) -> SessionModule:
        """Return a module of the same device with other thresholds."""
        session = self.session
        if session.options == options:
            return self
        return SessionModule(Session(session.spec, session.device, options, session.notes))

    def forward(self, images: torch.Tensor, *args: Any, **kwargs: Any) -> ResultsBatch:
        """Predict a batch (b, 3, h, w) float in 0..1, RGB; results are in pixels of those images."""
        return ResultsBatch(tuple(self.session.predict(bgr) for bgr in images_of_tensor(images)))


def images_of_tensor(images: torch.Tensor) -> Sequence[Image]:
    """Convert a batch to images.

    Args:
        images: (b, 3, h, w) float in 0..1 or uint8, RGB.

    Returns:
        b images (h, w, 3) uint8, BGR.
    """
    pixels = images if images.dtype == torch.uint8 else (images.float() * 255).round().clamp(0, 255).to(torch.uint8)
    array: npt.NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).cpu().numpy()
    return [np.ascontiguousarray(image[..., ::-1]) for image in array]
