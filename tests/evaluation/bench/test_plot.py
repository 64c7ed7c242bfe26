from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from edgekit.evaluation.bench.plot import save_plot
from edgekit.evaluation.bench.report import BenchReport
from edgekit.evaluation.bench.row import Metric
from tests.evaluation.bench.reports import failed, report, row, simulated
from tests.typed import required


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Draws a report; gives the figure, after checking that the file is an image with something on it."""
    kept: list[Canvas] = []
    save = Canvas.savefig

    def keep(self: Canvas, *args: Any, **options: Any) -> None:
        kept.append(self)
        save(self, *args, **options)

    monkeypatch.setattr(Canvas, "savefig", keep)

    def draw(one: BenchReport) -> Canvas:
        assert save_plot(tmp_path / "p.png", one)
        image = cv2.imread(str(tmp_path / "p.png"))
        assert required(image).shape[0] > 300 and required(image).shape[1] > 1000 and required(image).std() > 5
        return kept[-1]

    return draw


def labels(figure: Canvas) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_a_point_stands_at_its_latency_and_score(drawn) -> None:  # type: ignore[no-untyped-def]
    figure = drawn(report(row(p50=20.0, box=0.4), simulated(p50=30.0, box=0.38), failed()))
    (axes,) = figure.axes
    lines = [
        line for line in axes.lines if line.get_label().startswith("_child") is False or len(line.get_xdata()) == 1
    ]
    points = {(round(float(line.get_xdata()[0]), 3), round(float(line.get_ydata()[0]), 3)) for line in lines}
    assert {(20.0, 40.0), (30.0, 38.0)} <= points
    assert labels(figure) == ["yolo, float32 on cpu", "tiny, int8 on sim *"]
    assert "hollow: simulated" in figure.get_suptitle() and "129 images" in figure.get_suptitle()


def test_masks_have_a_panel_of_their_own(drawn) -> None:  # type: ignore[no-untyped-def]
    scores = {"box": Metric("mAP50-95", 0.4, 0.3, 0.5), "mask": Metric("mAP50-95", 0.3)}
    figure = drawn(report(row(scores=scores), row("other.onnx", 25.0)))
    assert [axes.get_ylabel() for axes in figure.axes] == ["mAP50-95 box in %", "mAP50-95 mask in %"]


def test_sizes_and_threads_are_written_at_the_points_where_they_differ(drawn) -> None:  # type: ignore[no-untyped-def]
    figure = drawn(report(row(threads=1, p50=30.0), row(threads=4), row(p50=9.0, size_wh=(320, 320))))
    assert {text.get_text() for text in figure.axes[0].texts} == {
        "640x480, 1 thread",
        "640x480, 4 threads",
        "320x320, 2 threads",
    }
    assert figure.axes[0].get_xscale() == "linear"


def test_latencies_far_apart_share_a_logarithmic_axis(drawn) -> None:  # type: ignore[no-untyped-def]
    assert drawn(report(row(p50=3.0), simulated(p50=200.0))).axes[0].get_xscale() == "log"


def test_without_scores_the_latencies_are_drawn(drawn) -> None:  # type: ignore[no-untyped-def]
    figure = drawn(report(row(box=None, p50=21.5), simulated(box=None)))
    assert [text.get_text() for text in figure.axes[0].texts] == ["90", "21.5"]
    assert figure.get_suptitle().startswith("Latency")


def test_nothing_measured_is_no_plot(tmp_path: Path) -> None:
    assert not save_plot(tmp_path / "p.png", report(failed()))
    assert list(tmp_path.iterdir()) == []


def test_a_score_that_is_not_defined_has_no_point(drawn) -> None:  # type: ignore[no-untyped-def]
    figure = drawn(report(row(), row("none.onnx", scores={"box": Metric("mAP50-95", None)})))
    assert labels(figure) == ["yolo, float32 on cpu"]
    assert all(np.isfinite(np.asarray(line.get_ydata(), float)).all() for line in figure.axes[0].lines)


def test_an_interval_is_drawn_once_for_all_threads(drawn) -> None:  # type: ignore[no-untyped-def]
    (axes,) = drawn(report(row(threads=1, p50=30.0), row(threads=4))).axes
    (bars,) = axes.collections
    assert [len(segment) for segment in bars.get_segments() if len(segment)] == [2]
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [37.0, 44.0])
