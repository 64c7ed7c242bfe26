from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import DataError, OutputError
from edgekit.evaluation import predictions as predicting
from edgekit.evaluation.labels import ImageEntry, Labels
from edgekit.evaluation.options import PUBLISHED
from edgekit.evaluation.predictions import Predictions, predict_images
from edgekit.evaluation.run import evaluate
from edgekit.export import cut_file
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import detections, required

QUICK = replace(PUBLISHED, conf=0.2)  # the tiny model finds hundreds of things at the published 0.001


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models, cut here once: a stock export would be cut wherever it is opened."""
    folder = tmp_path_factory.mktemp("models")
    heads = [folder / f"tiny{seed}.onnx" for seed in (0, 1)]
    for seed, path in enumerate(heads):
        cut_file(save_tiny_yolo(folder / f"stock{seed}.onnx", family="yolov8", task="segment", seed=seed), path)
    return heads


def images_of(tmp_path: Path, count: int = 4) -> tuple[ImageEntry, ...]:
    return tuple(ImageEntry(10 + i, path) for i, path in enumerate(write_images(tmp_path / "images", count)))


def scene_detections(model: Path, images: tuple[ImageEntry, ...], tmp_path: Path) -> Labels:
    """Labels that are what the model itself finds with a score of 0.5: it must score 1 on them."""
    session = edgekit.load(model, conf=0.5, multi_label=True)
    found = list(predict_images(session, model, images, tmp_path / "truth.jsonl"))
    annotations: list[dict[str, Any]] = []
    for image in found:
        for (x1, y1, x2, y2), class_id, rle in zip(
            image.boxes_xyxy.tolist(), image.class_ids.tolist(), image.rles, strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image.image_id,
                    "category_id": class_id,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].encode()},
                }
            )
    assert len(annotations) > 10
    return Labels(images, tuple(annotations), tuple(enumerate(session.spec.names)), {})


def test_a_model_scores_full_marks_on_its_own_findings_and_keeps_all_of_itself(
    models: list[Path], tmp_path: Path
) -> None:
    truth = scene_detections(models[0], images_of(tmp_path), tmp_path)
    result = evaluate(models[0], truth, tmp_path / "out", against=models[0], options=replace(QUICK, resamples=50))
    assert result.model.scores["box"].overall.value == pytest.approx(1, abs=1e-9)
    assert required(result.model.scores["mask"].map50).value > 0.9  # empty masks overlap with nothing
    assert result.kept is not None and result.agreement is not None
    assert result.kept["box"].value == result.kept["box"].low == 1
    assert result.agreement.matched[2][1].value == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report == json.loads(json.dumps(result.to_dict()))
    assert report["model"]["scores"]["box"]["by_class"]


def test_another_model_scores_less_and_agrees_less(models: list[Path], tmp_path: Path) -> None:
    truth = scene_detections(models[0], images_of(tmp_path, 2), tmp_path)
    result = evaluate(models[1], truth, tmp_path / "out", against=models[0], options=replace(QUICK, resamples=20))
    assert result.kept is not None and result.agreement is not None
    assert result.kept["box"].value < 0.9 and result.agreement.matched[0][1].value < 0.9


def test_a_run_that_stopped_goes_on_and_gives_the_same(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of(tmp_path)
    session = edgekit.load(models[0], conf=0.3)
    whole = predict_images(session, models[0], images, tmp_path / "whole.jsonl").path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path = tmp_path / "part.jsonl"
    path.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # a crash in the middle of the third row
    asked: list[int] = []
    real = type(session).predict
    monkeypatch.setattr(type(session), "predict", lambda self, bgr: (asked.append(1), real(self, bgr))[1])
    predict_images(session, models[0], images, path)
    assert path.read_bytes() == whole
    assert len(asked) == len(images) - 2
    predict_images(session, models[0], images, path)
    assert len(asked) == len(images) - 2 and path.read_bytes() == whole


@pytest.mark.parametrize("other", ["conf", "images", "model", "junk"])
def test_a_file_of_another_run_is_written_again(models: list[Path], tmp_path: Path, other: str) -> None:
    images = images_of(tmp_path)
    path = tmp_path / "p.jsonl"
    predict_images(edgekit.load(models[0], conf=0.3), models[0], images, path)
    if other == "junk":
        path.write_bytes(b"\x00\xffnot json\n")
    model = models[1 if other == "model" else 0]
    images = images[:3] if other == "images" else images
    session = edgekit.load(model, conf=0.6 if other == "conf" else 0.3)
    again = predict_images(session, model, images, path)
    fresh = predict_images(session, model, images, tmp_path / "fresh.jsonl")
    assert again.path.read_bytes() == fresh.path.read_bytes()
    assert [f.image_id for f in again] == [p.image_id for p in images]


def test_rows_come_back_as_they_were_found(models: list[Path], tmp_path: Path) -> None:
    images = images_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.4)
    rows = list(predict_images(session, models[0], images, tmp_path / "p.jsonl"))
    for image, row in zip(images, rows, strict=True):
        expected = session.predict(edgekit.read_image(image.path))
        assert np.allclose(row.boxes_xyxy, detections(expected).boxes_xyxy, atol=1e-3)
        assert np.array_equal(row.class_ids, detections(expected).class_ids)
        assert len(row.rles) == len(expected) and row.size_wh == expected.size_wh


def test_unreadable_images_are_left_out_of_both_sides_and_named(models: list[Path], tmp_path: Path) -> None:
    images = images_of(tmp_path)
    truth = scene_detections(models[0], images, tmp_path)
    images[2].path.write_bytes(b"broken")
    result = evaluate(models[0], truth, tmp_path / "out", options=replace(QUICK, resamples=10))
    assert result.model.images == 3 and "image_002" in result.model.unread[0]
    assert result.model.scores["box"].overall.value == pytest.approx(1, abs=1e-9)
    for image in images:
        image.path.write_bytes(b"broken")
    with pytest.raises(DataError, match="none of the images could be read"):
        evaluate(models[0], truth, tmp_path / "out2", options=replace(QUICK, resamples=10))


def test_one_image_has_a_score_and_an_interval_of_no_width(models: list[Path], tmp_path: Path) -> None:
    truth = scene_detections(models[0], images_of(tmp_path), tmp_path)
    one = replace(
        truth, images=truth.images[:1], annotations=tuple(a for a in truth.annotations if a["image_id"] == 10)
    )
    result = evaluate(models[0], one, tmp_path / "out", options=replace(QUICK, resamples=10))
    score = result.model.scores["box"].overall
    assert score.value == score.low == score.high == pytest.approx(1, abs=1e-9)


def test_a_full_disk_says_so_and_what_is_done_is_kept(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of(tmp_path)
    session = edgekit.load(models[0], conf=0.3)

    def failing(text: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
        patch.setattr(predicting, "row_from_results", failing)
        predict_images(session, models[0], images, tmp_path / "p.jsonl")
    assert isinstance(predict_images(session, models[0], images, tmp_path / "p.jsonl"), Predictions)
    assert PUBLISHED.conf == 0.001


def test_figures_that_mean_nothing_say_so(models: list[Path], tmp_path: Path) -> None:
    truth = scene_detections(models[0], images_of(tmp_path, 2), tmp_path)
    crowds = replace(truth, annotations=tuple({**a, "iscrowd": 1} for a in truth.annotations))
    result = evaluate(models[0], crowds, tmp_path / "crowds", options=replace(QUICK, resamples=10))
    assert np.isnan(result.model.scores["box"].overall.value)
    assert "no object of the model's classes that counts" in result.model.notes[-1]
    assert json.loads((tmp_path / "crowds" / "report.json").read_text())["model"]["scores"]["box"]["mAP50"] == {
        "value": None,
        "low": None,
        "high": None,
    }
    other = replace(truth, sizes_wh={image.image_id: (5, 7) for image in truth.images[:2]})
    result = evaluate(models[0], other, tmp_path / "other", options=replace(QUICK, resamples=10))
    assert "2 images are not of the size that the labels declare (image 10 has 96x72" in result.model.notes[-1]
    fitting = replace(truth, sizes_wh={image.image_id: (96, 72) for image in truth.images})
    result = evaluate(models[0], fitting, tmp_path / "other", options=replace(QUICK, resamples=10))
    assert not any("size" in note for note in result.model.notes)


def test_two_entries_of_one_image_get_a_row_each(models: list[Path], tmp_path: Path) -> None:
    (image,) = images_of(tmp_path, 1)
    twice = (image, ImageEntry(77, image.path))
    rows = list(predict_images(edgekit.load(models[0], conf=0.3), models[0], twice, tmp_path / "p.jsonl"))
    assert [row.image_id for row in rows] == [10, 77]
    assert np.array_equal(rows[0].boxes_xyxy, rows[1].boxes_xyxy) and len(rows[0].scores)


def test_predictions_for_other_images_of_the_same_ids_are_made_again(models: list[Path], tmp_path: Path) -> None:
    images = images_of(tmp_path, 3)
    path = tmp_path / "p.jsonl"
    session = edgekit.load(models[0], conf=0.3)
    predict_images(session, models[0], images, path)
    others = tuple(ImageEntry(10 + i, p) for i, p in enumerate(write_images(tmp_path / "others", 3, first=20)))
    again = predict_images(session, models[0], others, path)
    fresh = predict_images(session, models[0], others, tmp_path / "fresh.jsonl")
    assert again.path.read_bytes() == fresh.path.read_bytes()
    write_images(tmp_path / "others", 3, first=40)  # other files: the others are as they were
    (tmp_path / "others" / "image_040.png").replace(others[0].path)
    changed = list(predict_images(session, models[0], others, path))
    assert np.allclose(
        changed[0].boxes_xyxy,
        detections(session.predict(edgekit.read_image(others[0].path))).boxes_xyxy,
        atol=1e-3,
    )


@pytest.mark.parametrize("row", [b"[1]", b"{}", b'{"image_id": 1e999, "size_wh": [1, 1]}', b"[" * 100_000, b"\xff"])
def test_damaged_rows_are_made_again(models: list[Path], tmp_path: Path, row: bytes) -> None:
    images = images_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.3)
    path = tmp_path / "p.jsonl"
    whole = predict_images(session, models[0], images, path).path.read_bytes()
    path.write_bytes(whole.splitlines(keepends=True)[0] + row + b"\n")
    assert predict_images(session, models[0], images, path).path.read_bytes() == whole


@pytest.mark.parametrize("change", ["run lengths", "no run lengths", "scores", "twice", "another image"])
def test_rows_that_nobody_wrote_so_are_made_again(models: list[Path], tmp_path: Path, change: str) -> None:
    images = images_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.3)
    path = tmp_path / "p.jsonl"
    whole = predict_images(session, models[0], images, path).path.read_bytes()
    header, first, second = whole.splitlines()
    row = json.loads(first)
    if change == "run lengths":
        row["rles"][0] = "0`f6"  # pycocotools would never come back from these
    elif change == "no run lengths":
        row["rles"][0] = 5
    elif change == "scores":
        row["scores"].pop()
    elif change == "another image":
        row["image_id"] = 99
    lines = [header, second, second] if change == "twice" else [header, json.dumps(row).encode(), second]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert predict_images(session, models[0], images, path).path.read_bytes() == whole


def test_a_kill_while_the_file_is_rewritten_loses_no_row(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.3)
    path = tmp_path / "p.jsonl"
    whole = predict_images(session, models[0], images, path).path.read_bytes()
    path.write_bytes(whole + b'{"image_')

    def killed(self: Path, data: bytes) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", killed)
        predict_images(session, models[0], images, path)
    assert path.read_bytes() == whole + b'{"image_' and sorted(tmp_path.glob(".*")) == []
