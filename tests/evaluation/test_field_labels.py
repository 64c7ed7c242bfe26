"""COCO files as people really have them, for four real images: the same figures wherever the fault is harmless."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DataError
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.options import EvaluateOptions
from edgekit.evaluation.run import evaluate
from edgekit.evaluation.scores import Evaluation
from edgekit.export import cut_file


@pytest.fixture(scope="module")
def field(shared_data: Path) -> Path:
    folder = shared_data / "field"
    if not folder.is_dir():
        pytest.skip(f"no field material at {folder}")
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")  # of all: the images are the same, so the model runs on them once


@pytest.fixture(scope="module")
def model(field: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cut here once: a stock export would be cut for every file of labels."""
    heads = tmp_path_factory.mktemp("model") / "heads.onnx"
    cut_file(field.parent / "models" / "yolov8n-seg.onnx", heads)
    return heads


def score(field: Path, model: Path, out: Path, name: str) -> Evaluation:
    shared = field.parent
    truth = load_labels(field / f"{name}.json", images_dir=shared / "coco" / "images" / "val")
    return evaluate(model, truth, out, options=EvaluateOptions(resamples=10))


def overall(result: Evaluation, kind: str) -> float:
    return result.model.scores[kind].overall.value


def test_harmless_faults_of_real_files_change_no_figure(field: Path, model: Path, out: Path) -> None:
    base = score(field, model, out, "coco_base")
    assert overall(base, "box") == pytest.approx(0.4549, abs=2e-3)
    assert overall(base, "mask") == pytest.approx(0.403, abs=2e-3)
    for name in ("dup_cat_name", "float_ids", "string_ids", "null_area"):
        result = score(field, model, out, f"coco_{name}")
        assert {k: s.to_dict() for k, s in result.model.scores.items()} == {
            k: s.to_dict() for k, s in base.model.scores.items()
        }, name
    roboflow = score(field, model, out, "coco_roboflow_dup_first")  # its outlines are empty, so boxes alone
    assert roboflow.model.scores["box"].to_dict() == base.model.scores["box"].to_dict()
    assert "the categories 0, 1 are all called 'person' and count as one class" in roboflow.model.notes


@pytest.mark.parametrize(
    ("name", "place", "labels"),
    [
        ("one_degenerate_polygon", "1 used without outline (annotations[0].segmentation is [[10, 10, 20, 20]])", 19),
        ("one_empty_bbox", "1 left out (annotations[0].bbox is [])", 18),
        ("orphan_annotation", "1 left out (annotations[0].image_id is 99999999)", 18),
    ],
)
def test_one_bad_label_of_a_real_file_is_named_and_the_rest_is_scored(
    field: Path, model: Path, out: Path, name: str, place: str, labels: int
) -> None:
    base, result = score(field, model, out, "coco_base"), score(field, model, out, f"coco_{name}")
    file = field / f"coco_{name}.json"
    assert any(note.startswith(f"{file} has 1 fault: {place}") for note in result.model.notes)
    images = field.parent / "coco" / "images" / "val"
    assert len(load_labels(file, images_dir=images).annotations) == labels
    if labels == 19:
        assert result.model.scores["box"].to_dict() == base.model.scores["box"].to_dict()
    else:
        assert overall(result, "box") == pytest.approx(0.437, abs=2e-3)  # what the model finds there is a miss
    with pytest.raises(DataError) as caught:
        load_labels(file, images_dir=images, strict=True)
    assert place in caught.value.message
