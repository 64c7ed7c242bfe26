"""`edgekit run` on models of maps: pictures, JSON, and the maps as files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edgekit.cli.main import main
from edgekit.ops.rle import decode_rle
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic
from tests.typed import required


def _run(folder: Path, model: onnx.ModelProto, *options: str) -> tuple[int, Path]:
    path = save_tiny_map(folder / "model.onnx", model)
    image = np.random.default_rng(0).integers(0, 256, (50, 80, 3), np.uint8)
    cv2.imwrite(str(folder / "street.png"), image)
    out = folder / "out"
    code = main(["run", "--model", str(path), "--source", str(folder / "street.png"), "-o", str(out), *options])
    return code, out


def test_a_class_map_is_drawn_and_its_classes_are_runs_in_the_json(tmp_path: Path) -> None:
    code, out = _run(tmp_path, tiny_semantic(), "--maps", "png")
    assert code == 0
    row = json.loads((out / "results.json").read_text())["results"][0]
    class_map = required(cv2.imread(str(out / "maps" / "street.png"), cv2.IMREAD_UNCHANGED))
    assert class_map.shape == (50, 80)
    assert sum(entry["pixels"] for entry in row["classes"]) == 50 * 80
    for entry in row["classes"]:
        np.testing.assert_array_equal(decode_rle(entry["segmentation"]), class_map == entry["class_id"])
    drawn = required(cv2.imread(str(out / "street.png")))
    assert drawn.shape == (50, 80, 3)


def test_a_depth_map_is_a_16_bit_png_by_default(tmp_path: Path) -> None:
    code, out = _run(tmp_path, tiny_depth())
    assert code == 0
    depth = json.loads((out / "results.json").read_text())["results"][0]["depth"]
    codes = required(cv2.imread(str(out / "maps" / "street.png"), cv2.IMREAD_UNCHANGED))
    assert codes.dtype == np.uint16
    assert codes.max() / depth["png_scale"] == pytest.approx(depth["max"], abs=1e-3)
    assert (out / "street.png").is_file()


def test_full_size_interpolates_and_npz_keeps_floats(tmp_path: Path) -> None:
    maps = []
    for options in ([], ["--full-size"]):
        folder = tmp_path / str(len(options))
        folder.mkdir()
        code, out = _run(folder, tiny_depth(), "--maps", "npz", *options)
        assert code == 0
        with np.load(out / "maps" / "street.npz") as arrays:
            maps.append(arrays["depth"])
    assert maps[0].shape == maps[1].shape == (50, 80)
    assert len(np.unique(maps[0])) < len(np.unique(maps[1]))


def test_no_map_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    code, out = _run(tmp_path, tiny_depth(), "--maps", "none")
    assert code == 0
    assert not (out / "maps").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--track",), "'depth'"), (("--labels", "yolo"), "no label lines"), (("--coco",), "no COCO rows")],
)
def test_what_is_of_objects_is_refused_in_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    code, _ = _run(tmp_path, tiny_depth(), *options)
    error = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert message in error[-2]
    assert error[-1].startswith("hint:")
