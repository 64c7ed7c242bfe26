"""The images: a seeded order, held-out ones at the end, refusals of too few and of images that are all alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from edgekit.calibration.samples import Normalisation
from edgekit.compilation.job import load_job
from edgekit.data.image_source import open_source
from edgekit.errors import DataError
from edgekit.learn.image_pool import FEWEST, HELD_OUT, fill_pool
from edgekit.ops.yuv import bgr_to_nv12
from edgekit.sim.compiler.calibration.board_colours import as_board_feeds
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.calibration.search import thresholds_by
from edgekit.sim.compiler.calibration.thresholds import max_threshold
from edgekit.sim.compiler.emit.preprocess import ArrayInput, ImageInput
from edgekit.sim.compiler.inputs import board_inputs
from edgekit.sim.compiler.prepared_model import prepare_model
from edgekit.sim.device import SimDevice
from edgekit.sim.graph import load_graph
from edgekit.spec import ModelSpec
from tests.learn.conftest import write_images
from tests.sim.compiler.works import make_work
from tests.test_spec import make_spec

NV12 = ImageInput("images", "nv12", "rgb", "NHWC", "regular", Normalisation((0.0,) * 3, (1 / 255,) * 3))


def spec() -> ModelSpec:
    return make_spec()


def pool_of(folder: Path, out: Path, seed: int = 0):  # type: ignore[no-untyped-def]
    return fill_pool(open_source(folder, frames=8).images, spec(), out, source=NV12, seed=seed)


def test_half_is_held_out_up_to_sixty_four(tmp_path: Path) -> None:
    pool = pool_of(write_images(tmp_path / "few", 40), tmp_path / "few.u8")
    assert (len(pool.images), pool.learned, pool.held_out) == (40, 20, 20)
    pool = pool_of(write_images(tmp_path / "many", 140), tmp_path / "many.u8")
    assert (pool.learned, pool.held_out) == (140 - HELD_OUT, HELD_OUT)


def test_the_order_is_the_seeds(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 40)
    first, again, different = (pool_of(folder, tmp_path / f"{i}.u8", seed) for i, seed in enumerate((0, 0, 1)))
    assert first.images == again.images != different.images
    assert np.array_equal(first.pixels, again.pixels)


def test_an_input_is_in_0_to_1_and_mirrored_where_asked(tmp_path: Path) -> None:
    pool = pool_of(write_images(tmp_path / "images", 40), tmp_path / "pool.u8")
    x, mirrored = pool.input(3), pool.input(3, flipped=True)
    assert x.dtype == np.float32 and x.shape == (1, *pool.pixels.shape[1:])
    assert 0 <= x.min() < x.max() <= 1
    assert np.array_equal(mirrored, x[..., ::-1])
    assert np.array_equal(np.rint(x * 255), pool.pixels[3:4])


def test_truth_and_board_are_normalised_alike(tmp_path: Path) -> None:
    """As the yaml says, not always to 0..1: an ImageNet classifier takes a mean off, too."""
    pool = pool_of(write_images(tmp_path / "images", 40), tmp_path / "pool.u8")
    mean, scale = (124.0, 116.0, 104.0), (0.017, 0.0175, 0.0174)
    shifted = replace(pool, source=replace(NV12, normalisation=Normalisation(mean, scale)))
    expected = (pool.pixels[3:4] - np.reshape(mean, (1, 3, 1, 1))) * np.reshape(scale, (1, 3, 1, 1))
    np.testing.assert_allclose(shifted.input(3), expected, rtol=1e-5, atol=1e-6)
    gains = np.reshape(scale, (1, 3, 1, 1)) * 255  # of a difference in 0..1
    difference = (pool.board_input(3) - pool.input(3)) * gains
    np.testing.assert_allclose(shifted.board_input(3) - shifted.input(3), difference, atol=1e-4)


def test_the_board_shares_chroma_among_four_pixels(tmp_path: Path) -> None:
    pool = pool_of(write_images(tmp_path / "images", 40), tmp_path / "pool.u8")
    x, board = pool.input(3), pool.board_input(3)
    assert board.dtype == np.float32 and board.shape == x.shape
    assert 0.5 / 255 < np.abs(board - x).mean() < 0.2
    mirrored = as_board_feeds(np.ascontiguousarray(pool.pixels[3:4, ..., ::-1]), NV12)
    assert np.array_equal(pool.board_input(3, flipped=True), mirrored)


@pytest.mark.parametrize("space", ["regular", "bt601_video"])
@pytest.mark.parametrize("train_kind", ["rgb", "bgr"])
def test_one_colour_everywhere_comes_back_from_nv12(space: str, train_kind: Literal["rgb", "bgr"]) -> None:
    source = replace(NV12, train_kind=train_kind, color_space=space)
    pixels = np.broadcast_to(np.array([200, 90, 40], np.uint8).reshape(1, 3, 1, 1), (1, 3, 4, 6)).copy()
    np.testing.assert_allclose(as_board_feeds(pixels, source) * 255, pixels, atol=2.5)


def test_what_the_board_does_not_convert_stays() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 4, 6), dtype=np.uint8)
    rgb = as_board_feeds(pixels, replace(NV12, kind="rgb", layout="NCHW"))
    np.testing.assert_allclose(rgb * 255, pixels, rtol=1e-6)
    assert np.array_equal(as_board_feeds(pixels, ArrayInput("x")), pixels)


def test_the_integer_graph_reads_the_same_colours(tmp_path: Path) -> None:
    """But for its own rounding: of the colour matrix to int8, and of the pixels."""
    prepared = prepare_model(load_job(make_work(tmp_path / "work", kind="nv12", num_classes=2)))
    source, tensor = board_inputs(prepared.job)[0], prepared.graph.input
    assert isinstance(source, ImageInput) and source.kind == "nv12"
    magnitudes = observe(prepared.job, prepared.graph, prepared.plan.observed)
    quantized = prepared.quantized(thresholds_by(max_threshold, magnitudes, prepared.plan))
    graph = load_graph(quantized.model.SerializeToString())
    name, mapping = next((n, m) for n, m in quantized.mappings.items() if m.float_name == tensor)
    height, width = prepared.graph.shapes[tensor][2:]
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    bgr = np.asarray(cv2.resize(coarse, (width, height)), np.uint8)
    integers = SimDevice(graph, threads=1).infer({next(iter(graph.inputs)): bgr_to_nv12(bgr)}, keep=[name])[name]
    expected = as_board_feeds(bgr[None, :, :, ::-1].transpose(0, 3, 1, 2), source)
    steps = np.clip(expected / mapping.scale, -128, 127)
    assert np.abs(integers.transpose(0, 3, 1, 2) - steps).max() < 2


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", FEWEST - 1)
    with pytest.raises(DataError, match="31 images, expected at least 32 different ones") as caught:
        pool_of(folder, tmp_path / "pool.u8")
    assert "labels are not needed" in caught.value.hint


def test_images_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", FEWEST)
    (folder / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="31 readable images of 32"):
        pool_of(folder, tmp_path / "pool.u8")


def test_images_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    """One camera at night: the same scene with a little noise."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8), (120, 90))
    for i in range(FEWEST + 8):
        noisy = np.clip(scene + rng.normal(0, 2, scene.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), noisy)
    with pytest.raises(DataError, match="40 images, but not as many that differ"):
        pool_of(folder, tmp_path / "pool.u8")
