from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import DataError, OutputError
from edgekit.evaluate import predictions as predicting
from edgekit.evaluate.labels import Truth
from edgekit.evaluate.predictions import Photo, Predictions, predict_photos
from edgekit.evaluate.run import PUBLISHED, evaluate
from tests.photos import write_photos
from tests.tiny_yolo import save_tiny_yolo

QUICK = {**PUBLISHED, "conf": 0.1}  # the tiny model finds hundreds of things at the published 0.001


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [save_tiny_yolo(folder / f"tiny{seed}.onnx", family="yolov8", task="segment", seed=seed) for seed in (0, 1)]


def photos_of(tmp_path: Path, count: int = 6) -> tuple[Photo, ...]:
    return tuple(Photo(10 + i, path) for i, path in enumerate(write_photos(tmp_path / "photos", count)))


def truth_of(model: Path, photos: tuple[Photo, ...], tmp_path: Path) -> Truth:
    """Labels that are what the model itself finds with a score of 0.5: it must score 1 on them."""
    session = edgekit.load(model, conf=0.5, multi_label=True)
    found = list(predict_photos(session, model, photos, tmp_path / "truth.jsonl"))
    annotations: list[dict[str, Any]] = []
    for photo in found:
        for (x1, y1, x2, y2), class_id, rle in zip(
            photo.boxes_xyxy.tolist(), photo.class_ids.tolist(), photo.rles, strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": photo.image_id,
                    "category_id": class_id,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].encode()},
                }
            )
    assert len(annotations) > 10
    return Truth(photos, tuple(annotations), tuple(enumerate(session.spec.names)), {})


def test_a_model_scores_full_marks_on_its_own_findings_and_keeps_all_of_itself(
    models: list[Path], tmp_path: Path
) -> None:
    truth = truth_of(models[0], photos_of(tmp_path), tmp_path)
    result = evaluate(models[0], truth, tmp_path / "out", against=models[0], resamples=50, settings=QUICK)
    assert result.model.scores["box"].overall.value == pytest.approx(1, abs=1e-9)
    assert result.model.scores["mask"].map50.value > 0.9  # empty masks overlap with nothing
    assert result.kept is not None and result.agreement is not None
    assert result.kept["box"].value == result.kept["box"].low == 1
    assert result.agreement.found_again[2][1].value == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report == json.loads(json.dumps(result.to_dict()))
    assert report["model"]["scores"]["box"]["by_class"]


def test_another_model_scores_less_and_agrees_less(models: list[Path], tmp_path: Path) -> None:
    truth = truth_of(models[0], photos_of(tmp_path), tmp_path)
    result = evaluate(models[1], truth, tmp_path / "out", against=models[0], resamples=20, settings=QUICK)
    assert result.kept is not None and result.agreement is not None
    assert result.kept["box"].value < 0.9 and result.agreement.found_again[0][1].value < 0.9


def test_a_run_that_stopped_goes_on_and_gives_the_same(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photos_of(tmp_path)
    session = edgekit.load(models[0], conf=0.3)
    whole = predict_photos(session, models[0], photos, tmp_path / "whole.jsonl").path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path = tmp_path / "part.jsonl"
    path.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # a crash in the middle of the third row
    asked: list[int] = []
    real = type(session).predict
    monkeypatch.setattr(type(session), "predict", lambda self, bgr: (asked.append(1), real(self, bgr))[1])
    predict_photos(session, models[0], photos, path)
    assert path.read_bytes() == whole
    assert len(asked) == len(photos) - 2
    predict_photos(session, models[0], photos, path)
    assert len(asked) == len(photos) - 2 and path.read_bytes() == whole


@pytest.mark.parametrize("other", ["conf", "photos", "model", "junk"])
def test_a_file_of_another_run_is_written_anew(models: list[Path], tmp_path: Path, other: str) -> None:
    photos = photos_of(tmp_path)
    path = tmp_path / "p.jsonl"
    predict_photos(edgekit.load(models[0], conf=0.3), models[0], photos, path)
    if other == "junk":
        path.write_bytes(b"\x00\xffnot json\n")
    model = models[1 if other == "model" else 0]
    photos = photos[:4] if other == "photos" else photos
    session = edgekit.load(model, conf=0.6 if other == "conf" else 0.3)
    again = predict_photos(session, model, photos, path)
    fresh = predict_photos(session, model, photos, tmp_path / "fresh.jsonl")
    assert again.path.read_bytes() == fresh.path.read_bytes()
    assert [f.image_id for f in again] == [p.image_id for p in photos]


def test_rows_come_back_as_they_were_found(models: list[Path], tmp_path: Path) -> None:
    photos = photos_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.4)
    rows = list(predict_photos(session, models[0], photos, tmp_path / "p.jsonl"))
    for photo, row in zip(photos, rows, strict=True):
        expected = session.predict(edgekit.read_photo(photo.path))
        assert np.allclose(row.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
        assert np.array_equal(row.class_ids, expected.class_ids)
        assert len(row.rles) == len(expected) and row.size_wh == expected.size_wh


def test_unreadable_photos_are_left_out_of_both_sides_and_named(models: list[Path], tmp_path: Path) -> None:
    photos = photos_of(tmp_path)
    truth = truth_of(models[0], photos, tmp_path)
    photos[2].path.write_bytes(b"broken")
    result = evaluate(models[0], truth, tmp_path / "out", resamples=10, settings=QUICK)
    assert result.model.photos == 5 and "photo_002" in result.model.unread[0]
    assert result.model.scores["box"].overall.value == pytest.approx(1, abs=1e-9)
    for photo in photos:
        photo.path.write_bytes(b"broken")
    with pytest.raises(DataError, match="none of the photos could be read"):
        evaluate(models[0], truth, tmp_path / "out2", resamples=10, settings=QUICK)


def test_one_photo_has_a_score_and_an_interval_of_no_width(models: list[Path], tmp_path: Path) -> None:
    truth = truth_of(models[0], photos_of(tmp_path), tmp_path)
    one = replace(
        truth, photos=truth.photos[:1], annotations=tuple(a for a in truth.annotations if a["image_id"] == 10)
    )
    result = evaluate(models[0], one, tmp_path / "out", resamples=10, settings=QUICK)
    score = result.model.scores["box"].overall
    assert score.value == score.low == score.high == pytest.approx(1, abs=1e-9)


def test_a_full_disk_says_so_and_what_is_done_is_kept(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photos_of(tmp_path)
    session = edgekit.load(models[0], conf=0.3)

    def failing(text: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
        patch.setattr(predicting, "_row", failing)
        predict_photos(session, models[0], photos, tmp_path / "p.jsonl")
    assert isinstance(predict_photos(session, models[0], photos, tmp_path / "p.jsonl"), Predictions)
    assert PUBLISHED["conf"] == 0.001


def test_figures_that_mean_nothing_say_so(models: list[Path], tmp_path: Path) -> None:
    truth = truth_of(models[0], photos_of(tmp_path), tmp_path)
    crowds = replace(truth, annotations=tuple({**a, "iscrowd": 1} for a in truth.annotations))
    result = evaluate(models[0], crowds, tmp_path / "crowds", resamples=10, settings=QUICK)
    assert np.isnan(result.model.scores["box"].overall.value)
    assert "no object of the model's classes that counts" in result.model.notes[-1]
    assert json.loads((tmp_path / "crowds" / "report.json").read_text())["model"]["scores"]["box"]["mAP50"] == {
        "value": None,
        "low": None,
        "high": None,
    }
    other = replace(truth, sizes_wh={photo.image_id: (5, 7) for photo in truth.photos[:2]})
    result = evaluate(models[0], other, tmp_path / "other", resamples=10, settings=QUICK)
    assert "2 photos are not of the size that the labels say (image 10 has 96x72" in result.model.notes[-1]
    fitting = replace(truth, sizes_wh={photo.image_id: (96, 72) for photo in truth.photos})
    assert not any("size" in n for n in evaluate(models[0], fitting, tmp_path / "other", resamples=10).model.notes)


def test_two_entries_of_one_photo_get_a_row_each(models: list[Path], tmp_path: Path) -> None:
    (photo,) = photos_of(tmp_path, 1)
    twice = (photo, Photo(77, photo.path))
    rows = list(predict_photos(edgekit.load(models[0], conf=0.3), models[0], twice, tmp_path / "p.jsonl"))
    assert [row.image_id for row in rows] == [10, 77]
    assert np.array_equal(rows[0].boxes_xyxy, rows[1].boxes_xyxy) and len(rows[0].scores)


def test_predictions_for_other_photos_of_the_same_ids_are_made_anew(models: list[Path], tmp_path: Path) -> None:
    photos = photos_of(tmp_path, 3)
    path = tmp_path / "p.jsonl"
    session = edgekit.load(models[0], conf=0.3)
    predict_photos(session, models[0], photos, path)
    others = tuple(Photo(10 + i, p) for i, p in enumerate(write_photos(tmp_path / "others", 3, first=20)))
    again = predict_photos(session, models[0], others, path)
    fresh = predict_photos(session, models[0], others, tmp_path / "fresh.jsonl")
    assert again.path.read_bytes() == fresh.path.read_bytes()
    write_photos(tmp_path / "others", 3, first=40)  # other files: the others are as they were
    (tmp_path / "others" / "photo_040.png").replace(others[0].path)
    changed = list(predict_photos(session, models[0], others, path))
    assert np.allclose(changed[0].boxes_xyxy, session.predict(edgekit.read_photo(others[0].path)).boxes_xyxy, atol=1e-3)


@pytest.mark.parametrize("row", [b"[1]", b"{}", b'{"image_id": 1e999, "size_wh": [1, 1]}', b"[" * 100_000, b"\xff"])
def test_damaged_rows_are_made_anew(models: list[Path], tmp_path: Path, row: bytes) -> None:
    photos = photos_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.3)
    path = tmp_path / "p.jsonl"
    whole = predict_photos(session, models[0], photos, path).path.read_bytes()
    path.write_bytes(whole.splitlines(keepends=True)[0] + row + b"\n")
    assert predict_photos(session, models[0], photos, path).path.read_bytes() == whole


@pytest.mark.parametrize("change", ["run lengths", "no run lengths", "scores", "twice", "another photo"])
def test_rows_that_nobody_wrote_so_are_made_anew(models: list[Path], tmp_path: Path, change: str) -> None:
    photos = photos_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.3)
    path = tmp_path / "p.jsonl"
    whole = predict_photos(session, models[0], photos, path).path.read_bytes()
    header, first, second = whole.splitlines()
    row = json.loads(first)
    if change == "run lengths":
        row["rles"][0] = "0`f6"  # pycocotools would never come back from these
    elif change == "no run lengths":
        row["rles"][0] = 5
    elif change == "scores":
        row["scores"].pop()
    elif change == "another photo":
        row["image_id"] = 99
    lines = [header, second, second] if change == "twice" else [header, json.dumps(row).encode(), second]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert predict_photos(session, models[0], photos, path).path.read_bytes() == whole


def test_a_kill_while_the_file_is_rewritten_loses_no_row(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photos_of(tmp_path, 2)
    session = edgekit.load(models[0], conf=0.3)
    path = tmp_path / "p.jsonl"
    whole = predict_photos(session, models[0], photos, path).path.read_bytes()
    path.write_bytes(whole + b'{"image_')

    def killed(self: Path, data: bytes) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", killed)
        predict_photos(session, models[0], photos, path)
    assert path.read_bytes() == whole + b'{"image_' and sorted(tmp_path.glob(".*")) == []
