"""When a learned build is better: pooled over images and mirror images, in nearly all draws of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", minversion="2.1")

from edgekit.compilation.job import load_job
from edgekit.data.image_source import Image
from edgekit.learn.judge import integer_losses, is_smaller, loss_ratio
from edgekit.learn.network import Network
from edgekit.ops.image import mirrored, read_image
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.prepared_model import prepare_model
from tests.learn.conftest import write_images


def test_an_image_counts_together_with_its_mirror_image(works: Callable[..., Path], tmp_path: Path) -> None:
    """So that an image and its mirror image have the same loss."""
    prepared = prepare_model(load_job(works(num_classes=2, size_wh=(32, 32))))
    path = sorted(write_images(tmp_path / "images", 1).iterdir())[0]
    cv2.imwrite(str(tmp_path / "turned.png"), mirrored(read_image(path)))
    thresholds = {name: h.largest for name, h in observe(prepared.job, prepared.graph, prepared.plan.observed).items()}
    network = Network(prepared.graph, prepared.plan)
    images = [Image(path, path.name), Image(tmp_path / "turned.png", "turned.png")]
    builds = {"build": (prepared, thresholds)}
    losses = integer_losses(builds, images, network, network.constant_weights("cpu"), prepared.job.spec)["build"]
    assert losses[0] > 0
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_the_ratio_is_that_of_the_pooled_losses() -> None:
    """Roots 1 and 3 over 2 and 6: half of them, so a quarter of the loss, whichever image is drawn."""
    one = loss_ratio(np.array([1.0, 9.0]), np.array([4.0, 36.0]))
    assert (one.value, one.low, one.high) == pytest.approx((0.25, 0.25, 0.25))


def test_better_on_every_image_is_better() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(0.1, 3, 64)
    assert is_smaller(0.9 * reference, reference)
    assert not is_smaller(reference, reference)
    assert not is_smaller(1.1 * reference, reference)


def test_better_by_a_few_images_alone_is_not() -> None:
    """Two of 64 images are far better, all others a little worse: the mean is below, many draws are not."""
    reference = np.ones(64)
    losses = np.full(64, 1.03)
    losses[:2] = 0.0
    assert loss_ratio(losses, reference).value < 1
    assert not is_smaller(losses, reference)
