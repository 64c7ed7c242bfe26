"""What of an output's error counts: everywhere alike, and where the float model sees something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.ops.math import logit
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess
from edgekit.tuning.weighted_error import squared_error, weighted_squared_error
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
    noise, signal = weighted_squared_error(SPEC, truth, changed(truth, "mask_8", (2, 3), 0.5))["mask_8"]
    channels = truth["mask_8"].shape[-1]
    assert noise == pytest.approx(channels * (0.8 * 0.5) ** 2, rel=1e-4)
    assert signal == pytest.approx(channels * 0.8**2, rel=1e-4)
    elsewhere = weighted_squared_error(SPEC, truth, changed(truth, "mask_8", (5, 5), 0.5))["mask_8"][0]
    assert elsewhere < 1e-12 < squared_error(SPEC, truth, changed(truth, "mask_8", (5, 5), 0.5))["mask_8"][0]


def test_boxes_count_as_distances() -> None:
    """The same number on every bin moves no box, however large its raw error is."""
    truth = empty_but_for((2, 3), 0.8)
    shifted = changed(truth, "box_8", (2, 3), 3.0)
    assert weighted_squared_error(SPEC, truth, shifted)["box_8"][0] == pytest.approx(0, abs=1e-9)
    assert squared_error(SPEC, truth, shifted)["box_8"][0] == pytest.approx(64 * 9)


def test_classes_count_as_scores() -> None:
    truth = empty_but_for((2, 3), 0.5)
    quiet = changed(truth, "class_8", (5, 5), 20.0)  # from -40 to -20: no score either way
    assert weighted_squared_error(SPEC, truth, quiet)["class_8"][0] == pytest.approx(0, abs=1e-9)
    loud = weighted_squared_error(SPEC, truth, {**truth, "class_8": truth["class_8"] + np.float32(logit(0.75))})[
        "class_8"
    ]
    assert loud[0] == pytest.approx(0.25**2, rel=1e-3)
    assert loud[1] == pytest.approx(0.5**2, rel=1e-3)


def test_prototypes_count_alike() -> None:
    truth = make_heads(SPEC)
    other = {**truth, "proto": truth["proto"] * 1.5}
    assert weighted_squared_error(SPEC, truth, other)["proto"] == pytest.approx(
        squared_error(SPEC, truth, other)["proto"]
    )


def test_classifiers_count_as_probabilities() -> None:
    head = HeadSpec("class", "class", (1, 3))
    spec = ModelSpec("classify", ("a", "b", "c"), InputSpec("images"), Preprocess(96, 64), (head,))
    truth = {"class": np.array([[1.0, 2.0, 3.0]], np.float32)}
    assert weighted_squared_error(spec, truth, {"class": truth["class"] + 5})["class"][0] == pytest.approx(0, abs=1e-9)
    assert weighted_squared_error(spec, truth, {"class": truth["class"][:, ::-1]})["class"][0] > 0.1


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
        moved[slot, 0] += 1
        errors.append(weighted_squared_error(spec, truth, {"object_8": moved.reshape(1, 1, 1, -1)})["object_8"][0])
    assert errors[0] == pytest.approx(1, rel=1e-4) and errors[1] < 1e-12
