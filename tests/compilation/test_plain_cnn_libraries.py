"""A ResNet of torchvision and a MobileNet of timm, weights random but lively, over real images: the whole way.

EDGEKIT_CNN_PYTHON names an interpreter that has torch, torchvision and timm.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import compile_model
from edgekit.export import CutOptions
from edgekit.export.input_options import NORMALIZATIONS, InputOptions
from edgekit.ops.image import read_image
from edgekit.results import Classifications
from edgekit.runtime.session import load
from tests.conftest import ROOT

PYTHON = os.environ.get("EDGEKIT_CNN_PYTHON", "")
CONFIDENT = 0.5  # probability of the float model's first class
MODELS = ("torchvision:resnet18", "timm:mobilenetv3_small_050")
IMAGES, LEAST_CONFIDENT = 60, 12
OPTIONS = CutOptions(inputs=InputOptions(*NORMALIZATIONS["imagenet"], fit="crop", crop_fraction=0.875))


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="EDGEKIT_CNN_PYTHON names no interpreter with torchvision and timm")
@pytest.mark.parametrize("name", MODELS)
def test_the_first_class_of_float_is_among_the_five_of_int8(tmp_path: Path, shared_data: Path, name: str) -> None:
    images = shared_data / "coco" / "images"
    script = ROOT / "tools" / "make_plain_cnns.py"
    subprocess.run([PYTHON, str(script), str(tmp_path), str(images / "train"), name], check=True)
    model = tmp_path / f"{name.partition(':')[2]}.onnx"
    made = calibrate(model, images / "train", tmp_path / "work", num=32, input_kind="rgb", cut_options=OPTIONS)
    binary = compile_model(made.yaml_path, toolchain="sim").bin_path
    hits = []
    with load(binary) as ours, load(made.model_path) as reference:
        for path in sorted((images / "val").glob("*.jpg"))[:IMAGES]:
            bgr = read_image(path)
            expected, results = reference.predict(bgr), ours.predict(bgr)
            assert isinstance(expected, Classifications) and isinstance(results, Classifications)
            class_id, probability = expected.top(1)[0]
            if probability >= CONFIDENT:
                hits.append(class_id in [other for other, _ in results.top(5)])
    assert len(hits) >= LEAST_CONFIDENT, "the float model is hardly ever confident: the test says nothing"
    assert np.mean(hits) >= 0.95
