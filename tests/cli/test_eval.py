from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.main import main
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8")
    names = [path.name for path in write_images(tmp_path / "images", 4)]
    data = {
        "images": [{"id": i, "file_name": name, "width": 96, "height": 72} for i, name in enumerate(names)],
        "categories": [{"id": i, "name": f"thing {i}"} for i in range(3)],
        "annotations": [{"image_id": i, "category_id": i % 3, "bbox": [10, 10, 40, 30]} for i in range(4)],
    }
    (tmp_path / "labels.json").write_text(json.dumps(data))
    out = str(tmp_path / "out")
    return ["eval", "--model", str(model), "--data", str(tmp_path / "labels.json"), "--resamples", "20", "-o", out]


def test_the_table_has_scores_intervals_and_sizes(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--classes"]) == 0
    printed = capsys.readouterr().out
    assert "4 images" in printed and "mAP50-95" in printed and "tiny.onnx" in printed
    assert "thing 2" in printed and "report.json" in printed


def test_against_another_model_says_what_is_kept_and_how_far_they_agree(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save_tiny_yolo(tmp_path / "other.onnx", family="yolov8", seed=5)
    assert main([*command, "--against", str(other)]) == 0
    printed = capsys.readouterr().out
    assert "kept of other.onnx, boxes:" in printed and "agreement: of" in printed


def test_without_labels_two_models_are_compared(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save_tiny_yolo(tmp_path / "other.onnx", family="yolov8", seed=5)
    bare = [*command[:3], "--images", str(tmp_path / "images"), "-o", str(tmp_path / "out"), "--resamples", "20"]
    assert main([*bare, "--against", str(other), "--classes"]) == 0
    printed = capsys.readouterr().out
    assert "4 images without labels" in printed and "agreement: of" in printed and "mAP" not in printed
    classifier = str(save_tiny_yolo(tmp_path / "c.onnx", family="yolov8", task="classify"))
    assert main([bare[0], bare[1], classifier, *bare[3:], "--against", classifier]) == 0
    assert "the first class is that of c.onnx on 100.0 %" in capsys.readouterr().out
    for missing in (command[:3], bare, [*command[:3], "--against", str(other)]):
        assert main(missing) == 2
        lines = capsys.readouterr().err.splitlines()
        assert "neither --data nor both of --images and --against" in lines[0] and "hint: give labels" in lines[1]


def test_masks_can_be_placed_as_in_other_scores(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--masks", "ultralytics"]) == 2
    assert "does 'detect', expected 'segment'" in capsys.readouterr().err
    model = str(save_tiny_yolo(tmp_path / "seg.onnx", family="yolov8", task="segment"))
    assert main([command[0], command[1], model, *command[3:], "--masks", "ultralytics", "--conf", "0.2"]) == 0
    (rows,) = (tmp_path / "out").glob("*.jsonl")
    assert json.loads(rows.read_text().splitlines()[0])["masks"] == "ultralytics"


def test_json_is_the_report(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--json", "--limit", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["model"]["images"] == 2 and report["model"]["device"] == "onnxruntime"


def test_precision_recall_and_instances_are_those_of_the_json(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--classes"]) == 0
    printed = capsys.readouterr().out
    assert "instances" in printed and "at the score threshold of its best F1" in printed
    model = json.loads((tmp_path / "out" / "report.json").read_text())["model"]
    box = model["scores"]["box"]
    assert box["objects"] == 4 and [c["objects"] for c in box["by_class"].values()] == [2, 1, 1]
    assert {"precision", "recall", "f1", "confidence", "mAP50"} <= box.keys()
    assert {"precision", "recall", "f1", "mAP50", "images"} <= box["by_class"]["thing 0"].keys()
    confusion = model["confusion_matrix"]
    assert confusion["names"] == ["thing 0", "thing 1", "thing 2", "background"]
    columns = [sum(column) for column in zip(*confusion["detected_by_labelled"], strict=True)]
    assert columns[:3] == [2, 1, 1]  # every object is detected as something or missed


def test_a_required_score_that_is_missed_is_exit_code_1(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--require", "box=0"]) == 0
    capsys.readouterr()
    assert main([*command, "--require", "box=.999", "--json"]) == 1
    printed = capsys.readouterr()
    (requirement,) = json.loads(printed.out)["requirements"]
    assert requirement["required"] == 0.999 and not requirement["passed"]
    points = 100 * (0.999 - requirement["measured"])
    assert "failed: boxes of tiny.onnx: mAP50-95 is" in printed.err and f"{points:.2f} points too low" in printed.err


def test_plots_are_drawn_and_not_replaced_unasked(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plots = tmp_path / "plots"
    assert main([*command, "--plots", str(plots)]) == 0
    names = {path.name for path in plots.iterdir()}
    assert {"box_pr_curve.png", "box_f1_curve.png", "confusion_matrix.png"} <= names
    capsys.readouterr()
    assert main([*command, "--plots", str(plots)]) == 2
    assert "box_pr_curve.png" in capsys.readouterr().err
    assert main([*command, "--plots", str(plots), "--overwrite", "--limit", "2"]) == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--limit", "0"], "--limit is 0"),
        (["--data", "absent.json"], "absent.json does not exist"),
        (["--conf", "7"], "score_threshold is 7"),
        (["--resamples", "-3"], "resamples is -3"),
        (["--require", "box=37"], "--require has box=37, expected a score in 0..1"),
        (["--require", "mask=.3"], "--require names 'mask', but tiny.onnx is scored on box"),
        (["--model", "absent.onnx"], "absent.onnx does not exist"),
    ],
)
def test_mistakes_are_two_lines_and_exit_code_2(
    command: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    assert main([*command, *extra]) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if not x.endswith("...")]
    assert message in lines[0] and lines[1].startswith("hint: ")


def test_one_bad_label_is_named_and_the_rest_is_scored_unless_strict_stops(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.json"
    data = json.loads(labels.read_text())
    data["annotations"].append({"image_id": 0, "category_id": 0, "bbox": []})
    labels.write_text(json.dumps(data))
    assert main(command) == 0
    fault = "labels.json has 1 fault: 1 left out (annotations[4].bbox is [])"
    assert fault in capsys.readouterr().out
    assert main([*command, "--strict"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ") and fault in error and hint.startswith("hint: ") and "--strict" in hint
