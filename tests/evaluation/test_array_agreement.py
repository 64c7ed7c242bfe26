from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.evaluation.array_agreement import array_disagreements, relative_difference
from edgekit.runtime.device import TensorInfo
from edgekit.runtime.session import Session
from edgekit.spec import HeadSpec, InputSpec, ModelSpec, Preprocess
from edgekit.tuning.weighted_error import weighted_error

SPEC = ModelSpec("raw", (), InputSpec("x"), Preprocess(4, 4), (HeadSpec("y", "raw", (1, 2)),))


class _Constant:
    """A device that gives one array, whatever it is fed."""

    kind = "sim"
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def __init__(self, name: str, values: list[float]) -> None:
        self._outputs = {name: np.array([values], np.float32)}

    def infer(self, inputs: object) -> dict[str, np.ndarray]:
        return self._outputs

    def close(self) -> None:
        pass


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "1.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    return path


@pytest.mark.parametrize(
    ("values", "expected", "difference"),
    [([3.0, 4.0], [3.0, 4.0], 0.0), ([3.0, 3.5], [3.0, 4.0], 0.1), ([9.0, 0.0], [0.0, 0.0], 1.0), ([0, 0], [0, 0], 0)],
)
def test_relative_difference(values: list[float], expected: list[float], difference: float) -> None:
    assert relative_difference(np.array(values), np.array(expected)) == pytest.approx(difference)


def test_numbers_that_are_not_finite_differ_wholly() -> None:
    assert relative_difference(np.array([np.nan]), np.array([1.0])) == 1.0


def test_each_image_has_its_disagreement(image: Path) -> None:
    ours, reference = (Session(SPEC, _Constant("y", values)) for values in ([3.0, 3.5], [3.0, 4.0]))
    assert array_disagreements(ours, reference, [image, image]) == pytest.approx([0.1, 0.1])


def test_other_outputs_are_refused(image: Path) -> None:
    other = ModelSpec("raw", (), InputSpec("x"), Preprocess(4, 4), (HeadSpec("z", "raw", (1, 2)),))
    sessions = Session(SPEC, _Constant("y", [0, 1])), Session(other, _Constant("z", [0, 1]))
    with pytest.raises(ModelError, match="expected the same, of the same shapes"):
        array_disagreements(*sessions, [image])


def test_raw_outputs_count_alike_in_the_error() -> None:
    sums = weighted_error(SPEC, {"y": np.array([[3.0, 4.0]])}, {"y": np.array([[3.0, 3.5]])})
    assert sums["y"] == pytest.approx((0.25, 25.0))
