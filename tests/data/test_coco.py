from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.data.coco import CocoImage, coco_images, find_images, read_coco
from edgekit.data.label_faults import Faults
from edgekit.errors import DataError
from tests.images import write_images


def coco(*names: str) -> dict[str, Any]:
    return {"images": [{"id": i, "file_name": n, "width": 96, "height": 72} for i, n in enumerate(names, 1)]}


@pytest.mark.parametrize(
    ("json_name", "folder"),
    [
        ("instances.json", "."),
        ("instances.json", "images"),
        ("instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017"),
        ("instances_train.json", "images/train"),
    ],
)
def test_images_are_found_where_coco_lays_them(tmp_path: Path, json_name: str, folder: str) -> None:
    write_images(tmp_path / folder, 2)
    path = tmp_path / json_name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(coco("image_000.png", "image_001.png", "image_009.png")))
    found, listing = find_images(coco_images(read_coco(path), location="x"), path)
    assert found.resolve() == (tmp_path / folder).resolve()
    assert [p.name for p in listing.paths] == ["image_000.png", "image_001.png"]
    assert [Path(m).name for m in listing.missing] == ["image_009.png"]


def test_entries_come_by_id_and_a_folder_can_be_named(tmp_path: Path) -> None:
    write_images(tmp_path / "elsewhere" / "deep", 2)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"images": list(reversed(coco("deep/image_000.png", "deep/image_001.png")["images"]))}))
    images = coco_images(read_coco(path), location="x")
    assert [p.image_id for p in images] == [1, 2]
    _, listing = find_images(images, path, images_dir=tmp_path / "elsewhere")
    assert len(listing.paths) == 2


def test_the_json_of_other_images_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 2)
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco("other.jpg")))
    with pytest.raises(DataError, match=r"none of the 1 images .*first: other\.jpg") as caught:
        find_images(coco_images(read_coco(path), location="x"), path)
    assert "--images-dir" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no list `images`"),
        ("{", "cannot be read as JSON"),
        ('{"images": []}', "lists no images"),
        ('{"images": [3]}', r"images\[0\] is 3\), expected an object"),
        ('{"images": [{"id": "a", "file_name": "a.jpg"}]}', r"images\[0\]\.id"),
        ('{"images": [{"id": 1, "file_name": 5}]}', "file_name"),
        ('{"images": [{"id": 1, "file_name": "../../secret.jpg"}]}', "inside the images' folder"),
        ('{"images": [{"id": 1, "file_name": "/etc/secret.jpg"}]}', "inside the images' folder"),
        ('{"images": [{"id": 1, "file_name": "..\\\\secret.jpg"}]}', "inside the images' folder"),
        ('{"images": [{"id": 1, "file_name": "C:/secret.jpg"}]}', "inside the images' folder"),
        ('{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]}', "twice"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        coco_images(read_coco(path), location=str(path))


@pytest.mark.parametrize(
    "name",
    [".", "./", "", "..", "a/../b.jpg", "/", "/etc/x.jpg", "C:\\x.jpg", "\ud800.jpg", "a\0.jpg", 5, None, [], {}],
)
def test_an_entry_without_a_path_inside_the_folder_is_named_and_the_others_are_used(name: object) -> None:
    data = coco("image.png")
    data["images"].append({"id": 2, "file_name": name})
    faults = Faults()
    assert [p.image_id for p in coco_images(data, location="x", faults=faults)] == [1]
    assert "1 left out (images[1].file_name is " in faults.tell("x")
    assert faults.tell("x").isprintable()


@pytest.mark.parametrize("value", ["a", "1.5", 1.5, 10**400, 1e300, float("nan"), float("inf"), True, None, [1], {}])
def test_an_id_that_is_no_whole_number_is_named(value: object) -> None:
    data = coco("image.png")
    data["images"].append({"id": value, "file_name": "other.png"})
    faults = Faults()
    assert [p.image_id for p in coco_images(data, location="x", faults=faults)] == [1]
    assert "1 left out (images[1].id is " in faults.tell("x") and len(faults.tell("x")) < 200


@pytest.mark.parametrize("value", [-4, 10**400, "wide", [5], float("nan"), True, 1 << 30])
def test_a_size_that_is_none_counts_as_unknown(value: object) -> None:
    data = coco("image.png")
    data["images"][0]["width"] = value
    faults = Faults()
    assert coco_images(data, location="x", faults=faults) == (CocoImage(1, "image.png", 0, 72),)
    assert "1 taken for unknown (images[0].width is " in faults.tell("x")


def test_an_entry_that_stands_twice_is_one_and_an_id_of_two_images_is_none() -> None:
    data = coco("a.png", "b.png", "c.png")
    data["images"] += [data["images"][0], {"id": 2, "file_name": "z.png"}]
    faults = Faults()
    assert [p.file_name for p in coco_images(data, location="x", faults=faults)] == ["a.png", "c.png"]
    assert "images[4].id is 2" in faults.tell("x") and len(faults) == 1


def test_names_that_no_file_system_takes_are_missing_and_few_images_of_a_long_file_are_found(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 1)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(coco("a" * 300 + ".png", *(f"{i}.png" for i in range(400)), "image_000.png")))
    _, listing = find_images(coco_images(read_coco(path), location="x"), path)
    assert [p.name for p in listing.paths] == ["image_000.png"] and len(listing.missing) == 401
