"""Accuracy per millisecond on the shared trained models, through the vendor's compiler. Two to four hours each.

pytest -m toolchain tests/tuning/test_families.py -s

Tuned on train and unlabelled images alone, judged once on the val images, beside untuned. EDGEKIT_TUNE_WORK names a
folder that keeps everything, so that a run that was stopped goes on.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgekit.compilation.build import compile_model
from edgekit.evaluation.bootstrap import Float64Array, Interval, interval, quotients, ratio
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.run import evaluate
from edgekit.tuning import TuneOptions, tune
from edgekit.tuning.prepare import DEFAULT_SET
from edgekit.tuning.prove import COMPILER
from edgekit.tuning.run import SEARCH_DIR, TUNED_DIR
from edgekit.tuning.workspace import Workspace

pytestmark = pytest.mark.toolchain
MODELS = ("yolov5n", "yolo11n", "yolov8n-seg", "yolov8n-seg-offgrid")
MOST_DISAGREEMENT = {0.0: 0.8, 0.1: 0.67, 0.4: 0.5}  # time that 16 bits may add -> disagreement over untuned
LEARN_MINUTES, SEARCH_MINUTES = 20, 8
KEPT, KEPT_LOW = 0.99, 0.98  # pooled over the models, at SMALL_COST
SMALL_COST = 0.1


@dataclass(frozen=True)
class Judged:
    """A build on the val images: disagreement with float, and the metrics' draws over float's."""

    missing: Float64Array
    kept: Mapping[str, Float64Array]

    def __str__(self) -> str:
        kept = ", ".join(f"{name} {percent(interval(draws))}" for name, draws in self.kept.items())
        return f"disagreement {percent(interval(self.missing))}; kept {kept}"


def percent(value: Interval) -> str:
    return f"{100 * value.value:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}] %"


class Family:
    """One model: tuned per budget, compiled, judged; everything is kept in a folder of its own."""

    def __init__(self, name: str, shared: Path, work: Path) -> None:
        candidates = (shared / "models/trained" / f"{name}.onnx", shared / "models" / f"{name}.onnx")
        self.stock = next((path for path in candidates if path.is_file()), candidates[0])
        if not self.stock.is_file() or not (shared / "coco/images/unlabelled").is_dir():
            pytest.skip("the trained models or the unlabelled images are not here")
        self.coco, self.folder = shared / "coco", work / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.images = self.folder / "images.txt"
        folders = (self.coco / "images/train", self.coco / "images/unlabelled")
        self.images.write_text("\n".join(map(str, sorted(path for folder in folders for path in folder.iterdir()))))

    def tuned(self, budget: float) -> Path:
        """The yaml of what `tune` chose for a budget."""
        kept = self.folder / f"tuned_{budget:g}"
        if not (kept / "tune.json").is_file():
            options = TuneOptions(minutes=SEARCH_MINUTES, learn=LEARN_MINUTES, max_extra_cost=budget, prove=True)
            tune(self.stock, self.images, self.folder / "search", options)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(
                self.folder / "search" / TUNED_DIR, kept, ignore=shutil.ignore_patterns("model_output", "tune.html")
            )
        return next(kept.glob("*.yaml"))

    def untuned(self) -> Path:
        """The yaml of the untuned default."""
        self.tuned(0.0)
        kept = self.folder / "untuned"
        source = Workspace(self.folder / "search" / SEARCH_DIR).yaml("{}_{}".format(*DEFAULT_SET))
        if not kept.is_dir():
            shutil.copytree(source.parent, kept, ignore=shutil.ignore_patterns("model_output"))
        return kept / source.name

    def judged(self, yaml: Path) -> Judged:
        """The vendor's build of a yaml on the val images."""
        marker = yaml.parent / "quantized.json"
        if not marker.is_file():
            build = compile_model(yaml, toolchain=COMPILER, optimize="O0")
            marker.write_text(json.dumps(str(build.quantized_path)))
        quantized = Path(json.loads(marker.read_text()))
        truth = load_labels(self.coco / "instances_val.json", images_dir=self.coco / "images/val")
        result = evaluate(quantized, truth, yaml.parent / "eval", against=self.stock)
        assert result.agreement is not None and result.reference is not None and result.kept is not None
        of_model, of_float = result.model.scores, result.reference.scores
        kept = {kind: quotients(of_model[kind].draws, of_float[kind].draws) for kind in result.kept}
        return Judged(1 - result.agreement.draws, kept)

    def static_ms(self, budget: float) -> tuple[float, float]:
        """The vendor compiler's own static time at O3: of the untuned default, and of what a budget chose."""
        proofs = json.loads((self.tuned(budget).parent / "tune.json").read_text())["proofs"]
        return proofs[0]["compiled_ms"], next(proof["compiled_ms"] for proof in proofs if proof["chosen"])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("EDGEKIT_TUNE_WORK")
    return Path(kept) if kept else tmp_path_factory.mktemp("families")


@pytest.mark.parametrize("budget", MOST_DISAGREEMENT)
@pytest.mark.parametrize("name", MODELS)
def test_detections_disagree_less(shared_data: Path, work: Path, name: str, budget: float) -> None:
    family = Family(name, shared_data, work)
    untuned, tuned = family.judged(family.untuned()), family.judged(family.tuned(budget))
    over = ratio(tuned.missing, untuned.missing)
    print(f"\n{name} untuned: {untuned}\n{name} at +{100 * budget:g} %: {tuned}")
    print(
        f"{name} at +{100 * budget:g} %: disagreement over untuned {over.value:.2f} [{over.low:.2f}, {over.high:.2f}]"
    )
    assert over.value <= MOST_DISAGREEMENT[budget]


def test_the_metrics_of_all_are_kept(shared_data: Path, work: Path) -> None:
    families = [Family(name, shared_data, work) for name in MODELS]
    rows = [draws for family in families for draws in family.judged(family.tuned(SMALL_COST)).kept.values()]
    pooled = interval(np.mean(rows, axis=0))  # the same draws of the same images in all of them
    print(f"\nkept, pooled over {len(rows)} metrics of {len(families)} models: {percent(pooled)}")
    assert pooled.value >= KEPT and pooled.low >= KEPT_LOW


@pytest.mark.parametrize("budget", MOST_DISAGREEMENT)
@pytest.mark.parametrize("name", MODELS)
def test_the_compiled_frame_keeps_its_budget(shared_data: Path, work: Path, name: str, budget: float) -> None:
    family = Family(name, shared_data, work)
    untuned, tuned = family.static_ms(budget)
    print(f"\n{name} at +{100 * budget:g} %: {untuned:.3f} -> {tuned:.3f} ms ({100 * (tuned / untuned - 1):+.1f} %)")
    assert tuned <= untuned * (1 + budget)
