"""One export the whole way: cut with its proof, calibrated, compiled by the simulator, decoded, compared with float."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import EdgekitError

CALIBRATION_IMAGES, COMPARED_IMAGES = 4, 2
STAGES = ("export", "cut", "compile", "compare")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one description.

    Attributes:
        name: Of the description, without ".yaml".
        task: As the cut found it; "" if it was not cut.
        stopped: The stage that refused it; "" if it went the whole way.
        message: What that stage said.
        hint: What it said would run, or else help.
        lowest_cosine: Of an output of the integer graph with the float model.
        kept: Detections (classes, pixels) of float that int8 shows, too.
        changed: Those lost, gained or moved.
        seconds: It took here.
    """

    name: str
    task: str = ""
    stopped: str = ""
    message: str = ""
    hint: str = ""
    lowest_cosine: float | None = None
    kept: int | None = None
    changed: int | None = None
    seconds: float = 0.0


def go_whole_way(model: Path, images: Path, name: str) -> Row:
    """Take one export the whole way in a folder of its own, which is gone afterwards."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="census_") as folder:
        row = _stages(model, images, Row(name), Path(folder))
    return replace(row, seconds=round(time.monotonic() - start, 1))


def _stages(model: Path, images: Path, row: Row, folder: Path) -> Row:
    from edgekit.calibration import calibrate
    from edgekit.compilation.build import compile_model
    from edgekit.evaluation.compare import compare_models
    from edgekit.export import cut_file

    stage = "cut"
    try:
        cut = cut_file(model, folder / "heads.onnx")
        row, stage = replace(row, task=cut.spec.task), "compile"
        calibration = calibrate(model, images, folder / "work", num=CALIBRATION_IMAGES, calibration="max")
        build = compile_model(calibration.yaml_path, toolchain="sim")
        row, stage = replace(row, lowest_cosine=min(build.output_cosines.values())), "compare"
        result = compare_models(model, build.bin_path, images, num=COMPARED_IMAGES)
    except EdgekitError as error:
        return replace(row, stopped=stage, message=error.message, hint=error.hint or "")
    except Exception as error:  # a census goes on, and says that this is no refusal
        return replace(row, stopped=stage, message=f"{type(error).__name__}: {error}")
    return replace(
        row,
        kept=sum(difference.kept for difference in result.differences),
        changed=sum(difference.changes for difference in result.differences),
    )
