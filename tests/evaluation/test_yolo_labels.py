"""YOLO data sets with every kind of fault: what is sound is scored, and all faults stand in one list."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.data.label_faults import Faults
from edgekit.errors import DataError
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.options import PUBLISHED
from edgekit.evaluation.run import evaluate
from edgekit.evaluation.yolo_labels import read_labels
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo

QUICK = replace(PUBLISHED, conf=0.1)
BOX = "0 0.5 0.5 0.2 0.4"


def dataset(folder: Path, labels: dict[int, str | bytes], *, names: str = "[cat, dog]") -> Path:
    write_images(folder / "images", 3)
    (folder / "labels").mkdir(exist_ok=True)
    for number, text in labels.items():
        data = text.encode() if isinstance(text, str) else text
        (folder / "labels" / f"image_{number:03d}.txt").write_bytes(data)
    path = folder / "data.yaml"
    path.write_text(f"val: images\nnames: {names}\n")
    return path


def test_lines_that_stand_twice_count_once_with_a_warning(tmp_path: Path) -> None:
    outline = "1 0 0 0.5 0 0.5 0.5"
    other = "1 0.5 0.5 0.2 0.4"  # of another class
    text = "\n".join([BOX, outline, "0 0.50 .5 2e-1 0.400", other, outline, BOX])
    path = dataset(tmp_path, {0: text, 1: BOX})
    truth = load_labels(path)
    assert [(a["image_id"], a["category_id"]) for a in truth.annotations] == [(1, 0), (1, 1), (1, 1), (2, 0)]
    assert [a["id"] for a in truth.annotations] == [1, 2, 3, 4]
    (note,) = truth.notes
    assert "data.yaml has 3 faults: 3 counted once (" in note
    assert all(f"image_000.txt:{line} is" in note for line in (3, 5, 6))
    with pytest.raises(DataError, match="3 counted once"):
        load_labels(path, strict=True)


def test_the_figures_are_those_of_the_lines_without_their_doubles(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8")
    lines = ["0 0.5 0.5 0.4 0.4", "1 0.3 0.3 0.3 0.3", "2 0.6 0.4 0.5 0.5"]
    single = dataset(tmp_path / "a", {i: "\n".join(lines) for i in range(3)}, names="[a, b, c]")
    double = dataset(tmp_path / "b", {i: "\n".join(lines * 2) for i in range(3)}, names="[a, b, c]")
    options = replace(QUICK, resamples=10)
    of_single, of_double = (
        evaluate(model, load_labels(path), path.parent / "out", options=options).model.scores["box"]
        for path in (single, double)
    )
    assert of_single.to_dict() == of_double.to_dict()
    assert all(of_class.objects == 3 for of_class in of_double.by_class.values())


def test_a_byte_order_mark_and_other_line_ends_are_no_part_of_a_label_file(tmp_path: Path) -> None:
    text = f"{BOX}\r\n1 0.5 0.5 0.1 0.1\r"
    for encoding in ("utf-8-sig", "utf-16"):
        faults = Faults()
        path = tmp_path / "a.txt"
        path.write_bytes(text.encode(encoding))
        assert [line.class_id for line in read_labels(path, faults) or []] == [0, 1] and len(faults) == 0


def test_bad_lines_and_files_are_counted_and_named_and_the_rest_is_scored(tmp_path: Path) -> None:
    bad = ["x", "0 0.5 0.5 0 0.1", "0 0.5 0.5 -0.005 0.1", "0 nan 0.5 0.1 0.1", f"{10**400} 0.5 0.5 0.1 0.1"]
    bad += ["0 0.5 0.5 0.1 1_0", "1e300 0.5 0.5 0.1 0.1", "0 0.2 0.2 0.2 0.2 0.2 0.2", "0 0.5 0.5 0.1 0.1 0.9"]
    path = dataset(tmp_path, {0: "\n".join([BOX, *bad]), 1: "7 0.5 0.5 0.1 0.1", 2: b"0 0.5 \xff\xfe 1 1"})
    truth = load_labels(path)
    assert [a["image_id"] for a in truth.annotations] == [1]
    assert [p.image_id for p in truth.images] == [1, 2]  # nobody knows what is on the third
    (note,) = truth.notes
    assert f"has {len(bad) + 2} faults" in note and f"{len(bad)} left out (" in note
    assert "image_000.txt:2 is 'x'" in note and f"and {len(bad) - 3} more)" in note
    assert "image_001.txt:1 is of class 7), expected 0..1, as the yaml has 2 names" in note
    assert "1 left out with their images (" in note and "image_002.txt is unreadable" in note
    with pytest.raises(DataError, match=f"has {len(bad) + 2} faults"):
        load_labels(path, strict=True)


def test_class_numbers_without_names_are_bounded(tmp_path: Path) -> None:
    path = dataset(tmp_path, {0: f"{BOX}\n3.0 0.5 0.5 0.1 0.1\n1000000000 0.5 0.5 0.1 0.1"})
    path.write_text("val: images\n")
    truth = load_labels(path)
    assert [name for _, name in truth.categories] == ["class 0", "class 1", "class 2", "class 3"]
    assert "image_000.txt:3 is '1000000000" in truth.notes[0]


def test_names_that_stand_twice_are_one_class(tmp_path: Path) -> None:
    truth = load_labels(dataset(tmp_path, {0: f"{BOX}\n1 0.5 0.5 0.1 0.1"}, names="[cat, Cat]"))
    assert truth.categories == ((0, "cat"),) and [a["category_id"] for a in truth.annotations] == [0, 0]
    assert "0, 1 are all called 'cat'" in truth.notes[0]


def test_a_image_that_cannot_be_read_does_not_end_the_evaluation(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8")
    path = dataset(tmp_path, {i: BOX for i in range(3)}, names="[a, b, c]")
    (tmp_path / "images" / "image_001.png").write_bytes(b"\x89PNG broken")
    truth = load_labels(path)
    assert [a["image_id"] for a in truth.annotations] == [1, 3]
    result = evaluate(model, truth, tmp_path / "out", options=replace(QUICK, resamples=10))
    assert result.model.images == 2 and "image_001.png" in result.model.unread[0]
    assert result.model.scores["box"].by_class["a"].objects == 2
    for i in (0, 2):
        (tmp_path / "images" / f"image_{i:03d}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 3 images can be read \(first: .*image_000"):
        load_labels(path)


def test_outlines_of_too_many_points_or_too_long_are_named_and_never_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    many = "0 " + " ".join(f"{v:.3f}" for v in rng.random(120_000))
    long = "1 " + " ".join(f"{v:.3f}" for v in rng.random(98_000))  # 49,000 points all over the image
    truth = load_labels(dataset(tmp_path, {0: f"{many}\n{long}\n"}))
    (label,) = truth.annotations
    assert label["category_id"] == 1 and label["bbox"] == pytest.approx([0, 0, 96, 72]) and not truth.has_masks
    assert "image_000.txt:1 is an outline of over 50000 points" in truth.notes[0]
    assert "1 used without outline (" in truth.notes[0] and "image_000.txt:2 is an outline " in truth.notes[0]


def test_a_3_mb_outline_of_200000_points_is_evaluated_in_little_memory(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8", task="segment")
    points = " ".join(f"{v:.5f}" for v in np.random.default_rng(0).random(400_000))
    path = dataset(tmp_path, {0: f"0 {points}\n1 0 0 0.5 0 0.5 0.5", 1: BOX}, names="[a, b, c]")
    assert (tmp_path / "labels" / "image_000.txt").stat().st_size > 3_000_000
    # the peak of the process itself: rusage counts that of its parent, too
    script = (
        "import re, sys, pathlib; from edgekit.cli.main import main; code = main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+([0-9]+)', pathlib.Path('/proc/self/status').read_text())[1], file=sys.stderr); "
        "sys.exit(code)"
    )
    out = tmp_path / "out"
    arguments = ["eval", "--model", str(model), "--data", str(path), "-o", str(out), "--json"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "an outline of over 50000 points" in done.stdout
    assert int(done.stderr.split()[-1]) < 1_000_000  # KB
