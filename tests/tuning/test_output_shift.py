"""The shift of the outputs: by what detections are made of, not by the empty cells, which are nearly all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.ops.math import sigmoid
from edgekit.spec import HeadSpec
from edgekit.tuning.output_shift import output_shifts
from tests.decode.scenes import make_spec

CLASSES = 3
SPEC = replace(
    make_spec(classes=CLASSES),
    task="detect",
    reg_max=1,
    outputs=(HeadSpec("box_8", "box", (1, 64, 64, 4), 8), HeadSpec("class_8", "class", (1, 64, 64, CLASSES), 8)),
)
ANCHORED = replace(
    SPEC,
    family="yolov5",
    anchors=(((10.0, 13.0), (16.0, 30.0)),),
    outputs=(HeadSpec("object_8", "object", (1, 64, 64, 2 * (5 + CLASSES)), 8),),
)
Heads = dict[str, np.ndarray]


def scene(rng: np.random.Generator) -> Heads:
    """Logits around -9, with an object in every fortieth cell; boxes of about four cells."""
    classes = rng.normal(-9, 1, (1, 64, 64, CLASSES)).astype(np.float32)
    seen = rng.random((64, 64)) < 1 / 40
    classes[0, seen, 1] = rng.normal(0.5, 1.5, seen.sum())
    return {"box_8": rng.normal(2, 0.3, (1, 64, 64, 4)).astype(np.float32), "class_8": classes}


def seen_by(heads: Heads) -> np.ndarray:
    return sigmoid(heads["class_8"]).max(axis=-1) > 0.1


def test_the_shift_of_a_build_is_found_again() -> None:
    truth = scene(np.random.default_rng(0))
    moved = np.array([0.1, 0, -0.2, 0], np.float32)
    build = {"class_8": truth["class_8"] - np.float32(0.3), "box_8": truth["box_8"] + moved}
    shifts = output_shifts(SPEC, [(truth, build)])
    assert shifts["class_8"] == pytest.approx([0.3] * CLASSES, abs=1e-3)
    assert shifts["box_8"] == pytest.approx([-0.1, 0, 0.2, 0], abs=1e-5)


def test_cells_that_see_nothing_say_nothing() -> None:
    """The mean over all cells would shift by 1.9, and make every object certain."""
    truth = scene(np.random.default_rng(1))
    empty = ~seen_by(truth)
    build = {name: values.copy() for name, values in truth.items()}
    build["class_8"][empty] -= 2.0
    build["box_8"][empty] += 5.0
    shifts = output_shifts(SPEC, [(truth, build)])
    assert 0 < shifts["class_8"][0] < 0.4
    assert np.abs(shifts["box_8"]).max() < 2.0  # the empty cells' scores are small, not 0


@pytest.mark.parametrize("offset", [0.0, -0.4])
def test_probabilities_sum_up_to_those_of_the_float_model(offset: float) -> None:
    rng = np.random.default_rng(2)
    pairs = []
    for _ in range(3):
        truth = scene(rng)
        noisy = truth["class_8"] + rng.normal(offset, 0.4, truth["class_8"].shape).astype(np.float32)
        pairs.append((truth, {**truth, "class_8": noisy}))
    shift = output_shifts(SPEC, pairs)["class_8"][0]
    expected, scored = (
        np.concatenate([sigmoid(pair[i]["class_8"] + np.float32(i * shift)).ravel() for pair in pairs]) for i in (0, 1)
    )
    counted = (expected > 0.01) | (np.concatenate([sigmoid(b["class_8"]).ravel() for _, b in pairs]) > 0.01)
    assert expected[counted].sum() == pytest.approx(scored[counted].sum(), rel=2e-3)


def test_objectness_is_shifted_and_classes_are_not() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 1, (1, 64, 64, 2, 5 + CLASSES)).astype(np.float32)
    rows[..., 4] = rng.normal(-3, 2, rows.shape[:-1])
    build = rows.copy()
    build[..., 4] -= 0.25
    build[..., 1, 0] += 0.5  # x of the second anchor
    flat = {"object_8": rows.reshape(1, 64, 64, -1)}, {"object_8": build.reshape(1, 64, 64, -1)}
    shift = np.reshape(output_shifts(ANCHORED, [flat])["object_8"], (2, -1))
    np.testing.assert_allclose(shift[:, 4], 0.25, atol=1e-3)
    np.testing.assert_allclose(shift[:, 5:], 0.0)
    np.testing.assert_allclose(shift[:, :4], np.array([[0.0] * 4, [-0.5, 0.0, 0.0, 0.0]]), atol=1e-6)


def test_a_build_that_is_right_is_left_alone() -> None:
    truth = scene(np.random.default_rng(4))
    shifts = output_shifts(SPEC, [(truth, truth)])
    assert all(values == pytest.approx([0] * len(values), abs=1e-6) for values in shifts.values())


def test_an_image_without_anything_shifts_nothing() -> None:
    truth = scene(np.random.default_rng(5))
    truth["class_8"][:] = -40
    shifts = output_shifts(SPEC, [(truth, {**truth, "class_8": truth["class_8"] - 1})])
    assert shifts["class_8"] == [0.0] * CLASSES
