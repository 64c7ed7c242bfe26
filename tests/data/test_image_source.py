from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from edgekit.data.image_source import Image, open_source, source_kind
from edgekit.errors import DataError, ImageError
from edgekit.ops.image import IMAGE_SUFFIXES
from tests.images import write_images, write_video


def test_a_folder(tmp_path: Path) -> None:
    write_images(tmp_path / "b", 2)
    write_images(tmp_path / "a", 1)
    source = open_source(tmp_path, frames=10)
    assert (source.kind, [p.name for p in source.images]) == (
        "folder",
        ["a/image_000.png", "b/image_000.png", "b/image_001.png"],
    )


def test_a_list_reports_what_is_missing(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    path = tmp_path / "list.txt"
    path.write_text("image_001.png\nabsent.png\nimage_000.png\n")
    source = open_source(path, frames=10)
    assert [p.name for p in source.images] == ["image_001.png", "image_000.png"]
    assert source.missing == ("absent.png",)


def test_coco_json(tmp_path: Path) -> None:
    write_images(tmp_path / "images" / "train", 2)
    path = tmp_path / "instances_train.json"
    path.write_text(json.dumps({"images": [{"id": i, "file_name": f"image_00{i}.png"} for i in range(2)]}))
    assert [p.name for p in open_source(path, frames=1).images] == ["image_000.png", "image_001.png"]


def test_a_dataset_gives_its_train_split_and_says_where_it_has_none(tmp_path: Path) -> None:
    write_images(tmp_path / "t", 2)
    write_images(tmp_path / "v", 1)
    path = tmp_path / "data.yaml"
    path.write_text("train: t\nval: v")
    assert (len(open_source(path, frames=1).images), open_source(path, frames=1).notes) == (2, ())
    path.write_text("val: v")
    assert "val split was used" in open_source(path, frames=1).notes[0]


def test_a_video_is_sampled_over_its_whole_length(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "v.avi", 100), frames=4)
    assert [p.frame for p in source.images] == [12, 37, 62, 87]
    assert source.images[1].stem == "v_f000037"
    assert len(open_source(tmp_path / "v.avi", frames=1000).images) == 100


def test_the_fingerprint_follows_names_and_sizes(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 3)
    before = open_source(tmp_path, frames=1).fingerprint()
    assert open_source(tmp_path, frames=1).fingerprint() == before
    paths[0].write_bytes(paths[0].read_bytes() + b"x")
    assert open_source(tmp_path, frames=1).fingerprint() != before


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a b/c d.jpg", "c_d"), ("..hidden.png", "hidden"), ("ä/ö!.png", "_"), ("x" * 200 + ".png", "x" * 60)],
)
def test_stems_are_safe_in_file_names(name: str, stem: str) -> None:
    assert Image(Path(name), name).stem == stem


def test_sources_that_have_no_images_say_what_they_have(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_source(tmp_path / "absent", frames=1)
    with pytest.raises(DataError, match="it is empty"):
        open_source(tmp_path, frames=1)
    (tmp_path / "a.npy").write_bytes(b"x")
    with pytest.raises(DataError, match=r"files ending in \.npy") as caught:
        open_source(tmp_path, frames=1)
    assert "original images" in caught.value.hint
    (tmp_path / "list.txt").write_text("gone.jpg\nlost.jpg\n")
    with pytest.raises(DataError, match=r"none of the 2 images .*gone\.jpg"):
        open_source(tmp_path / "list.txt", frames=1)
    (tmp_path / "x.docx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"the ending '\.docx'"):
        source_kind(tmp_path / "x.docx")


def test_images_dir_belongs_to_coco_alone(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    with pytest.raises(DataError, match="expected a COCO JSON"):
        open_source(tmp_path, frames=1, images_dir=tmp_path)


def test_broken_videos(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(ImageError, match="is empty"):
        open_source(tmp_path / "empty.mp4", frames=3)
    (tmp_path / "noise.mp4").write_bytes(b"no video at all" * 50)
    with pytest.raises(ImageError, match=r"noise\.mp4"):
        open_source(tmp_path / "noise.mp4", frames=3)


def test_a_single_image_is_a_set_of_one(tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1)
    assert [p.path for p in open_source(path, frames=1).images] == [path]
    assert cv2.imread(str(path)) is not None


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300 + ".jpg", "a\0b.txt", "x" * 5000 + "*"])
def test_a_path_that_no_file_system_takes_is_a_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not exist|matches no images"):
        open_source(tmp_path / name, frames=4)


def test_a_glob_gives_the_images_that_it_matches(tmp_path: Path) -> None:
    write_images(tmp_path / "a", 2)
    write_images(tmp_path / "b" / "c", 1)
    (tmp_path / "a" / "notes.txt").touch()
    source = open_source(tmp_path / "**" / "*", frames=4)
    assert source.kind == "glob"
    assert [image.name for image in source.images] == ["a/image_000.png", "a/image_001.png", "b/c/image_000.png"]
    with pytest.raises(DataError, match="matches no images"):
        open_source(tmp_path / "*.jpg", frames=4)


def test_a_video_whose_name_is_not_utf8_never_reaches_opencv(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(ImageError, match="not UTF-8"):
        open_source(path, frames=4)


def test_a_folder_takes_every_ending_that_a_single_image_may_have(tmp_path: Path) -> None:
    for suffix in IMAGE_SUFFIXES:
        (tmp_path / f"a{suffix}").touch()
        assert open_source(tmp_path / f"a{suffix}", frames=1).kind == "image"
    assert len(open_source(tmp_path, frames=1).images) == len(IMAGE_SUFFIXES)
