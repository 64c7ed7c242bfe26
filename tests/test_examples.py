"""The examples run as they stand, on the demo model and generated images; the notebook's cells, too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.demo.assets import copy_model, write_images
from edgekit.demo.scenes import render_image
from edgekit.demo.shapes import CLASS_NAMES
from edgekit.output import write_image
from tests.conftest import ROOT
from tests.typed import required

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo.onnx` and `images/`."""
    folder = tmp_path_factory.mktemp("examples")
    copy_model(folder / "demo.onnx")
    write_images(folder / "images")
    return folder


def command(name: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]


def run(folder: Path, name: str, *arguments: str | Path) -> str:
    done = subprocess.run(command(name, *arguments), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def first_image(folder: Path) -> Path:
    return sorted((folder / "images").iterdir())[0]


def test_one_image(folder: Path) -> None:
    out = run(folder, "image", "demo.onnx", first_image(folder), "annotated.jpg")
    assert re.search(r"^[1-9]\d* objects by onnxruntime$", out, re.M)
    annotated, image = (required(cv2.imread(str(path))) for path in (folder / "annotated.jpg", first_image(folder)))
    assert annotated.shape == image.shape and np.abs(annotated.astype(int) - image).max() > 50


def test_a_camera_loop(folder: Path) -> None:
    lines = run(folder, "camera", "demo.onnx", "images", "3").splitlines()
    assert len(lines) == 4 and lines[-1].endswith(" frames/s")


def test_an_own_device_finds_what_onnxruntime_finds(folder: Path) -> None:
    by_opencv = run(folder, "own_device", "demo.onnx", first_image(folder))
    assert "objects by opencv" in by_opencv
    by_onnxruntime = run(folder, "image", "demo.onnx", first_image(folder), "again.jpg")
    confident = re.findall(r"^(\w+) (0\.[4-9]\d)\b", by_opencv, re.M)
    assert confident and confident == re.findall(r"^(\w+) (0\.[4-9]\d)\b", by_onnxruntime, re.M)


def test_calibrate_compile_evaluate_and_plot(folder: Path) -> None:
    out = run(folder, "compile_model", "demo.onnx", "images", "work", "sim")
    compiled = Path(out.splitlines()[-1].removesuffix(" by sim"))
    assert compiled.is_file() and "cosine 0.99" in out
    (folder / "labels.json").write_text(json.dumps(coco(folder / "scenes")))
    out = run(folder, "evaluate_and_plot", compiled, "labels.json", "demo.onnx", "scores")
    kept = re.search(r"^([\d.]+) % of float's box mAP \[", out, re.M)
    assert kept is not None and float(kept[1]) > 80
    assert (folder / "scores" / "classes.png").read_bytes().startswith(b"\x89PNG")


def coco(folder: Path) -> dict[str, object]:
    """COCO labels of a few generated images, written to `folder`."""
    folder.mkdir()
    images, annotations = [], []
    for number, seed in enumerate(range(300, 306), start=1):
        scene = render_image(seed, (320, 256))
        write_image(folder / f"{seed}.png", scene.bgr)
        images.append({"id": number, "file_name": f"scenes/{seed}.png", "width": 320, "height": 256})
        for instance in scene.instances:
            x1, y1, x2, y2 = map(int, instance.box_xyxy)
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": int(instance.mask.sum()), "iscrowd": 0}
            polygon = {"segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]]}
            identity = {"id": len(annotations) + 1, "image_id": number, "category_id": instance.class_id + 1}
            annotations.append({**identity, **box, **polygon})
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASS_NAMES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.mark.slow
def test_tune(folder: Path) -> None:
    out = run(folder, "tune_model", "demo.onnx", "images", "tuned", "3")  # the quickest search on this model
    assert Path(out.splitlines()[-1].removesuffix(" by sim")).is_file()


def test_counting_at_a_line(folder: Path) -> None:
    """The camera looks down a tall image step by step, so that all objects go upwards."""
    tall = np.concatenate([render_image(seed, (320, 256)).bgr for seed in (300, 301)])
    video = cv2.VideoWriter(str(folder / "video.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 256))
    for top in range(0, 257, 8):
        video.write(tall[top : top + 256])
    video.release()
    out = run(folder, "count_crossings", "demo.onnx", "video.avi")
    totals = re.search(r"^in (\d+), out (\d+)$", out, re.M)
    assert totals is not None and int(totals[1]) >= 1
    assert len(re.findall(r" went in$", out, re.M)) == int(totals[1])
    assert int(totals[2]) <= int(totals[1]) // 2


def test_a_page_with_the_live_image(folder: Path) -> None:
    process = subprocess.Popen(command("mjpeg_page", "demo.onnx", "images", "0"), cwd=folder, stdout=subprocess.PIPE)
    alarm = threading.Timer(60, process.kill)
    alarm.start()
    assert process.stdout is not None
    try:
        url = process.stdout.readline().decode().strip()
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"<img" in page.read()
        with urllib.request.urlopen(f"{url}stream", timeout=30) as stream:
            assert b"\xff\xd8" in stream.read(500)  # a JPEG begins
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        alarm.cancel()


def test_the_notebook_runs(folder: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # none are committed
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("found again" in text for text in printed)


def test_every_example_is_listed() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")):
        assert f"`{path.name}`" in text and f"examples/{path.name}" in page
