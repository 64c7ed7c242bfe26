"""The whole way on shipped material: cut, calibrate, compile, run, and how far int8 agrees with float."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.calibration.calibrate import CalibrationResult, calibrate
from edgekit.compile.build import CompileResult, compile_model
from edgekit.demo.agreement import (
    CosineSum,
    Floats,
    MatchCount,
    count_matches,
    float_heads,
    model_detections,
    scene_detections,
)
from edgekit.demo.assets import Image, copy_model, write_calibration_images, write_images
from edgekit.demo.folder import replaced_folder, write_record
from edgekit.evaluate.agreement import CONFIDENT
from edgekit.files import write_json
from edgekit.output.writer import write_image
from edgekit.progress import Progress, silent
from edgekit.results import Segmentations
from edgekit.runtime.session import Session, load

MARCH, INPUT_KIND = "bayes-e", "nv12"  # the RDK X5 and what its camera gives
STOCK, CALIBRATION_IMAGES, IMAGES, DRAWN, WORK = "demo_seg.onnx", "calibration_images", "images", "drawn", "work"
RESULTS = "results.json"
PARTS = (STOCK, CALIBRATION_IMAGES, IMAGES, DRAWN, WORK, RESULTS)
CALIBRATION_NUM = 24
MIN_IOU = 0.8  # what counts as found again
TRUE_IOU = 0.5  # what counts as having found a thing that is truly there


@dataclass(frozen=True, slots=True)
class Measured:
    """How well int8 keeps up over all images.

    `agreement`: objects of the float heads model (score >= CONFIDENT) found again by int8 with box IoU >=
    MIN_IOU and the same class. `output_cosines`: per output, float against int8. `true_float`, `true_int8`: of
    the things that are truly in the images, those found (IoU >= TRUE_IOU, same class, score >= 0.25).
    """

    agreement: MatchCount
    output_cosines: dict[str, float]
    true_float: MatchCount
    true_int8: MatchCount


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made and measured; `objects` says how many int8 saw in each drawn image."""

    out: Path
    calibrated: CalibrationResult
    compiled: CompileResult
    device: str
    objects: dict[Path, int]
    measured: Measured
    seconds: dict[str, float]


def run_demo(out: Path, *, progress: Progress = silent) -> DemoResult:
    """Makes the demo's material in `out` and takes it the whole way on the simulated device.

    Raises OutputError where `out` holds anything but an earlier demo.
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
            measured, seen = _run_both(images, float_session, int8_session, progress)
            objects = _write_results(out, images, seen)
            device = int8_session.device.kind
        clock.lap("run")
        result = DemoResult(out, calibrated, compiled, device, objects, measured, clock.seconds)
        write_record(out, {"simulated": compiled.simulated, "device": device, **measured_to_dict(measured)})
    return result


def measured_to_dict(measured: Measured) -> dict[str, Any]:
    """`measured` as plain JSON values, with the thresholds that it was measured at."""
    return {
        "agreement": {
            **_found_to_dict(measured.agreement),
            "min_score": CONFIDENT,
            "min_iou": MIN_IOU,
        },
        "output_cosines": {name: round(value, 6) for name, value in measured.output_cosines.items()},
        "true_things": {
            "float": _found_to_dict(measured.true_float),
            "int8": _found_to_dict(measured.true_int8),
            "min_iou": TRUE_IOU,
        },
    }


def _found_to_dict(found: MatchCount) -> dict[str, Any]:
    return {"found": found.count, "of": found.total, "share": round(found.share, 4)}


def _run_both(
    images: Sequence[Image], float_session: Session, int8_session: Session, progress: Progress
) -> tuple[Measured, list[Segmentations]]:
    """Runs both models on every image; gives the comparison and what int8 saw."""
    cosines: dict[str, CosineSum] = {}
    agreement = true_float = true_int8 = MatchCount()
    seen = []
    for done, image in enumerate(images, start=1):
        (float_results, float_raw), (int8_results, int8_raw) = (
            _predict(session, image) for session in (float_session, int8_session)
        )
        for name, values in float_raw.items():
            cosines.setdefault(name, CosineSum()).add(values, int8_raw[name])
        truth, by_float, by_int8 = (
            scene_detections(image.scene),
            model_detections(float_results),
            model_detections(int8_results),
        )
        agreement += count_matches(by_float, by_int8, min_score=CONFIDENT, min_iou=MIN_IOU)
        true_float += count_matches(truth, by_float, min_score=0, min_iou=TRUE_IOU)
        true_int8 += count_matches(truth, by_int8, min_score=0, min_iou=TRUE_IOU)
        seen.append(int8_results)
        progress("float and int8 on the images", done, len(images))
    return Measured(agreement, {n: c.value for n, c in cosines.items()}, true_float, true_int8), seen


def _predict(session: Session, image: Image) -> tuple[Segmentations, dict[str, Floats]]:
    """The results, and the raw heads as floats."""
    inputs, letterbox = session.prepare(image.scene.bgr)
    heads = session.infer(inputs)
    results = session.decode(heads, letterbox)
    assert isinstance(results, Segmentations), "the shipped model segments"
    return results, float_heads(heads, session.spec)


def _write_results(out: Path, images: Sequence[Image], seen: Sequence[Segmentations]) -> dict[Path, int]:
    """Writes the drawn images and results.json, in the form that edgekit run writes."""
    objects, rows = {}, []
    for image, results in zip(images, seen, strict=True):
        drawn = write_image(out / DRAWN / image.path.name, results.draw(image.scene.bgr))
        objects[drawn] = len(results)
        rows.append({"source": image.path.name, **results.to_dict()})
    write_json(out / RESULTS, {"results": rows})
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
