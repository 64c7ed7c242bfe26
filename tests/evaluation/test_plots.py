from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import pytest

from edgekit.errors import ConfigError
from edgekit.evaluation.bootstrap import image_weights
from edgekit.evaluation.coco import match
from edgekit.evaluation.confusion import confusion_of_objects
from edgekit.evaluation.plots import plot_names, require_matplotlib, write_plots
from edgekit.evaluation.run import _score_of
from edgekit.evaluation.scores import ModelScores
from tests.evaluation.made_up import CLASSES, random_set


def scores_of_made_up() -> ModelScores:
    labels, detections = random_set(3)
    score = _score_of(match(labels, detections, CLASSES, kind="box"), CLASSES, image_weights(12, 10))
    confusion = confusion_of_objects(labels, detections, CLASSES)
    return ModelScores("made up", "sim", 12, (), {"box": score}, (), confusion)


def test_curves_and_matrix_are_drawn(tmp_path: Path) -> None:
    written = write_plots(tmp_path / "plots", scores_of_made_up(), prefix="a_")
    assert [path.name for path in written] == plot_names(["box"], prefix="a_")
    for path in written:
        image = cv2.imread(str(path))
        assert image is not None and image.std() > 5, path.name


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="matplotlib is not installed") as error:
        require_matplotlib()
    assert "pip install" in error.value.hint
