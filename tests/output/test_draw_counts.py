from __future__ import annotations

import numpy as np

from edgekit.output.draw_counts import draw_counts
from edgekit.tracking.counting import CountState
from edgekit.tracking.shapes import Line, Zone


def painted(image: np.ndarray) -> np.ndarray:
    return np.asarray(image[..., 2] > 100)


def test_a_line_its_direction_and_its_totals() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    line = Line("gate", (0.1, 0.5), (0.9, 0.5), relative=True)
    draw_counts(image, [line], CountState())
    assert painted(image)[200, 310:530].all()
    above, below = painted(image)[180:197, 290:310].sum(), painted(image)[204:220, 290:310].sum()
    assert above > below == 0  # the arrow points to where "in" is
    fuller = np.zeros_like(image)
    draw_counts(fuller, [line], CountState({}, {"gate": {"cat": {"in": 3}}}))
    assert (fuller != image).any()


def test_a_zone_and_points_far_outside() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    zone = Zone("yard", ((100, 100), (300, 100), (300, 300)))
    draw_counts(image, [zone, Line("far", (-1e9, 5), (1e9, 6))], CountState({}, {"yard": {"cat": {"enter": 2}}}))
    assert painted(image)[100, 270:298].all()
    assert painted(image)[110:290, 300].all()
