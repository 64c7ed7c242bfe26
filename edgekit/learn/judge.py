"""The judge: integer graphs on images that were not learned from, by the loss that is learned, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgekit.data.image_loader import map_images
from edgekit.data.image_source import Image
from edgekit.errors import ImageError
from edgekit.evaluation.bootstrap import Interval, image_weights, interval, quotients
from edgekit.learn.losses import output_losses, total_loss
from edgekit.learn.network import Network
from edgekit.ops.image import mirrored
from edgekit.ops.pixels import normalised
from edgekit.ops.prepare import prepare_image
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.prepared_model import PreparedModel
from edgekit.spec import ModelSpec

Losses = npt.NDArray[np.float64]
THREADS = 2
CONFIDENCE = 0.95  # share of the draws of the images in which a learned build has to be better


def integer_losses(
    builds: Mapping[str, tuple[PreparedModel, Mapping[str, float]]],
    images: Sequence[Image],
    network: Network,
    truth_weights: Mapping[str, tuple[Any, Any]],
    spec: ModelSpec,
    *,
    progress: Progress = silent,
) -> dict[str, Losses]:
    """Run builds on the simulated device and compare their outputs with the float model's.

    Args:
        builds: Name -> the build's model and its threshold per scale.
        images: Images that nothing was learned from.
        network: The interpreter of the original model.
        truth_weights: That model's weights.
        spec: The original cut model's sidecar.
        progress: Called per image.

    Returns:
        Name -> (n,) loss per image, the same images for all. What int8 does to one image is mostly chance, so that each
        counts together with its mirror image, by the mean of their roots, as images are pooled.
    """
    sessions = {name: _session(subject, thresholds) for name, (subject, thresholds) in builds.items()}
    losses: dict[str, list[float]] = {name: [] for name in builds}
    for done, (_, bgr) in enumerate(map_images(images, lambda pixels: pixels)):
        progress("judging integer graphs", done, len(images))
        if isinstance(bgr, ImageError):
            raise bgr
        views = [_losses(view, sessions, network, truth_weights, spec) for view in (bgr, mirrored(bgr))]
        for name in sessions:
            losses[name].append(float(np.mean([np.sqrt(view[name]) for view in views])) ** 2)
    progress("judging integer graphs", len(images), len(images))
    return {name: np.array(values) for name, values in losses.items()}


def _losses(
    bgr: npt.NDArray[np.uint8],
    sessions: Mapping[str, Any],
    network: Network,
    truth_weights: Mapping[str, tuple[Any, Any]],
    spec: ModelSpec,
) -> dict[str, float]:
    """Each build's loss on one image."""
    from edgekit.ops.buffers import Buffers

    pixels, _ = prepare_image(bgr, spec.input, spec.preprocess, Buffers())
    x = normalised(pixels, spec.input, spec.preprocess)
    losses = {}
    with torch.no_grad():
        truth = {k: v.cpu() for k, v in network.run(torch.from_numpy(x), truth_weights).items()}
        for name, session in sessions.items():
            outputs = session.infer(session.prepare(bgr)[0])
            tensors = {k: torch.from_numpy(np.asarray(v, np.float32)) for k, v in outputs.items()}
            losses[name] = float(total_loss(output_losses(spec, truth, tensors)))
    return losses


def loss_ratio(losses: Losses, reference: Losses, *, seed: int = 0) -> Interval:
    """Return the pooled loss over the reference's, with its paired bootstrap interval over images."""
    return interval(_ratios(losses, reference, seed))


def is_smaller(losses: Losses, reference: Losses, *, seed: int = 0) -> bool:
    """Return whether the pooled loss is below the reference's, in `CONFIDENCE` of all draws of the images, too."""
    ratios = _ratios(losses, reference, seed)
    return bool(ratios[0] < 1 and (ratios[1:] < 1).mean() >= CONFIDENCE)


def _ratios(losses: Losses, reference: Losses, seed: int) -> Losses:
    weights = image_weights(len(losses), seed=seed)
    return quotients((weights @ np.sqrt(losses)) ** 2, (weights @ np.sqrt(reference)) ** 2)


def _session(subject: PreparedModel, thresholds: Mapping[str, float]) -> Any:
    """The build on the simulated device, all heads as floats."""
    from edgekit.runtime.session import Session
    from edgekit.sim.compiler.sidecars import quantized_spec
    from edgekit.sim.device import SimDevice
    from edgekit.sim.graph import load_graph

    quantized = subject.quantized(thresholds)
    device = SimDevice(load_graph(quantized.model.SerializeToString()), threads=THREADS)
    return Session(quantized_spec(subject.job, subject.graph, *subject.inputs), device)
