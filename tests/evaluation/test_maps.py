"""Class maps and depth maps scored: by hand, on labels in Ultralytics' layout, and against a reference."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edgekit.cli.main import main
from edgekit.errors import DataError
from edgekit.evaluation.bootstrap import image_weights
from edgekit.evaluation.map_labels import load_map_labels
from edgekit.evaluation.map_scores import class_pairs, class_sums, depth_errors, depth_sums, map_measures
from edgekit.runtime.session import load
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic
from tests.typed import required

SIZE_WH = (80, 50)


def test_miou_and_accuracy_by_hand() -> None:
    labels = np.array([[0, 0, 1, 1], [2, 255, 1, 0]])
    predicted = np.array([[0, 1, 1, 1], [1, 0, 1, 0]])
    rows = [class_sums(predicted, labels, 4)]
    measures = map_measures(rows, image_weights(1, 0))
    # class 0: 2 of 3; class 1: 3 of 5; class 2: 0 of 1; class 3 occurs nowhere
    assert measures["mIoU"][0] == pytest.approx((2 / 3 + 3 / 5 + 0) / 3)
    assert measures["pixel accuracy"][0] == pytest.approx(5 / 7)


def test_pixels_of_several_images_are_summed() -> None:
    right, wrong = np.zeros((1, 3), int), np.ones((1, 1), int)
    rows = [class_sums(right, right, 2), class_sums(wrong, wrong * 0, 2)]
    measures = map_measures(rows, image_weights(2, 0))
    assert measures["pixel accuracy"][0] == pytest.approx(3 / 4)
    assert measures["mIoU"][0] == pytest.approx((3 / 4 + 0) / 2)


def test_depth_measures_by_hand() -> None:
    labels = np.array([[1.0, 2.0, 4.0, 0.0]], np.float32)
    predicted = np.array([[1.2, 3.0, 4.0, 9.0]], np.float32)
    measures = map_measures([depth_sums(predicted, labels)], image_weights(1, 0))
    assert measures["delta1"][0] == pytest.approx(2 / 3)
    assert measures["AbsRel"][0] == pytest.approx((0.2 + 0.5 + 0) / 3, rel=1e-5)
    assert measures["RMSE"][0] == pytest.approx(np.sqrt((0.04 + 1 + 0) / 3), rel=1e-5)


def test_an_image_without_depths_does_not_count() -> None:
    nothing, all_right = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    rows = [depth_sums(all_right, nothing), depth_sums(all_right, all_right)]
    assert map_measures(rows, image_weights(2, 0))["delta1"][0] == 1


def _data_set(folder: Path, model: onnx.ModelProto, task: str) -> tuple[Path, Path]:
    """Two images, and for labels what the model itself gives for them at full size."""
    path = save_tiny_map(folder / "model.onnx", model)
    labels = folder / "data" / {"semantic": "masks", "depth": "depth"}[task] / "val"
    images = folder / "data" / "images" / "val"
    labels.mkdir(parents=True)
    images.mkdir(parents=True)
    with load(path, full_size=True) as session:
        for i in range(2):
            bgr = np.random.default_rng(i).integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
            cv2.imwrite(str(images / f"{i}.png"), bgr)
            results = session.predict(bgr)
            if task == "semantic":
                cv2.imwrite(str(labels / f"{i}.png"), results.class_map)  # type: ignore[union-attr]
            elif i:
                np.save(labels / f"{i}.npy", results.depth)  # type: ignore[union-attr]
            else:
                cv2.imwrite(str(labels / f"{i}.png"), results.to_png16(1000))  # type: ignore[union-attr]
    names = "nc: 1" if task == "depth" else "names: [kind 0, kind 1, kind 2, kind 3, kind 4]"
    data = folder / "data" / "data.yaml"
    data.write_text(f"path: .\ntrain: images/val\nval: images/val\n{names}\n")
    return path, data


@pytest.mark.parametrize(
    ("model", "task", "perfect"),
    [
        (tiny_semantic(), "semantic", {"mIoU": 1, "pixel accuracy": 1}),
        (tiny_depth(), "depth", {"delta1": 1, "AbsRel": 0, "RMSE": 0}),
    ],
    ids=["semantic", "depth"],
)
def test_a_model_on_its_own_maps_is_perfect(
    tmp_path: Path, model: onnx.ModelProto, task: str, perfect: dict[str, float]
) -> None:
    path, data = _data_set(tmp_path, model, task)
    out = tmp_path / "out"
    command = ["eval", "--model", str(path), "--data", str(data), "--against", str(path), "--resamples", "20"]
    assert main([*command, "-o", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["schema"].startswith("edgekit.map_evaluation/")
    assert (report["task"], report["images"]) == (task, 2)
    for table in (report["model"]["scores"], report["reference"]["scores"], report["agreement"]):
        assert {name: table[name]["value"] for name in perfect} == pytest.approx(perfect, abs=2e-3)


def counts_file(out: Path) -> Path:
    (path,) = out.glob("*.counts.jsonl")
    return path


@pytest.mark.parametrize("task", ["semantic", "depth"])
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, task: str) -> None:
    path, data = _data_set(tmp_path, tiny_semantic() if task == "semantic" else tiny_depth(), task)
    other = save_tiny_map(tmp_path / "other.onnx", tiny_semantic(seed=5) if task == "semantic" else tiny_depth(seed=5))
    out = tmp_path / "out"
    command = ["eval", "--model", str(other), "--data", str(data), "--against", str(path), "--resamples", "20"]
    assert main([*command, "-o", str(out)]) == 0
    whole, report = counts_file(out).read_bytes(), (out / "report.json").read_bytes()
    header, first, second = whole.splitlines(keepends=True)
    (out / "report.json").unlink()
    counts_file(out).write_bytes(header + first + second[:20])  # killed in the middle of a line
    assert main([*command, "-o", str(out)]) == 0
    assert counts_file(out).read_bytes() == whole
    assert (out / "report.json").read_bytes() == report


def test_rows_that_are_there_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    out = tmp_path / "out"
    command = ["eval", "--model", str(path), "--data", str(data), "--resamples", "20", "-o", str(out)]
    assert main(command) == 0
    calls: list[int] = []
    monkeypatch.setattr("edgekit.evaluation.map_rows.map_of", lambda *_: calls.append(1))
    assert main(command) == 0
    assert calls == []


def test_other_labels_are_counted_anew(tmp_path: Path) -> None:
    path, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    out = tmp_path / "out"
    command = ["eval", "--model", str(path), "--data", str(data), "--resamples", "20", "-o", str(out)]
    assert main(command) == 0
    label = data.parent / "masks" / "val" / "0.png"
    cv2.imwrite(str(label), np.full((SIZE_WH[1], SIZE_WH[0]), 255, np.uint8))
    before = json.loads(counts_file(out).read_text().splitlines()[1])["model"]["pairs"]
    assert main(command) == 0
    assert before and json.loads(counts_file(out).read_text().splitlines()[1])["model"]["pairs"] == []


@pytest.mark.parametrize(
    ("task", "reached", "missed", "failure"),
    [
        ("semantic", "miou=1,pixel_accuracy=.9", "miou=1", "mIoU is "),
        ("depth", "delta1=.99,absrel=.01,rmse=1", "rmse=0.0001", "RMSE is "),
    ],
)
def test_required_scores_are_a_gate(
    tmp_path: Path, task: str, reached: str, missed: str, failure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, data = _data_set(tmp_path, tiny_semantic() if task == "semantic" else tiny_depth(), task)
    other = save_tiny_map(tmp_path / "other.onnx", tiny_semantic(seed=5) if task == "semantic" else tiny_depth(seed=5))
    command = ["eval", "--data", str(data), "--resamples", "20"]
    assert main([*command, "--model", str(path), "--require", reached, "-o", str(tmp_path / "a")]) == 0
    capsys.readouterr()
    assert main([*command, "--model", str(other), "--require", missed, "--json", "-o", str(tmp_path / "b")]) == 1
    printed = capsys.readouterr()
    (requirement,) = json.loads(printed.out)["requirements"]
    assert not requirement["passed"] and failure in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--require", "box=.3"], "--require names 'box', but model.onnx is scored on mIoU, pixel accuracy"),
        (["--require", "delta1=.3"], "--require names 'delta1'"),
        (["--require", "miou=50"], "--require has mIoU=50, expected a score in 0..1"),
        (["--conf", "0.5"], "--conf is there, which is for objects and classifiers"),
        (["--workers", "2"], "--workers is there"),
    ],
)
def test_what_maps_are_not_scored_on_is_refused(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    assert main(["eval", "--model", str(path), "--data", str(data), *arguments, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("task", "name"), [("semantic", "confusion_matrix.png"), ("depth", "depth_errors.png")])
def test_plots_show_what_is_taken_for_what(tmp_path: Path, task: str, name: str) -> None:
    pytest.importorskip("matplotlib")
    path, data = _data_set(tmp_path, tiny_semantic() if task == "semantic" else tiny_depth(), task)
    other = save_tiny_map(tmp_path / "other.onnx", tiny_semantic(seed=5) if task == "semantic" else tiny_depth(seed=5))
    plots, out = tmp_path / "plots", tmp_path / "out"
    command = ["eval", "--model", str(other), "--data", str(data), "--against", str(path), "--resamples", "20"]
    assert main([*command, "--plots", str(plots), "--classes", "-o", str(out)]) == 0
    assert sorted(p.name for p in plots.iterdir()) == sorted([name, f"reference_{name}"])
    assert all(min(required(cv2.imread(str(p))).shape[:2]) > 300 for p in plots.iterdir())
    report = json.loads((out / "report.json").read_text())
    pixels = 2 * SIZE_WH[0] * SIZE_WH[1]
    if task == "semantic":
        matrix = np.array(report["reference"]["confusion_matrix"]["detected_by_labelled"])
        assert matrix.sum() == np.trace(matrix) == pixels  # the labels are the reference's own maps
        assert np.array(report["model"]["confusion_matrix"]["detected_by_labelled"]).sum() == pixels
        mean = np.mean(list(report["model"]["by_class"].values()))
        assert mean == pytest.approx(report["model"]["scores"]["mIoU"]["value"], abs=1e-4)
    else:
        errors = report["model"]["relative_errors"]
        assert len(errors["edges"]) == len(errors["pixels"]) + 1
        assert 0.9 * pixels < sum(errors["pixels"]) <= pixels


def test_class_pairs_and_depth_errors_by_hand() -> None:
    pairs = class_pairs(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]), 2)
    np.testing.assert_array_equal(pairs, [[1, 1], [0, 0]])
    labels = np.array([[1.0, 2.0, 4.0, 0.0]], np.float32)
    errors = depth_errors(np.array([[1.02, 1.0, 40.0, 9.0]], np.float32), labels)
    assert errors.sum() == 3 and errors[20] == 1 and errors[10] == 1 and errors[-1] == 1


def test_without_labels_two_models_agree_or_not(tmp_path: Path) -> None:
    path, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    other = save_tiny_map(tmp_path / "other.onnx", tiny_semantic(seed=5))
    images = str(data.parent / "images")
    out = tmp_path / "out"
    assert main(["eval", "--model", str(other), "--images", images, "--against", str(path), "-o", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["model"]["scores"] == {}
    assert report["agreement"]["pixel accuracy"]["value"] < 1


def test_numbers_of_a_class_map_are_mapped_to_classes(tmp_path: Path) -> None:
    _, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    data.write_text(data.read_text() + "label_mapping: {-1: ignore_label, 0: 4, 1: ignore_label, 2: 0}\n")
    labels = load_map_labels(data, "semantic")
    image = next(iter(labels.images))
    raw = cv2.imread(str(labels.images[image]), cv2.IMREAD_UNCHANGED)
    values = labels.read(image, SIZE_WH)
    assert (values[raw == 0] == 4).all()
    assert (values[raw == 1] == 255).all()
    assert (values[raw == 3] == 255).all()  # not in the mapping


def test_depths_are_divided_by_their_factor(tmp_path: Path) -> None:
    _, data = _data_set(tmp_path, tiny_depth(), "depth")
    whole = load_map_labels(data, "depth")
    data.write_text(data.read_text() + "depth_scale: 500\n")
    half = load_map_labels(data, "depth")
    first, second = sorted(whole.images)
    np.testing.assert_allclose(half.read(first, SIZE_WH), 2 * whole.read(first, SIZE_WH))
    np.testing.assert_allclose(half.read(second, SIZE_WH), whole.read(second, SIZE_WH))  # .npy is in metres


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "0.png").write_bytes(b"no image"), "cannot be read as a map"),
        (lambda folder: cv2.imwrite(str(folder / "0.png"), np.zeros((4, 4), np.uint8)), "expected .50, 80."),
        (lambda folder: cv2.imwrite(str(folder / "0.png"), np.zeros((50, 80, 3), np.uint8)), "one number per pixel"),
    ],
)
def test_a_label_that_is_no_map_of_its_image_is_refused(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    _, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    damage(data.parent / "masks" / "val")
    labels = load_map_labels(data, "semantic")
    with pytest.raises(DataError, match=message):
        labels.read(sorted(labels.images)[0], SIZE_WH)


def test_images_without_any_map_are_refused(tmp_path: Path) -> None:
    _, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    with pytest.raises(DataError, match="none of the 2 images"):
        load_map_labels(data, "depth")


@pytest.mark.parametrize("line", ["depth_scale: 0", "depth_scale: many", "label_mapping: [1]", "label_mapping: {1: 9}"])
def test_a_yaml_with_faults_is_refused(tmp_path: Path, line: str) -> None:
    _, data = _data_set(tmp_path, tiny_semantic(), "semantic")
    data.write_text(data.read_text() + line + "\n")
    with pytest.raises(DataError):
        load_map_labels(data, "semantic")
