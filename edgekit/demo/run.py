"""The whole way on shipped material: cut, calibrate, compile, run, and how far int8 agrees with float."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.calibration.pipeline import CalibrationSet, calibrate
from edgekit.compilation.build import CompileResult, compile_model
from edgekit.demo.agreement import (
    CosineSum,
    Float32Array,
    MatchCount,
    count_matches,
    float_heads,
    scene_detections,
)
from edgekit.demo.assets import RenderedImage, copy_model, write_calibration_images, write_images
from edgekit.demo.folder import replaced_folder, write_record
from edgekit.evaluation.agreement import CONFIDENT
from edgekit.evaluation.detection_diff import as_image_detections
from edgekit.files import write_json
from edgekit.output.writer import write_image
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.results import Segmentations
from edgekit.runtime.session import Session, load
from edgekit.spec import InputKind, March

MARCH: March = "bayes-e"  # of the RDK X5
INPUT_KIND: InputKind = "nv12"  # what its camera gives
STOCK, CALIBRATION_IMAGES, IMAGES, DRAWN, WORK = "demo_seg.onnx", "calibration_images", "images", "drawn", "work"
RESULTS = "results.json"
PARTS = (STOCK, CALIBRATION_IMAGES, IMAGES, DRAWN, WORK, RESULTS)
CALIBRATION_NUM = 24
MIN_IOU = 0.8  # from which on int8 matches float
TRUE_IOU = 0.5  # from which on a detection matches an object of the scene


@dataclass(frozen=True, slots=True)
class DemoMetrics:
    """How near int8 is to float over all images.

    Attributes:
        agreement: Objects of the float heads (score >= CONFIDENT) matched by int8 with box IoU >= MIN_IOU.
        output_cosines: Per output, float against int8.
        true_float: Objects of the scenes matched by float (IoU >= TRUE_IOU, score >= 0.25).
        true_int8: The same by int8.
    """

    agreement: MatchCount
    output_cosines: dict[str, float]
    true_float: MatchCount
    true_int8: MatchCount


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made and measured.

    Attributes:
        out: Its folder.
        calibrated: Of `calibrate`.
        compiled: Of the simulated compiler.
        device: Kind of device that ran int8.
        objects: Drawn image -> number of int8 detections.
        measured: Float against int8.
        seconds: By stage.
    """

    out: Path
    calibrated: CalibrationSet
    compiled: CompileResult
    device: str
    objects: dict[Path, int]
    measured: DemoMetrics
    seconds: dict[str, float]


def run_demo(out: Path, *, progress: Progress = silent) -> DemoResult:
    """Cut, calibrate, compile and run shipped material on the simulated device.

    Args:
        out: A new folder, or an earlier demo's, which is replaced.
        progress: Called with stage, done and total.

    Returns:
        What was made and measured.

    Raises:
        OutputError: If `out` holds anything but an earlier demo.
    """
    out, clock = Path(out), _Clock()
    with replaced_folder(out, PARTS):
        stock = copy_model(out / STOCK)
        write_calibration_images(out / CALIBRATION_IMAGES, progress=progress)
        images = write_images(out / IMAGES, progress=progress)
        clock.lap("material")
        calibrated = calibrate(
            stock,
            out / CALIBRATION_IMAGES,
            out / WORK,
            num=CALIBRATION_NUM,
            input_kind=INPUT_KIND,
            march=MARCH,
            progress=progress,
        )
        clock.lap("cut and calibrate")
        compiled = compile_model(calibrated.yaml_path, toolchain="sim", progress=progress)
        clock.lap("compile")
        with load(calibrated.model_path) as float_session, load(compiled.bin_path, "sim") as int8_session:
            measured, results = _run_both(images, float_session, int8_session, progress)
            objects = _write_results(out, images, results)
            device = int8_session.device.kind
        clock.lap("run")
        result = DemoResult(out, calibrated, compiled, device, objects, measured, clock.seconds)
        write_record(out, {"simulated": compiled.simulated, "device": device, **metrics_to_dict(measured)})
    return result


def metrics_to_dict(measured: DemoMetrics) -> dict[str, Any]:
    """Return metrics as plain JSON values, with the thresholds that they were measured at.

    Args:
        measured: The metrics.

    Returns:
        Plain JSON values.
    """
    return {
        "agreement": {
            **_count_to_dict(measured.agreement),
            "min_score": CONFIDENT,
            "min_iou": MIN_IOU,
        },
        "output_cosines": {name: round(value, 6) for name, value in measured.output_cosines.items()},
        "true_objects": {
            "float": _count_to_dict(measured.true_float),
            "int8": _count_to_dict(measured.true_int8),
            "min_iou": TRUE_IOU,
        },
    }


def _count_to_dict(matches: MatchCount) -> dict[str, Any]:
    return {"matched": matches.count, "of": matches.total, "share": round(matches.share, 4)}


def _run_both(
    images: Sequence[RenderedImage], float_session: Session, int8_session: Session, progress: Progress
) -> tuple[DemoMetrics, list[Segmentations]]:
    """Run both models on every image; return the comparison and the results of int8."""
    cosines: dict[str, CosineSum] = {}
    agreement = true_float = true_int8 = MatchCount()
    results = []
    for done, image in enumerate(images, start=1):
        (float_results, float_raw), (int8_results, int8_raw) = (
            _predict(session, image) for session in (float_session, int8_session)
        )
        for name, values in float_raw.items():
            cosines.setdefault(name, CosineSum()).add(values, int8_raw[name])
        truth, by_float, by_int8 = (
            scene_detections(image.scene),
            as_image_detections(float_results),
            as_image_detections(int8_results),
        )
        agreement += count_matches(by_float, by_int8, min_score=CONFIDENT, min_iou=MIN_IOU)
        true_float += count_matches(truth, by_float, min_score=0, min_iou=TRUE_IOU)
        true_int8 += count_matches(truth, by_int8, min_score=0, min_iou=TRUE_IOU)
        results.append(int8_results)
        progress("float and int8 on the images", done, len(images))
    return DemoMetrics(agreement, {n: c.value for n, c in cosines.items()}, true_float, true_int8), results


def _predict(session: Session, image: RenderedImage) -> tuple[Segmentations, dict[str, Float32Array]]:
    """Return the results, and the raw heads as floats."""
    inputs, letterbox = session.prepare(image.scene.bgr)
    heads = session.infer(inputs)
    results = session.decode(heads, letterbox)
    assert isinstance(results, Segmentations), "the shipped model segments"
    return results, float_heads(heads, session.spec)


def _write_results(out: Path, images: Sequence[RenderedImage], results: Sequence[Segmentations]) -> dict[Path, int]:
    """Write the drawn images and results.json, in the form that edgekit run writes."""
    objects, rows = {}, []
    for image, of_image in zip(images, results, strict=True):
        drawn = write_image(out / DRAWN / image.path.name, of_image.draw(image.scene.bgr))
        objects[drawn] = len(of_image)
        rows.append({"source": image.path.name, **of_image.to_dict()})
    write_json(out / RESULTS, {**envelope("run"), "results": rows})
    return objects


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now
