"""Semantic segmentation and depth the whole way: calibrated, compiled by the simulator, run, and held against float."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.deploy.bundle_writer import write_bundle
from edgekit.spec import load_spec, sidecar_path
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic
from tests.typed import required


@pytest.mark.parametrize("task", ["semantic", "depth"])
def test_a_map_survives_int8(tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for i in range(6):
        coarse = np.random.default_rng(i).integers(0, 256, (5, 7, 3), np.uint8)
        cv2.imwrite(str(images / f"{i}.png"), cv2.resize(coarse, (112, 80), interpolation=cv2.INTER_CUBIC))
    model = tiny_semantic(num_classes=4) if task == "semantic" else tiny_depth(ultralytics=True)
    stock = save_tiny_map(tmp_path / f"tiny_{task}.onnx", model)
    work, out = tmp_path / "work", tmp_path / "eval"
    calibrate = ["calibrate", "--model", str(stock), "--images", str(images), "--num", "6", "--select", "first"]
    assert main([*calibrate, "--calibration", "max", "-o", str(work)]) == 0
    assert main(["compile", str(next(work.glob("*.yaml"))), "--toolchain", "sim"]) == 0
    (built,) = (path for path in work.rglob("*.bin") if not path.stem.endswith("_modified"))
    command = ["eval", "--model", str(built), "--images", str(images), "--against", str(stock), "--resamples", "20"]
    assert main([*command, "-o", str(out)]) == 0
    agreement = json.loads((out / "report.json").read_text())["agreement"]
    least = {"semantic": ("pixel accuracy", 0.9), "depth": ("delta1", 0.9)}[task]
    assert agreement[least[0]]["value"] > least[1]
    modified = built.with_stem(f"{built.stem}_modified")
    quantized = next(built.parent.glob("*_quantized_model.onnx"))
    parts = {"model": modified, "sidecar": sidecar_path(modified), "quantized": quantized}
    parts |= {"quantized_sidecar": sidecar_path(quantized)}
    bundle = write_bundle(tmp_path / "bundle", parts, load_spec(sidecar_path(modified))).archive
    command = ["eval", "--model", str(bundle), "--images", str(images), "--against", str(stock), "--resamples", "20"]
    assert main([*command, "-o", str(tmp_path / "bundled")]) == 0
    assert json.loads((tmp_path / "bundled" / "report.json").read_text())["agreement"] == agreement
    for path in (built, modified):
        run = tmp_path / path.stem
        command = ["run", "--model", str(path), "--source", str(images / "0.png"), "--maps", "png"]
        assert main([*command, "-o", str(run)]) == 0
    maps = (tmp_path / path.stem / "maps" / "0.png" for path in (built, modified))
    first, second = (required(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)) for path in maps)
    np.testing.assert_array_equal(first, second)
    compared = tmp_path / "compared"
    heads = next(work.glob("*_heads.onnx"))
    assert main(["compare", str(heads), str(built), "--images", str(images), "--num", "2", "-o", str(compared)]) == 0
    assert {"semantic": "changed pixels", "depth": "AbsRel"}[task] in capsys.readouterr().out
