"""Both compilers on the same work folder: the same thresholds, the same integers, the same detections.

pytest -m toolchain tests/sim/compiler/test_same_integers.py -s     about 10 minutes
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import CompileResult, compile_model
from edgekit.compilation.toolchain.find import Toolchain
from edgekit.evaluation.label_reader import unlabelled_images
from edgekit.evaluation.run import evaluate

pytestmark = pytest.mark.toolchain
MODELS = ("yolov5n", "yolo11n")  # without and with attention
CALIBRATED, JUDGED = 20, 60  # images
MAX_RATIO_OFF, LEAST_NEAR = 0.03, 0.9  # 90 % of the thresholds within 3 %
BIAS, WEIGHT = 2, 1  # inputs of a convolution
LEAST_QUALITY = 0.95  # panoptic quality of one build's detections against the other's
EXACT = ("yolov5n",)  # to the last integer; attention's float products differ in last digits


@dataclass(frozen=True)
class Pair:
    """A work folder as the vendor's compiler builds it and as the simulated one does."""

    name: str
    vendor: CompileResult
    simulated: CompileResult
    images: Path


@pytest.fixture(scope="module", params=[(name, calibration) for name in MODELS for calibration in ("max", "default")])
def pair(
    request: pytest.FixtureRequest, toolchain: Toolchain, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Pair:
    name, calibration = request.param
    model, images = shared_data / "models/trained" / f"{name}.onnx", shared_data / "coco/images"
    if not model.is_file():
        pytest.skip("the trained models are not here")
    folder: Path = tmp_path_factory.mktemp(f"{name}_{calibration}")
    made = calibrate(
        model, images / "train", folder / "vendor", num=CALIBRATED, input_kind="nv12", calibration=calibration
    )
    shutil.copytree(folder / "vendor", folder / "simulated")
    yaml = folder / "simulated" / made.yaml_path.name
    vendor = compile_model(made.yaml_path, toolchain="hb_mapper", optimize="O0")
    return Pair(name, vendor, compile_model(yaml, toolchain="sim"), images)


def thresholds(build: CompileResult) -> dict[tuple[str, int], float]:
    """(node, input) -> threshold, of data alone."""
    info: Mapping[str, Mapping[str, list[list[float]]]] = json.loads(
        next(build.quantized_path.parent.glob("*quant_info.json")).read_text()
    )
    rows = ((name, i, value) for name, node in info.items() for i, value in enumerate(node["thresholds"]))
    return {(name, i): value[0] for name, i, value in rows if len(value) == 1}


def convolutions(build: CompileResult) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Node -> integers of weights and biases."""
    model = onnx.load(build.quantized_path)
    values = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes = (node for node in model.graph.node if node.op_type == "HzSQuantizedConv")
    return {node.name: (values[node.input[WEIGHT]], values[node.input[BIAS]].astype(np.int64)) for node in nodes}


def test_thresholds_are_the_vendors(pair: Pair) -> None:
    theirs, ours = thresholds(pair.vendor), thresholds(pair.simulated)
    ratios = np.array([ours[key] / theirs[key] for key in ours if key in theirs])
    near = np.abs(ratios - 1) <= MAX_RATIO_OFF
    print(f"\n{len(ratios)} thresholds: median ratio {np.median(ratios):.6f}, {100 * near.mean():.1f} % within 3 %")
    assert len(ratios) > 100 and np.median(ratios) == pytest.approx(1, abs=0.005)
    assert near.mean() >= LEAST_NEAR


def test_weights_and_biases_are_the_vendors(pair: Pair) -> None:
    theirs, ours = convolutions(pair.vendor), convolutions(pair.simulated)
    assert set(ours) == set(theirs)
    weights = np.concatenate([(ours[name][0] != theirs[name][0]).ravel() for name in ours])
    biases = np.concatenate([np.abs(ours[name][1] - theirs[name][1]).ravel() for name in ours])
    unlike, far = (biases > 0).mean(), (biases > 1).mean()
    print(f"\nweights that differ {weights.mean():.2e}, biases {unlike:.3f}, by more than 1 {far:.3f}")
    assert not weights.any() and far <= 0.001
    assert pair.name not in EXACT or not biases.any()


def test_detections_are_the_vendors(pair: Pair, tmp_path: Path) -> None:
    images = unlabelled_images(pair.images / "unlabelled", limit=JUDGED)
    result = evaluate(pair.simulated.quantized_path, images, tmp_path, against=pair.vendor.quantized_path)
    assert result.agreement is not None
    quality = result.agreement.quality
    low, high = 100 * quality.low, 100 * quality.high
    print(f"\nagreement of the two builds: {100 * quality.value:.1f} [{low:.1f}, {high:.1f}] %")
    assert quality.value >= (1.0 if pair.name in EXACT else LEAST_QUALITY)
