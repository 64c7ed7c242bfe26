from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from edgekit.errors import DeviceError
from edgekit.output.supervision_adapter import shape_to_supervision
from edgekit.tracking.shapes import Line, Zone
from tests.results.test_detections import make


def test_track_ids_are_supervisions() -> None:
    pytest.importorskip("supervision")
    tracked = replace(make(), track_ids=np.array([7]))
    assert tracked.to_supervision().tracker_id.tolist() == [7]
    assert make().to_supervision().tracker_id is None


def test_lines_and_zones_are_supervisions() -> None:
    supervision = pytest.importorskip("supervision")
    line = shape_to_supervision(Line("l", (0, 0.5), (1, 0.5), relative=True), (200, 200))
    zone = shape_to_supervision(Zone("z", ((50, 50), (150, 50), (150, 150), (50, 150))), (200, 200))
    inside = []
    for y in (150, 90):
        box = np.array([[95, y - 20, 105, y]], float)
        objects = supervision.Detections(xyxy=box, class_id=np.array([0]), tracker_id=np.array([1]))
        line.trigger(objects)
        inside.append(zone.trigger(objects).tolist())
    assert (line.in_count, line.out_count) == (1, 0)
    assert inside == [[True], [True]]


def test_without_supervision_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(DeviceError, match="supervision is not installed"):
        shape_to_supervision(Line("l", (0, 0), (1, 1)), (10, 10))
