"""Maps of two models beside each other, and where they differ."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.evaluation.map_side_by_side import DIMMED, FARTHER, NEARER, differing_pixels, draw_maps, map_side_by_side
from edgekit.evaluation.side_by_side import GAP, MARK
from edgekit.results import DepthMap, SemanticMap
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic
from tests.typed import required

GREY = np.full((60, 80, 3), 100, np.uint8)
SIZE_WH = (80, 60)


def classes(split: int) -> SemanticMap:
    class_map = np.zeros((60, 80), np.uint8)
    class_map[:, split:] = 1
    return SemanticMap(class_map, ("road", "sky"), SIZE_WH, "sim")


def depths(factor: float) -> DepthMap:
    depth = np.tile(np.linspace(1, 4, 80, dtype=np.float32), (60, 1))
    depth[:, :40] *= np.float32(factor)
    return DepthMap(depth, SIZE_WH, "sim")


def test_pixels_of_another_class_are_marked() -> None:
    image = differing_pixels(GREY, classes(20), classes(30))
    assert (image[:, 20:30] == MARK).all()
    assert (image[:, :20] == round(100 * DIMMED)).all() and (image[:, 30:] == round(100 * DIMMED)).all()


def test_depths_that_moved_are_colored_by_their_direction() -> None:
    farther, nearer = (differing_pixels(GREY, depths(1), depths(factor)) for factor in (1.5, 0.5))
    assert (farther[:, :40] == FARTHER).all() and (nearer[:, :40] == NEARER).all()
    assert (farther[:, 40:] == round(100 * DIMMED)).all()


def test_both_maps_are_drawn_in_the_same_colors() -> None:
    near, far = draw_maps(GREY, depths(1), DepthMap(depths(1).depth * 2, SIZE_WH, "sim"))
    assert np.abs(near.astype(int) - far).mean() > 10  # twice as far is another color
    assert (DepthMap(depths(1).depth * 2, SIZE_WH, "sim").draw(GREY)[:, :60] == near[:, :60]).mean() > 0.9


def test_maps_stand_beside_what_differs() -> None:
    image = map_side_by_side(GREY, classes(20), classes(30), "changed pixels 12.50 %")
    assert image.shape == (60, 3 * 80 + 2 * GAP, 3)
    assert (image[:, 80 : 80 + GAP] == 255).all()
    assert not np.array_equal(image[:, :80], image[:, 80 + GAP : 160 + GAP])


@pytest.mark.parametrize("task", ["semantic", "depth"])
def test_compare_draws_the_images_whose_maps_differ_most(
    tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make = tiny_semantic if task == "semantic" else tiny_depth
    a, b = (save_tiny_map(tmp_path / f"{seed}.onnx", make(seed=seed)) for seed in (0, 5))
    images = tmp_path / "images"
    images.mkdir()
    for i in range(2):
        cv2.imwrite(str(images / f"{i}.png"), np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8))
    out, page = tmp_path / "out", tmp_path / "page.html"
    assert main(["compare", str(a), str(b), "--images", str(images), "-o", str(out), "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    report = json.loads((out / "compare.json").read_text())
    for difference in report["maps"]:
        assert difference["drawing"] in shown
        assert required(cv2.imread(str(out / difference["drawing"]))).shape == (60, 3 * 80 + 2 * GAP, 3)
    data = json.loads(page.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0])
    assert all(len(pair["drawn"]) == 2 for image in data["images"] for pair in image["pairs"])
    assert main(["compare", str(a), str(b), "--images", str(images)]) == 0
    assert "-o DIR" in capsys.readouterr().out
