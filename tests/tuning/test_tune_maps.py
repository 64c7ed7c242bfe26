"""Tuning a model of maps, with labelled maps and without: what it writes is what it measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.results import DepthMap, SemanticMap
from edgekit.runtime.session import load
from edgekit.tuning import time_budget
from edgekit.tuning.page import PAGE_NAME
from edgekit.tuning.run import SENSITIVITY_NAME, TUNED_DIR
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic
from tests.tuning.test_tune import TINY
from tests.typed import as_image

IMAGES = 14
MODELS = {
    "semantic": tiny_semantic(num_classes=4, size_wh=(96, 64)),
    "depth": tiny_depth(size_wh=(96, 64), ultralytics=True),
}
FOLDERS = {"semantic": "masks", "depth": "depth"}
QUALITY = {"semantic": "mIoU", "depth": "delta1"}


@pytest.fixture(scope="module", autouse=True)
def plan() -> Iterator[None]:
    """A plan smaller than the smallest: every stage runs, on few images and candidates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_budget, "PLANS", (TINY,))
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of blurred noise."""
    folder = tmp_path_factory.mktemp("maps") / "images"
    folder.mkdir()
    for i in range(IMAGES):
        coarse = np.random.default_rng(i).integers(0, 256, (5, 7, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i:02d}.png"), cv2.resize(coarse, (112, 80), interpolation=cv2.INTER_CUBIC))
    return folder


def labelled(folder: Path, images: Path, model: Path, task: str) -> Path:
    """Write a data set of some images, its labels the model's own maps but for a stripe of other numbers."""
    (folder / "images").mkdir(parents=True)
    (folder / FOLDERS[task]).mkdir()
    with load(model, full_size=True) as session:
        for path in sorted(images.glob("*.png"))[:6]:
            (folder / "images" / path.name).write_bytes(path.read_bytes())
            results = session.predict(as_image(cv2.imread(str(path))))
            if isinstance(results, SemanticMap):
                class_map = results.class_map.copy()
                class_map[:8] = 255
                cv2.imwrite(str(folder / FOLDERS[task] / path.name), class_map)
            else:
                assert isinstance(results, DepthMap)
                np.save(folder / FOLDERS[task] / f"{path.stem}.npy", results.depth * np.float32(1.1))
    names = "nc: 1" if task == "depth" else "names: [kind 0, kind 1, kind 2, kind 3]"
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\n{names}\n")
    return folder / "data.yaml"


@pytest.mark.parametrize("with_labels", [False, True], ids=["agreement", "labels"])
@pytest.mark.parametrize("task", MODELS)
def test_a_model_of_maps_is_tuned(
    tmp_path: Path, images: Path, task: str, with_labels: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    stock, out = save_tiny_map(tmp_path / f"tiny_{task}.onnx", MODELS[task]), tmp_path / "out"
    command = ["tune", str(stock), "--images", str(images), "--minutes", "2.5", "--workers", "1", "-o", str(out)]
    if with_labels:
        command += ["--data", str(labelled(tmp_path / "data", images, stock, task))]
    assert main([*command, "--max-extra-cost", "3"]) == 0
    shown = capsys.readouterr().out
    report = json.loads((out / TUNED_DIR / "tune.json").read_text())
    chosen, untuned = report["chosen"], report["untuned"]
    assert chosen["error"] < untuned["error"] and 0 <= chosen["disagreement"] <= untuned["disagreement"] < 0.5
    (output,) = report["error_by_output"].values()
    assert output["error"] == pytest.approx(chosen["error"], rel=0.15)  # of the build of what was written
    if with_labels:
        assert 0.5 < chosen["scores"]["kept"][QUALITY[task]]["value"] <= 1.05
        assert f"{QUALITY[task]} kept" in shown
    else:
        assert chosen["scores"] == {} and any("agreement" in note for note in report["notes"])
    assert json.loads((out / TUNED_DIR / SENSITIVITY_NAME).read_text())["nodes"]
    page = (out / TUNED_DIR / PAGE_NAME).read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["images"] and all(len(pair["drawn"]) == 2 for image in data["images"] for pair in image["pairs"])
    with load(next((out / TUNED_DIR / "model_output").glob("*_modified.bin"))) as session:
        results = session.predict(as_image(cv2.imread(str(images / "00.png"))))
    assert isinstance(results, SemanticMap if task == "semantic" else DepthMap)
