from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data.yolo import label_path, read_dataset, split_images
from edgekit.errors import ConfigError, DataError, EdgekitError
from tests.images import write_images


def dataset(folder: Path, text: str) -> Path:
    path = folder / "data.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train\nval: images/val",
        "path: .\ntrain: images/train\nval: [images/val]",
        "path: {root}\ntrain: images/train\nval: images/val",
        "train: ../images/train\nval: ../images/val",  # Roboflow writes one level too many
        "train: [images/train]\nval: val.txt",
        "train: {root}/images/train\nval: images/val/image_003.png",
    ],
)
def test_splits_in_every_spelling(tmp_path: Path, text: str) -> None:
    write_images(tmp_path / "images" / "train", 3)
    write_images(tmp_path / "images" / "val", 1, first=3)
    (tmp_path / "val.txt").write_text("./images/val/image_003.png\n")
    path = dataset(tmp_path, text.replace("{root}", str(tmp_path)) + "\nnames: {0: cat, 1: dog}\n")
    read = read_dataset(path)
    assert [p.name for p in split_images(read, "train").paths] == [f"image_00{i}.png" for i in range(3)]
    assert [p.name for p in split_images(read, "val").paths] == ["image_003.png"]
    assert split_images(read, "test").paths == ()
    assert read.names == ("cat", "dog")


def test_several_folders_and_missing_ones(tmp_path: Path) -> None:
    write_images(tmp_path / "a", 1)
    write_images(tmp_path / "b", 1)
    listing = split_images(read_dataset(dataset(tmp_path, "train: [a, b, c]")), "train")
    assert len(listing.paths) == 2
    assert listing.missing == ("c",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a]", "names no images"),
        ("[]", "names no images"),
        ("train: 5", "train has 5"),
        ("train: a\npath: 3", "path is 3"),
        ("train: a\nnames: {0: a, 2: b}", "names has gaps"),
        ("train: a\nnames: word", "expected a list of names"),
        ("train: !!python/name:os.system x", "could not determine a constructor"),
        ("train: a\ntrain: b", "twice"),
    ],
)
def test_bad_yamls_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        read_dataset(dataset(tmp_path, text))


def test_labels_lie_in_the_twin_folder() -> None:
    assert label_path(Path("/d/images/train/images/a.b.jpg")) == Path("/d/images/train/labels/a.b.txt")
    assert label_path(Path("flat/a.jpg")) == Path("flat/a.txt")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: {'0': a, '1': b}", ("a", "b")),
        ("names: {1: b, 0: a}", ("a", "b")),
        ("nc: 2", ("class 0", "class 1")),
        ("names: [007, 1.0, 12:30, 1_000, 1e3, 0x10]", ("007", "1.0", "12:30", "1_000", "1e3", "0x10")),
        ("names: [no, yes, on, off, true, 2024-01-01, 7]", ("no", "yes", "on", "off", "true", "2024-01-01", "7")),
    ],
)
def test_class_names_as_people_write_them(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    assert read_dataset(dataset(tmp_path, f"train: images\n{text}\n")).names == names


@pytest.mark.parametrize("text", ["nc: many", "nc: 0", "names: {0: a, 2: b}", "names: {'0': a, 0: b}", "names: x"])
def test_class_names_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(EdgekitError, match="nc|names|key"):
        read_dataset(dataset(tmp_path, f"train: images\n{text}\n"))


@pytest.mark.parametrize("text", ["valid: valid\\images", "path: .\\\nval: .\\valid\\images", "val: ../valid/images"])
def test_splits_and_paths_of_other_tools(tmp_path: Path, text: str) -> None:
    image = tmp_path / "valid" / "images" / "a.png"
    image.parent.mkdir(parents=True)
    image.touch()
    read = read_dataset(dataset(tmp_path, text + "\n"))
    assert split_images(read, "val").paths == (image,)
