"""What of an output's error counts: everywhere alike, and where the float model sees something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.ops.math import logit
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess
from edgekit.tuning.weighted_error import squared_error, weighted_error
from tests.decode.scenes import make_heads, make_spec

SPEC = make_spec(classes=2)
Heads = dict[str, np.ndarray]


def empty_but_for(cell: tuple[int, int], score: float) -> Heads:
    """Nothing anywhere, but for one cell of stride 8 where a class has `score`."""
    heads = {name: np.ones_like(values) for name, values in make_heads(SPEC).items()}
    for head in SPEC.outputs:
        if head.role == "class":
            heads[head.name][:] = -40
    heads["class_8"][0, cell[0], cell[1], 1] = logit(score)
    return heads


def changed(heads: Heads, name: str, cell: tuple[int, int], by: float) -> Heads:
    values = heads[name].copy()
    values[0, cell[0], cell[1]] += by
    return {**heads, name: values}


def test_coefficients_count_by_the_score_of_their_cell() -> None:
    truth = empty_but_for((2, 3), 0.8)
    noise, signal = weighted_error(SPEC, truth, changed(truth, "mask_8", (2, 3), 0.5))["mask"]
    channels = truth["mask_8"].shape[-1]
    assert noise == pytest.approx(channels * (0.8 * 0.5) ** 2, rel=1e-4)
    assert signal == pytest.approx(channels * 0.8**2, rel=1e-4)
    elsewhere = weighted_error(SPEC, truth, changed(truth, "mask_8", (5, 5), 0.5))["mask"][0]
    assert elsewhere < 1e-12 < squared_error(SPEC, truth, changed(truth, "mask_8", (5, 5), 0.5))["mask_8"][0]


def test_the_same_number_on_every_bin_moves_no_box() -> None:
    truth = empty_but_for((2, 3), 0.8)
    shifted = changed(truth, "box_8", (2, 3), 3.0)
    assert weighted_error(SPEC, truth, shifted)["box"][0] == pytest.approx(0, abs=1e-9)
    assert squared_error(SPEC, truth, shifted)["box_8"][0] == pytest.approx(64 * 9)


def test_edges_count_relative_to_the_box() -> None:
    """Distances are a bin each: boxes of 2 x 2, 12 x 4 and 0.2 x 0.2 cells, whose left edges are one cell off."""
    head = [HeadSpec("box_8", "box", (1, 1, 1, 4), 8), HeadSpec("class_8", "class", (1, 1, 1, 2), 8)]
    spec = replace(SPEC, task="detect", outputs=tuple(head), reg_max=1)

    def box(*distances: float) -> Heads:
        return {"box_8": np.array(distances, np.float32).reshape(1, 1, 1, 4), "class_8": np.full((1, 1, 1, 2), 40.0)}

    for true, side in ((box(1, 1, 1, 1), 2.0), (box(6, 2, 6, 2), 12.0), (box(0.1, 0.1, 0.1, 0.1), 0.5)):
        moved = {**true, "box_8": true["box_8"] + np.array([1, 0, 0, 0], np.float32)}
        error, unit = weighted_error(spec, true, moved)["box"]
        assert error == pytest.approx((1 / side) ** 2 / 4) and unit == pytest.approx(1)  # 4 px are half a cell


def test_scores_count_by_their_divergence() -> None:
    truth = empty_but_for((2, 3), 0.5)
    quiet = changed(truth, "class_8", (5, 5), 20.0)  # from -40 to -20: no score either way
    assert weighted_error(SPEC, truth, quiet)["class"][0] == pytest.approx(0, abs=1e-9)
    louder = {**truth, "class_8": truth["class_8"] + np.float32(logit(0.75))}
    error, unit = weighted_error(SPEC, truth, louder)["class"]
    assert error == pytest.approx(0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25), rel=1e-3)
    assert unit == pytest.approx(0.5, rel=1e-3)


def test_a_ghost_counts_like_a_loss() -> None:
    """A score from nothing to 0.6, and one from 0.6 to nothing, are both seen."""
    nothing, something = empty_but_for((2, 3), 1e-6), empty_but_for((2, 3), 0.6)
    for truth, heads in ((nothing, something), (something, nothing)):
        assert weighted_error(SPEC, truth, heads)["class"][0] > 0.8


def test_prototypes_count_alike() -> None:
    truth = make_heads(SPEC)
    other = {**truth, "proto": truth["proto"] * 1.5}
    assert weighted_error(SPEC, truth, other)["proto"] == pytest.approx(squared_error(SPEC, truth, other)["proto"])


@pytest.mark.parametrize(("task", "shape", "stride"), [("classify", (1, 3), 0), ("semantic", (1, 2, 2, 3), 8)])
def test_whole_images_and_pixels_count_as_probabilities(task: str, shape: tuple[int, ...], stride: int) -> None:
    head = HeadSpec("class", "class", shape, stride)
    spec = ModelSpec(task, ("a", "b", "c"), InputSpec("images"), Preprocess(96, 64), (head,))  # type: ignore[arg-type]
    truth = {"class": np.broadcast_to(np.array([1.0, 2.0, 3.0], np.float32), shape)}
    assert weighted_error(spec, truth, {"class": truth["class"] + 5})["class"][0] == pytest.approx(0, abs=1e-9)
    assert weighted_error(spec, truth, {"class": truth["class"][..., ::-1]})["class"][0] > 0.1


def test_anchored_slots_count_by_their_own_score() -> None:
    """YOLOv5: two anchors at a cell, one of which sees something."""
    head = HeadSpec("object_8", "object", (1, 1, 1, 2 * 7), 8)
    spec = replace(SPEC, task="detect", family="yolov5", outputs=(head,), anchors=(((10.0, 13.0), (16.0, 30.0)),))
    rows = np.zeros((2, 7), np.float32)
    rows[0, 4:] = 40  # objectness and both classes: certain
    rows[1, 4] = -40
    truth = {"object_8": rows.reshape(1, 1, 1, -1)}
    errors = []
    for slot in (0, 1):
        moved = rows.copy()
        moved[slot, 0] += logit(0.75)  # the centre by half a cell: both edges by 4 of 10 px
        errors.append(weighted_error(spec, truth, {"object_8": moved.reshape(1, 1, 1, -1)}))
    error, unit = errors[0]["box"]
    assert error == pytest.approx((4 / 10) ** 2 / 2, rel=1e-3) and unit == pytest.approx(1)
    assert errors[1]["box"][0] < 1e-12 and errors[1]["class"][0] < 1e-12
    doubted = rows.copy()
    doubted[0, 4] = 0  # half the objectness
    assert weighted_error(spec, truth, {"object_8": doubted.reshape(1, 1, 1, -1)})["class"][0] > 1
