"""Agreement of two models on images that nobody labelled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import ConfigError, DataError, ModelError
from edgekit.evaluation.label_reader import unlabelled_images
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.options import PUBLISHED, EvaluateOptions
from edgekit.evaluation.run import evaluate
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo

SHOWN = replace(PUBLISHED, conf=0.25)


@pytest.fixture
def images(tmp_path: Path) -> Labels:
    write_images(tmp_path / "images", 4)
    return unlabelled_images(tmp_path / "images")


def tiny(tmp_path: Path, **options: object) -> Path:
    name = "_".join(str(value) for value in options.values()) or "tiny"
    return save_tiny_yolo(tmp_path / f"{name}.onnx", **{"family": "yolov8", **options})  # type: ignore[arg-type]


def test_detections_agree_wholly_with_themselves_and_less_with_anothers(tmp_path: Path, images: Labels) -> None:
    one, other = tiny(tmp_path, task="segment"), tiny(tmp_path, task="segment", seed=5)
    same = evaluate(one, images, tmp_path / "same", against=one, options=replace(SHOWN, resamples=20))
    assert same.agreement is not None and same.agreement.reference > 4 and same.agreement.mask_iou == 1
    assert same.agreement.matched[2][1].value == 1 and same.agreement.gained.value == 0
    apart = evaluate(other, images, tmp_path / "apart", against=one, options=replace(SHOWN, resamples=20))
    assert apart.agreement is not None and apart.agreement.matched[0][1].value < 0.9
    report = json.loads((tmp_path / "apart" / "report.json").read_text())
    assert report["model"]["scores"] == {} and report["kept"] == {} and report["model"]["images"] == 4
    assert report["agreement"]["matched"]["iou_0.5"]["value"] < 0.9


def test_the_agreement_is_that_which_is_measured_beside_scores(tmp_path: Path, images: Labels) -> None:
    one, other = tiny(tmp_path), tiny(tmp_path, seed=5)
    label = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
    labelled = Labels(images.images, (label,), tuple((i, f"thing {i}") for i in range(3)), {})
    beside = evaluate(other, labelled, tmp_path / "a", against=one, options=EvaluateOptions(resamples=20))
    alone = evaluate(other, images, tmp_path / "b", against=one, options=replace(SHOWN, resamples=20))
    assert beside.agreement is not None and alone.agreement is not None
    assert alone.agreement.matched == beside.agreement.matched


def test_classifiers_agree_on_the_first_class(tmp_path: Path, images: Labels) -> None:
    one = tiny(tmp_path, task="classify")
    same = evaluate(one, images, tmp_path / "same", against=one, options=replace(SHOWN, resamples=20))
    assert same.same_class is not None and same.same_class.value == 1 and same.agreement is None
    assert same.to_dict()["same_class"]["value"] == 1


def test_without_labels_a_reference_of_the_same_kind_is_needed(tmp_path: Path, images: Labels) -> None:
    model = tiny(tmp_path)
    with pytest.raises(ConfigError, match="neither labels nor a reference"):
        evaluate(model, images, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"threshold is 0.5, expected 0.25 at most"):
        evaluate(model, images, tmp_path / "out", against=model, options=replace(SHOWN, conf=0.5))
    with pytest.raises(ModelError, match="has 3 classes, but 7.onnx 7"):
        evaluate(model, images, tmp_path / "out", against=tiny(tmp_path, num_classes=7), options=SHOWN)
    with pytest.raises(ModelError, match="does 'detect', but pose.onnx 'pose'"):
        evaluate(model, images, tmp_path / "out", against=tiny(tmp_path, task="pose"), options=SHOWN)


def test_beside_scores_a_reason_stands_in_its_place(tmp_path: Path, images: Labels) -> None:
    label = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
    labelled = Labels(images.images, (label,), tuple((i, f"thing {i}") for i in range(3)), {})
    model = tiny(tmp_path)
    high = evaluate(model, labelled, tmp_path / "a", against=model, options=replace(SHOWN, conf=0.5, resamples=10))
    assert high.agreement is None and "the score threshold is 0.5" in high.model.notes[-1]
    wide = evaluate(
        model, labelled, tmp_path / "b", against=tiny(tmp_path, num_classes=7), options=EvaluateOptions(resamples=10)
    )
    assert wide.agreement is None and "3 and 7 classes" in wide.model.notes[-1] and wide.kept is not None


def test_labels_of_another_kind_are_named_before_the_work(tmp_path: Path, images: Labels) -> None:
    label = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
    strange = Labels(images.images, (label,), ((0, "ship"), (1, "plane")), {})
    with pytest.raises(DataError, match="share no name"):
        evaluate(tiny(tmp_path), strange, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_come_from_a_folder_a_list_labels_or_the_split_of_a_data_set(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images" / "val", 3)
    (tmp_path / "list.txt").write_text("".join(f"images/val/{path.name}\n" for path in paths[:2]) + "gone.jpg\n")
    images = [{"id": 9 - i, "file_name": path.name} for i, path in enumerate(paths)]
    (tmp_path / "coco.json").write_text(json.dumps({"images": images}))
    (tmp_path / "data.yaml").write_text("path: .\nval: images/val\nnames: [a]\n")
    assert len(unlabelled_images(tmp_path / "images").images) == 3
    listed = unlabelled_images(tmp_path / "list.txt")
    assert [p.path.name for p in listed.images] == [path.name for path in paths[:2]]
    assert listed.notes == ("1 images are not here and were skipped",)
    (tmp_path / "images" / "coco.json").write_text((tmp_path / "coco.json").read_text())
    assert len(unlabelled_images(tmp_path / "images" / "val" / ".." / ".." / "data.yaml").images) == 3
    with pytest.raises(DataError, match="no split 'test'"):
        unlabelled_images(tmp_path / "data.yaml", split="test")
    with pytest.raises(DataError, match="does not exist"):
        unlabelled_images(tmp_path / "none")
