from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.tracking.shapes import Line, Zone, inside, parse_line, parse_zone, scaled, side_of


def test_what_is_typed_becomes_shapes() -> None:
    assert parse_line("front door=10,20,300,20.5") == Line("front door", (10, 20), (300, 20.5))
    line = parse_line("a=b=0%,50%,100%,50%")
    assert line == Line("a=b", (0, 0.5), (1, 0.5), relative=True)
    np.testing.assert_allclose(scaled(line, (640, 480)), [[0, 240], [640, 240]])
    zone = parse_zone("yard= 0,0, 10,0 ,10,10")
    assert zone == Zone("yard", ((0, 0), (10, 0), (10, 10)))
    np.testing.assert_allclose(scaled(zone, (640, 480)), [[0, 0], [10, 0], [10, 10]])


@pytest.mark.parametrize(
    "text", ["", "x", "=1,2,3,4", "a=1,2,3", "a=1,2,3,4,5,6", "a=1,2,3,x", "a=1,2,3,1e9", "a=nan,1,2,3", "a\n=1,2,3,4"]
)
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME=X1,Y1,X2,Y2"):
        parse_line(text)


def test_shapes_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="mixes pixels and percent"):
        parse_line("a=1,2,30%,4")
    with pytest.raises(ConfigError, match="begins and ends"):
        parse_line("a=1,2,1,2")
    with pytest.raises(ConfigError, match="has 2 corners, expected 3 to 100"):
        parse_zone("a=1,2,3,4")


def test_left_of_a_line_is_above_it_from_left_to_right() -> None:
    line = np.array([[0, 100], [200, 100]], float)
    points = np.array([[50, 20], [50, 180], [50, 100], [-900, 99]], float)
    assert side_of(points, line).tolist() == [1, -1, 0, 1]
    assert side_of(points, line[::-1]).tolist() == [-1, 1, 0, -1]


def test_inside_is_what_opencv_calls_inside() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for corners in (3, 4, 7, 12):
        polygon = rng.uniform(0, 100, (corners, 2))  # may cut itself
        points = rng.uniform(-10, 110, (300, 2))
        if corners <= 4:
            polygon = cv2.convexHull(polygon.astype(np.float32)).reshape(-1, 2).astype(float)
        expected = [
            cv2.pointPolygonTest(polygon.astype(np.float32), (float(x), float(y)), False) > 0 for x, y in points
        ]
        assert (inside(points, polygon) == expected).mean() > 0.99  # cv2 rounds to float32
    assert inside(np.zeros((0, 2)), polygon).shape == (0,)
