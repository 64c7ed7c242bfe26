"""`edgekit run` on tiny models, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.ops.rle import decode_rle
from edgekit.output.writer import video_writer
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import required


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_yolo(tmp_path_factory.mktemp("model") / "tiny.onnx", task="segment")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for name, shape in (("a.jpg", (60, 90, 3)), ("deep/b.png", (90, 40, 3))):
        cv2.imwrite(str(folder / name), rng.integers(0, 255, shape, dtype=np.uint8))
    return folder


def test_a_folder_to_images_and_json(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", "--model", str(model), "--source", str(images), "-o", str(out), "--conf", "0.3"]) == 0
    assert required(cv2.imread(str(out / "a.jpg"))).shape == (60, 90, 3)
    assert required(cv2.imread(str(out / "deep" / "b.png"))).shape == (90, 40, 3)
    document = json.loads((out / "results.json").read_text())
    assert (document["device"], document["simulated"], document["task"]) == ("onnxruntime", True, "segment")
    assert [r["source"] for r in document["results"]] == ["a.jpg", "deep/b.png"]
    first = document["results"][0]
    assert (first["width"], first["height"]) == (90, 60)
    assert len(first["objects"]) > 0
    for item in first["objects"]:
        assert item["score"] > 0.3
        mask = decode_rle(item["segmentation"])
        assert mask.shape == (60, 90)
        _, top, right, _ = item["box_xyxy"]
        assert not mask[: int(top)].any()
        assert not mask[:, int(np.ceil(right)) :].any()
    assert "objects in 2 images" in capsys.readouterr().out


def test_json_on_standard_output_is_one_document(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["run", "--model", str(model), "--source", str(images / "a.jpg"), "-o", str(tmp_path / "out")]
    assert main([*args, "--json", "--masks", "polygons"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "out" / "results.json").read_text())
    assert isinstance(shown["results"][0]["objects"][0]["segmentation"], list)


def test_video_in_video_out_with_times(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    with video_writer(tmp_path / "in.mp4", fps=8, size_wh=(96, 64)) as append:
        for _ in range(4):
            append(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    out = tmp_path / "out"
    args = ["run", "--model", str(model), "--source", str(tmp_path / "in.mp4"), "-o", str(out)]
    assert main([*args, "--frames", "3"]) == 0
    capture = cv2.VideoCapture(str(out / "video.mp4"))
    assert (capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)) == (3, 8)
    header, *rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert (header["task"], len(rows)) == ("segment", 3)
    assert set(rows[0]["times_ms"]) == {"prepare", "infer", "decode", "draw"}


def test_a_broken_image_is_skipped_and_counted(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "broken.jpg").write_bytes(b"junk")
    assert main(["run", "--model", str(model), "--source", str(images), "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "broken.jpg" in said.err
    assert "1 images skipped, unreadable" in said.out


def test_other_names(model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\nowl\n")
    args = ["run", "--model", str(model), "--source", str(images / "a.jpg"), "--json"]
    assert main([*args, "-o", str(tmp_path / "out"), "--names", str(names)]) == 0
    objects = json.loads(capsys.readouterr().out)["results"][0]["objects"]
    assert {o["name"] for o in objects} <= {"cat", "dog", "owl"}
    assert main([*args, "-o", str(tmp_path / "out2"), "--names", "coco"]) == 2
    assert "80 class names were given, expected 3" in capsys.readouterr().err


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(["run", *args]) == 2
    lines = capsys.readouterr().err.splitlines()
    mistakes = [line for line in lines if line.startswith(("error:", "hint:"))]
    assert [line.split(":")[0] for line in mistakes] == ["error", "hint"]
    return mistakes[0]


def test_nothing_is_overwritten(model: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in images.rglob("*.*")}
    args = ("--model", str(model), "--source", str(images))
    assert "source's own folder" in refused(capsys, *args, "-o", str(images))
    assert "is not empty" in refused(capsys, *args, "-o", str(images / "deep"))
    assert "is a file" in refused(capsys, *args, "-o", str(images / "a.jpg"))
    assert {p: p.read_bytes() for p in images.rglob("*.*")} == before


def test_no_image_that_is_read_is_ever_written(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(images / "a.jpg", images / "deep" / "a.jpg")
    (tmp_path / "link").symlink_to(images)
    before = {p: p.read_bytes() for p in images.rglob("*.*")}
    monkeypatch.chdir(tmp_path)
    for source, out in (
        ("images/**/*.*", "images"),
        ("images", "images/deep"),
        ("images/*.jpg", "images"),
        ("images/**/*.*", "link"),
        ("link/**/*.*", "images"),
        ("images/deep/../**/*.*", "images"),
        (str(images / "**" / "*.*"), "images"),
    ):
        message = refused(capsys, "--model", str(model), "--source", source, "-o", out, "--overwrite")
        assert "is read in this call" in message or "source's own folder" in message
        assert {p: p.read_bytes() for p in images.rglob("*.*")} == before, (source, out)


def test_the_video_the_model_and_the_names_that_are_read_are_never_written(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "films"
    with video_writer(folder / "video.mp4", fps=8, size_wh=(96, 64)) as append:
        append(np.zeros((64, 96, 3), np.uint8))
    shutil.copy(model, folder / "results.onnx")
    main(["cut", str(model), "-o", str(folder / "results.onnx"), "--overwrite"])
    (folder / "coco_results.json").write_text("cat\ndog\nowl\n")
    before = {p: p.read_bytes() for p in folder.iterdir()}
    capsys.readouterr()
    out = ("-o", str(folder), "--overwrite")
    assert "video.mp4" in refused(capsys, "--model", str(model), "--source", str(folder / "video.mp4"), *out)
    cut = ("--model", str(folder / "results.onnx"), "--source", str(images))
    assert "results.json" in refused(capsys, *cut, *out)
    names = ("--names", str(folder / "coco_results.json"))
    assert "coco_results.json" in refused(
        capsys, "--model", str(model), "--source", str(folder / "video.mp4"), "--no-images", "--coco", *names, *out
    )
    assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_overwrite_names_what_it_replaces_and_leaves_the_rest(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("a.jpg", "mine.txt"):
        (out / name).write_text("mine")
    args = ("--model", str(model), "--source", str(images), "-o", str(out))
    assert "is not empty" in refused(capsys, *args)
    assert (out / "a.jpg").read_text() == "mine"
    assert main(["run", *args, "--overwrite"]) == 0
    assert f"note: --overwrite replaces {out / 'a.jpg'}\n" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "mine"
    assert required(cv2.imread(str(out / "a.jpg"))).shape == (60, 90, 3)


def test_equal_stems_never_meet_in_one_output_or_id(images: Path, tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "detect.onnx")
    for name in ("a.png", "deep/a.jpg", "deep/7.jpg", "7.jpg"):
        cv2.imwrite(str(images / name), required(cv2.imread(str(images / "a.jpg"))))
    out = tmp_path / "out"
    args = ["run", "--model", str(model), "--source", str(images), "-o", str(out), "--no-images", "--coco"]
    assert main([*args, "--labels", "yolo", "--conf", "0.3"]) == 0
    found = {row["source"]: len(row["objects"]) for row in json.loads((out / "results.json").read_text())["results"]}
    labels = {p.relative_to(out / "labels").as_posix(): p for p in (out / "labels").rglob("*.txt")}
    names = {"a.jpg": "a.jpg.txt", "a.png": "a.png.txt", "7.jpg": "7.txt", "deep/7.jpg": "deep/7.txt"}
    names |= {"deep/a.jpg": "deep/a.txt", "deep/b.png": "deep/b.txt"}
    assert sorted(labels) == sorted(names.values())
    assert {n: len(labels[label].read_text().splitlines()) for n, label in names.items()} == found
    rows = json.loads((out / "coco_results.json").read_text())
    ids = {row["file_name"]: row["image_id"] for row in rows}
    assert len(set(ids.values())) == len(ids) == sum(count > 0 for count in found.values()) >= 5
    assert [ids[n] for n in ("7.jpg", "deep/7.jpg", "a.png", "deep/b.png")] == ["7", "deep/7", "a.png", "b"]
    assert {name: sum(row["file_name"] == name for row in rows) for name in ids} == {
        name: count for name, count in found.items() if count
    }


def test_images_of_a_list_are_never_written_and_never_meet(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one/p.png", "two/p.png", "two/p.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(images / "deep" / "b.png", tmp_path / name)
    listing = tmp_path / "lists" / "list.txt"
    listing.parent.mkdir()
    listing.write_text("../one/p.png\n../two/p.png\n../lists/../one/p.png\n../two/p.jpg\n")
    args = ["--model", str(model), "--source", str(listing), "--labels", "yolo", "--coco"]
    before = {p: p.read_bytes() for p in tmp_path.glob("*/p.*")}
    assert "is read" in refused(capsys, *args, "-o", str(tmp_path), "--overwrite")
    assert {p: p.read_bytes() for p in tmp_path.glob("*/p.*")} == before
    out = tmp_path / "out"
    assert main(["run", *args, "-o", str(out), "--conf", "0.3"]) == 0
    names = ["one/p.png", "two/p.png", "two/p.jpg"]
    rows = json.loads((out / "results.json").read_text())["results"]
    assert sorted(row["source"] for row in rows) == sorted(names)
    assert all((out / name).is_file() for name in names)
    labels = {p.relative_to(out / "labels").as_posix() for p in (out / "labels").rglob("*.txt")}
    assert labels == {"one/p.txt", "two/p.png.txt", "two/p.jpg.txt"}
    found = json.loads((out / "coco_results.json").read_text())
    ids = {row["file_name"]: row["image_id"] for row in found}
    assert len(set(ids.values())) == len(ids) == 3


def test_what_a_dataset_leaves_out_is_said(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "data.yaml").write_text("val: deep\n")
    args = ["run", "--model", str(model), "--source", str(images / "data.yaml"), "-o", str(tmp_path / "out")]
    assert main(args) == 0
    assert "note: the dataset has no train split; its val split was used" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.png").is_file()


def test_one_bad_image_costs_itself_alone(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgekit.errors import DeviceError, ImageError
    from edgekit.runtime.session import Session

    cv2.imwrite(str(images / "c.png"), np.zeros((20, 30, 3), np.uint8))
    prepare = Session.prepare

    def refuse_small(self: Session, bgr: np.ndarray, **options: object) -> object:
        if bgr.shape[1] == 30:
            raise raised
        return prepare(self, bgr, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Session, "prepare", refuse_small)
    raised: Exception = ImageError("too small", hint="")
    args = ["run", "--model", str(model), "--source", str(images), "--in-flight", "1"]
    assert main([*args, "-o", str(tmp_path / "one")]) == 0
    said = capsys.readouterr()
    assert "skipped: c.png: frame 1: too small" in said.err
    document = json.loads((tmp_path / "one" / "results.json").read_text())
    assert [row["source"] for row in document["results"]] == ["a.jpg", "deep/b.png"]

    for raised in (DeviceError("gone", hint=""), ValueError("odd")):
        out = tmp_path / type(raised).__name__
        assert main([*args, "-o", str(out), "--coco", "--labels", "yolo"]) == 2
        assert "results of the 1 images before the error are kept" in capsys.readouterr().err
        assert [row["source"] for row in json.loads((out / "results.json").read_text())["results"]] == ["a.jpg"]
        assert {row["file_name"] for row in json.loads((out / "coco_results.json").read_text())} == {"a.jpg"}
        assert sorted(p.name for p in out.iterdir()) == ["a.jpg", "coco_results.json", "labels", "results.json"]


def test_where_the_reader_of_the_json_has_gone_the_files_are_whole(model: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ["run", "--model", str(model), "--source", str(images), "-o", str(out), "--json", "--conf", "0.01"]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.read(1) == "{"
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    assert process.wait() == 0, said
    assert "error:" not in said
    assert len(json.loads((out / "results.json").read_text())["results"]) >= 1


def test_a_image_whose_name_is_no_utf8_works(
    model: Path, images: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(images / "a.jpg", images / odd)
    args = ["run", "--model", str(model), "--source", str(images), "--labels", "yolo", "--coco", "--json"]
    assert main([*args, "-o", str(tmp_path / "out")]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert [row["source"] for row in shown["results"]] == ["a.jpg", odd, "deep/b.png"]
    assert (tmp_path / "out" / "labels" / os.fsdecode(b"caf\xe9.txt")).is_file()
    assert (tmp_path / "out" / odd).is_file()
    assert json.loads((tmp_path / "out" / "results.json").read_text())["results"][1]["source"] == odd


KILLED_AT_THE_FOURTH_FRAME = """
import os, signal, sys
from edgekit.cli.main import main
from edgekit.cli.run_delivery import Delivery
plain, frames = Delivery.deliver, []
def deliver(self, done):
    frames.append(done)
    if len(frames) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, done)
Delivery.deliver = deliver
main(sys.argv[1:])
"""


def test_a_video_run_that_was_killed_starts_again_in_its_folder(model: Path, tmp_path: Path) -> None:
    with video_writer(tmp_path / "in.mp4", fps=8, size_wh=(96, 64)) as append:
        for _ in range(8):
            append(np.zeros((64, 96, 3), np.uint8))
    out = tmp_path / "out"
    args = ["run", "--model", str(model), "--source", str(tmp_path / "in.mp4"), "-o", str(out)]
    alone = {**os.environ, "PATH": str(tmp_path)}  # no ffmpeg, which would write on after the kill
    command = [sys.executable, "-c", KILLED_AT_THE_FOURTH_FRAME, *args]
    killed = subprocess.run(command, stderr=subprocess.DEVNULL, env=alone)
    assert killed.returncode == -signal.SIGKILL
    assert list(out.glob(".video.*.part.mp4"))
    assert main([*args, "--frames", "2"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["results.jsonl", "video.mp4"]


def test_labels_of_a_run_are_the_truth_that_eval_reads(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(images, data / "images")
    (data / "data.yaml").write_text("path: .\nval: images\nnames: [a, b, c]\n")
    run_it = ["run", "--model", str(model), "--source", str(images), "--no-images", "--conf", "0.3"]
    scores = ["eval", "--model", str(model), "--data", str(data / "data.yaml"), "--resamples", "10"]
    for labels, code in (("yolo", 0), ("yolo-scores", 2)):
        out = tmp_path / labels
        assert main([*run_it, "-o", str(out), "--labels", labels]) == 0
        shutil.copytree(out / "labels", data / "labels", dirs_exist_ok=True)
        assert main([*scores, "-o", str(tmp_path / f"eval-{labels}")]) == code
    assert json.loads((tmp_path / "eval-yolo" / "report.json").read_text())


@pytest.mark.parametrize(
    "option, value", [("--conf", "1.5"), ("--iou", "-1"), ("--max-detections", "0"), ("--device", "gpu")]
)
def test_illegal_options(
    model: Path, images: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert value in refused(capsys, "--model", str(model), "--source", str(images), option, value)


def test_a_float_model_does_not_pretend_to_be_simulated(
    model: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "--model", str(model), "--source", str(images), "--device", "sim")
    assert "is a float model" in message


def test_bad_models(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"\x00" * 100)
    for name in ("junk.onnx", "none.bin"):
        refused(capsys, "--model", str(tmp_path / name), "--source", str(images))


def test_bad_sources(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"junk")
    args = ("--model", str(model), "-o", str(tmp_path / "out"), "--source")
    assert "holds no image" in refused(capsys, *args, str(tmp_path / "empty"))
    assert "holds no readable image" in refused(capsys, *args, str(tmp_path / "broken"))
    assert "cannot be read" in refused(capsys, *args, str(tmp_path / "none.jpg"))
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_labels_and_coco_rows(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "obb.onnx", task="obb")
    out = tmp_path / "out"
    args = ["run", "--model", str(model), "--source", str(images), "-o", str(out), "--no-images", "--coco"]
    assert main([*args, "--labels", "dota", "--conf", "0.3"]) == 0
    found = json.loads((out / "results.json").read_text())["results"]
    rows = json.loads((out / "coco_results.json").read_text())
    assert len(rows) == sum(len(r["objects"]) for r in found) > 0
    assert {row["image_id"] for row in rows} <= {"a", "b"}
    lines = (out / "labels" / "deep" / "b.txt").read_text().splitlines()
    assert len(lines) == len(found[1]["objects"])
    assert all(len(line.split()) == 10 for line in lines)


def test_dota_labels_need_rotated_boxes(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", "--model", str(model), "--source", str(images), "-o", str(out), "--labels", "dota"]) == 2
    assert "rotated boxes" in capsys.readouterr().err
    assert not out.exists()


def live_source() -> object:
    """A camera that never ends."""
    import itertools
    import time
    from collections.abc import Iterator

    from edgekit.runtime.sources import Frame, Source

    def frames() -> Iterator[Frame]:
        for index in itertools.count():
            time.sleep(0.002)
            yield Frame(np.full((48, 64, 3), index % 250, np.uint8), f"frame {index}")

    return Source("camera", 0, 10.0, frames, live=True)


def test_ctrl_c_ends_a_live_run_with_its_files_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.cli.run_delivery import Delivery

    monkeypatch.setattr("edgekit.runtime.sources.open_source", lambda source, on_skip: live_source())
    delivered = []
    plain = Delivery.deliver

    def interrupt_at_fifth(self: Delivery, done: Any) -> Any:
        delivered.append(plain(self, done))
        if len(delivered) == 5:
            raise KeyboardInterrupt
        return delivered[-1]

    monkeypatch.setattr(Delivery, "deliver", interrupt_at_fifth)
    out = tmp_path / "out"
    assert main(["run", "--model", str(model), "--source", "0", "-o", str(out)]) == 0
    assert len((out / "results.jsonl").read_text().splitlines()) == 6  # the header and five frames
    assert cv2.VideoCapture(str(out / "video.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert sorted(p.name for p in out.iterdir()) == ["results.jsonl", "video.mp4"]


def test_ctrl_c_breaks_off_a_file_and_leaves_no_half_one(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.cli.run_delivery import Delivery

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Delivery, "deliver", interrupt)
    out = tmp_path / "out"
    assert main(["run", "--model", str(model), "--source", str(images), "-o", str(out)]) == 130
    assert not out.exists() or list(out.iterdir()) == []
