"""Settings through both compilers, and their builds measured on images that no search has seen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.compilation.build import compile_model
from edgekit.data.image_source import Image
from edgekit.evaluation.bootstrap import Float64Array, Interval
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.run import evaluate
from edgekit.files import sha256_file
from edgekit.tuning.measurement import Measurement, measurement_from_json
from edgekit.tuning.prepare import write_float_heads, write_images
from edgekit.tuning.tasks import MeasureBuild
from edgekit.tuning.workspace import Workspace

COMPILERS = ("sim", "hb_mapper")


@dataclass(frozen=True)
class Measured:
    """A build on the val images: what is kept of every metric, what is missing to full agreement, output errors."""

    kept: dict[str, Interval]
    quality: Interval
    missing: Float64Array  # 1 - panoptic quality, in every draw of the images
    lost: tuple[float, ...]  # confident detections not matched, by IoU
    errors: Measurement

    def __str__(self) -> str:
        kept = ", ".join(
            f"{k} {100 * v.value:.1f} [{100 * v.low:.1f}, {100 * v.high:.1f}]" for k, v in self.kept.items()
        )
        lost = " / ".join(f"{100 * one:.1f}" for one in self.lost)
        return (
            f"kept % {kept}; disagreement {100 * (1 - self.quality.value):.1f} %; lost % at IoU .5/.8/.9 {lost}; "
            f"output error {self.errors.everywhere.mean:.4f}, where objects are {self.errors.weighted.mean:.4f}"
        )


class ValImages:
    """The labelled images to judge by, with the float model's outputs on them."""

    def __init__(self, shared: Path, folder: Path, cut: Path) -> None:
        self.float_model = shared / "models/yolov8n-seg.onnx"
        self.truth = load_labels(shared / "coco/instances_val.json", images_dir=shared / "coco/images/val")
        self.folder = folder
        self.workspace = Workspace(folder / "floats")
        write_images(self.workspace, [Image(image.path, image.path.name) for image in self.truth.images])
        write_float_heads(self.workspace, cut, len(self.truth.images), progress=lambda *_: None)

    def measure(self, build: Path, name: str) -> Measured:
        result = evaluate(build, self.truth, self.folder / name, against=self.float_model)
        task = MeasureBuild(build, sha256_file(build), len(self.truth.images))
        measured = measurement_from_json(task.run(self.workspace))
        assert result.agreement is not None and result.kept is not None
        lost = tuple(1 - one.value for _, one in result.agreement.matched)
        return Measured(dict(result.kept), result.agreement.quality, 1 - result.agreement.draws, lost, measured)


def compile_both(yaml: Path, folder: Path) -> dict[str, Path]:
    """The quantized graphs that both compilers make of copies of a work folder."""
    builds = {}
    for compiler in COMPILERS:
        copy = folder / compiler
        shutil.copytree(yaml.parent, copy, ignore=shutil.ignore_patterns("model_output"))
        builds[compiler] = compile_model(copy / yaml.name, toolchain=compiler, optimize="O0").quantized_path
    return builds


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's: Pearson's of the ranks."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
