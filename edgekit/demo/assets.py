"""What the demo works on: the shipped model, the images to calibrate with and the images to run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2

from edgekit.demo.scenes import Scene, render_image
from edgekit.errors import ModelError, OutputError
from edgekit.files import atomic_path, read_json, sha256_file, write_bytes
from edgekit.install_hints import reinstall_hint
from edgekit.progress import Progress, silent

MODEL_NAME = "demo_seg.onnx"
RECORD_NAME = "demo_seg.record.json"  # hash, scores and training of the model, written by tools/train_demo_model.py
CALIBRATION_SEED, CALIBRATION_COUNT = 20_000, 36
CALIBRATION_SIZES = ((400, 300), (300, 400), (400, 225), (320, 320))
LANDSCAPE, TALL, PANORAMA, SQUARE, CLASSIC = (640, 480), (480, 640), (640, 360), (512, 512), (640, 427)
IMAGES = {  # seed: size; chosen by eye for variety before there was a model to see them
    100: LANDSCAPE,
    104: CLASSIC,
    105: LANDSCAPE,
    106: TALL,
    109: CLASSIC,
    110: LANDSCAPE,
    117: PANORAMA,
    118: SQUARE,
    119: CLASSIC,
    121: TALL,
    122: PANORAMA,
    124: CLASSIC,
}


@dataclass(frozen=True, slots=True, eq=False)
class RenderedImage:
    """A generated image on disk, and the scene that it shows."""

    path: Path
    scene: Scene


def shipped_model() -> Path:
    """Return the demo model, shaped as a stock export; raise ModelError if it is not the one that was shipped."""
    folder = Path(__file__).parent
    path, record = folder / MODEL_NAME, read_json(folder / RECORD_NAME)
    expected = record.get("sha256") if isinstance(record, dict) else None
    digest = sha256_file(path) if path.is_file() else "nothing"
    if digest != expected:
        raise ModelError(
            f"the demo model {path} has the SHA-256 {digest[:16]}, expected {str(expected)[:16]}",
            hint=reinstall_hint(),
        )
    return path


def copy_model(target: Path) -> Path:
    """Copy the demo model to `target`, and return that."""
    write_bytes(target, shipped_model().read_bytes())
    return target


def write_calibration_images(folder: Path, *, progress: Progress = silent) -> list[RenderedImage]:
    """Render the images to calibrate with into `folder`."""
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + CALIBRATION_COUNT)
    sizes = {seed: CALIBRATION_SIZES[seed % len(CALIBRATION_SIZES)] for seed in seeds}
    return _write(folder, sizes, "calibration images", progress)


def write_images(folder: Path, *, progress: Progress = silent) -> list[RenderedImage]:
    """Render the images to run on into `folder`; no calibration image is among them."""
    return _write(folder, IMAGES, "images", progress)


def _write(folder: Path, sizes: dict[int, tuple[int, int]], stage: str, progress: Progress) -> list[RenderedImage]:
    images = []
    for done, (seed, size_wh) in enumerate(sorted(sizes.items())):
        progress(stage, done, len(sizes))
        scene = render_image(seed, size_wh)
        path = folder / f"{seed:05d}.png"  # PNG: every decoder gives the same pixels
        with atomic_path(path) as temporary:
            if not cv2.imwrite(str(temporary), scene.bgr):
                raise OutputError(f"{path} cannot be written by OpenCV", hint="free some disk space")
        images.append(RenderedImage(path, scene))
    progress(stage, len(sizes), len(sizes))
    return images
