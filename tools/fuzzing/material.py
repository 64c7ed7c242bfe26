"""What lies beside a fuzzed file: a few tiny models, images and a work folder, made once per process tree."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

TASKS = ("detect", "segment", "pose", "obb", "classify")
MARKS = {'"proto"': "segment", '"keypoint"': "pose", '"angle"': "obb", '"classify"': "classify"}
SIZES_WH = ((64, 48), (48, 64), (40, 40))


HEAVY = (
    "cv2", "onnx", "onnxruntime", "yaml", "pycocotools.mask", "jinja2", "rich.console", "edgekit.export",
    "edgekit.report.page", "edgekit.report.text", "edgekit.sim.verify", "edgekit.evaluation.label_reader",
    "edgekit.evaluation.coco", "edgekit.runtime.session", "edgekit.runtime.ort", "edgekit.calibration.samples",
    "edgekit.compilation.build", "tests.tiny_yolo", "tests.sim.random_ops", "tests.report.test_sensitivity",
)  # fmt: skip


def preload() -> None:
    """Import what is slow to import, once before workers are forked."""
    import importlib

    from edgekit.sim.fast.build import kernels

    for name in HEAVY:
        importlib.import_module(name)
    kernels()


@functools.cache
def folder() -> Path:
    """A folder that goes when the process that made it ends."""
    path, owner = Path(tempfile.mkdtemp(prefix="fuzz-material-")), os.getpid()
    atexit.register(lambda: shutil.rmtree(path, ignore_errors=True) if os.getpid() == owner else None)
    return path


@functools.cache
def heads(task: str) -> Path:
    """A cut model of this task with its sidecar beside it."""
    from edgekit.export import cut_model
    from tests.tiny_yolo import save_tiny_yolo

    stock = save_tiny_yolo(folder() / f"{task}_stock.onnx", task=task)
    path = folder() / f"{task}.onnx"
    cut_model(stock, path)
    return path


def heads_for(sidecar: bytes) -> Path:
    """The model that a sidecar, damaged or not, most likely belongs to."""
    text = sidecar.decode("latin-1")
    return heads(next((task for mark, task in MARKS.items() if mark in text), "detect"))


@functools.cache
def images() -> tuple[Path, ...]:
    """Three small images, image_000.png and so on, in a folder named `images`."""
    import cv2

    from tests.images import scene

    images = folder() / "images"
    images.mkdir(exist_ok=True)
    paths = tuple(images / f"image_{number:03}.png" for number in range(len(SIZES_WH)))
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), scene(number, size_wh=SIZES_WH[number]))
    return paths


@functools.cache
def work() -> Path:
    """The yaml of a work folder for a tiny model: heads, sidecar, two calibration files, manifest."""
    import json

    from edgekit.files import sha256_file
    from tests.sim.compiler.works import make_work

    yaml = make_work(folder() / "work", images=2)
    files = sorted(path for path in yaml.parent.rglob("*") if path.is_file() and path != yaml)
    names = {path.relative_to(yaml.parent).as_posix(): sha256_file(path) for path in files}
    (yaml.parent / "manifest.json").write_text(json.dumps({"edgekit": "1", "version": 1, "files": names}))
    return yaml


@functools.cache
def built(family: str = "yolov8", task: str = "detect") -> Path:
    """The simulated `.bin` that a tiny model compiles to, its sidecar beside it."""
    from edgekit.compilation.build import compile_model
    from tests.sim.compiler.works import make_work

    yaml = make_work(folder() / f"built-{family}-{task}", images=2, family=family, task=task)
    compile_model(yaml, toolchain="sim")
    return next(yaml.parent.rglob("tiny.bin"))


def copy_work(target: Path) -> Path:
    """Copy the work folder into `target`; returns its yaml."""
    shutil.copytree(work().parent, target / "work")
    return target / "work" / work().name


def copy_images(target: Path) -> None:
    """Copy the images into `target`/images."""
    (target / "images").mkdir()
    for path in images():
        shutil.copy(path, target / "images")
