"""From a stock ONNX and images to a bundle: calibrate, compile, strip, report, pack; each step resumes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.calibration.pipeline import CalibrationSet, calibrate
from edgekit.compilation.build import CompileResult, compile_model
from edgekit.compilation.registry import choose_compiler
from edgekit.deploy.bundle_writer import WrittenBundle, check_output, write_bundle
from edgekit.errors import DataError
from edgekit.files import write_json, write_text
from edgekit.folder_lock import folder_lock
from edgekit.integrations.checkpoint_export import as_onnx, is_checkpoint
from edgekit.progress import Progress, silent
from edgekit.report.as_json import report_json
from edgekit.report.gather import collect
from edgekit.report.page import write_page
from edgekit.report.report import Report, make_report
from edgekit.spec import InputKind, March, ModelSpec, load_spec

if TYPE_CHECKING:
    from edgekit.export import CutOptions

LABELS_NAME = "labels.txt"
REPORT_JSON_NAME = "report.json"
REPORT_PAGE_NAME = "report.html"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What one deploy made, and the seconds of each step (those of the compiler below "compile")."""

    bundle: WrittenBundle
    work: Path
    calibration: CalibrationSet
    build: CompileResult
    spec: ModelSpec
    seconds: Mapping[str, float] = field(default_factory=dict)


def deploy(
    model: Path,
    images: Path,
    output: Path,
    *,
    work: Path | None = None,
    num: int = 50,
    select: str = "diverse",
    input_kind: InputKind = "nv12",
    march: March = "bayes-e",
    toolchain: str = "auto",
    optimize: str | None = None,
    python: str | None = None,
    imgsz_hw: tuple[int, int] | None = None,
    cut_options: CutOptions | None = None,
    progress: Progress = silent,
) -> Deployed:
    """Make the bundle for the board from a stock YOLO export: calibrate, compile, strip, pack.

    Args:
        model: A stock export, or a trainer's checkpoint (.pt), which the installed Ultralytics exports.
        images: What `edgekit.data.open_source` takes.
        output: The bundle, a new folder; the same is packed as .tar.gz beside it.
        work: Keeps the calibration set and the build, so that a second call does only what is missing; None is
            `output`_work.
        num: Number of calibration images.
        select: "diverse", "random" or "first".
        input_kind: What the board feeds: "nv12", "rgb", "bgr", "yuv444" or "gray".
        march: "bayes-e", "bayes" or "bernoulli2".
        toolchain: "auto", "hb_mapper", "docker" or "sim".
        optimize: "O0" to "O3"; None is the yaml's.
        python: For a checkpoint: an interpreter that has Ultralytics; None is looked for.
        imgsz_hw: For a checkpoint: the input size of the export, height first; None is the checkpoint's.
        cut_options: For a model that is no YOLO: its task, and how it takes its images.
        progress: Called with each stage.

    Returns:
        The bundle and what each stage made.

    Raises:
        EdgekitError: Of the kind of the stage that failed, before any work where it can be known.
    """
    output = Path(output).absolute()
    work = Path(work).absolute() if work is not None else output.with_name(output.name + "_work")
    check_output(output)
    choose_compiler(toolchain)  # a missing toolchain is said now, not after the calibration
    clock = _Clock()
    source, model = model, as_onnx(model, output, python=python, imgsz_hw=imgsz_hw, progress=progress)
    if is_checkpoint(source):
        clock.lap("export")
    with folder_lock(work, "deploy"):
        calibration = calibrate(
            model,
            images,
            work,
            num=num,
            select=select,
            input_kind=input_kind,
            march=march,
            cut_options=cut_options,
            progress=progress,
        )
        clock.lap("calibrate")
        build = compile_model(calibration.yaml_path, toolchain=toolchain, optimize=optimize, progress=progress)
        clock.lap("compile")
        spec = load_spec(build.files[_model_part(build) + "_sidecar"])
        extras = _write_extras(build, spec)
        clock.lap("report")
        bundle = write_bundle(output, _parts(build, calibration, extras), spec)
        clock.lap("bundle")
    inner = {f"compile.{name}": float(value) for name, value in build.record.get("seconds", {}).items()}
    return Deployed(bundle, work, calibration, build, spec, {**clock.seconds, **({} if build.reused else inner)})


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now


def _model_part(build: CompileResult) -> str:
    return "modified_bin" if "modified_bin" in build.files else "bin"


def _write_extras(build: CompileResult, spec: ModelSpec) -> dict[str, Path]:
    """Labels and the report, written beside the build."""
    folder = build.bin_path.parent
    labels, page, data = (folder / name for name in (LABELS_NAME, REPORT_PAGE_NAME, REPORT_JSON_NAME))
    write_text(labels, "".join(f"{name}\n" for name in spec.names))
    made = _report_of(build)
    if made is None:
        return {"labels": labels}
    write_page(page, [made])
    write_json(data, report_json(made))
    return {"labels": labels, "report": page, "report_json": data}


def _report_of(build: CompileResult) -> Report | None:
    """The report of this very build; None where its files say too little for one."""
    try:
        return make_report(collect(build.log_path).builds[0])
    except (DataError, IndexError):
        return None


def _parts(build: CompileResult, calibration: CalibrationSet, extras: Mapping[str, Path]) -> dict[str, Path]:
    part = _model_part(build)
    parts = {
        "model": build.files[part],
        "sidecar": build.files[f"{part}_sidecar"],
        "quantized": build.quantized_path,
        "calibration": calibration.manifest_path,
        "buildinfo": build.bin_path.with_name("buildinfo.json"),
        **extras,
    }
    if "quantized_sidecar" in build.files:
        parts["quantized_sidecar"] = build.files["quantized_sidecar"]
    return parts
