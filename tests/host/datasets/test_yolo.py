from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import ConfigError, DataError
from edgekit.host.datasets.yolo import label_path, read_dataset, split_photos
from tests.photos import write_photos


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
        "train: {root}/images/train\nval: images/val/photo_003.png",
    ],
)
def test_splits_in_every_spelling(tmp_path: Path, text: str) -> None:
    write_photos(tmp_path / "images" / "train", 3)
    write_photos(tmp_path / "images" / "val", 1, first=3)
    (tmp_path / "val.txt").write_text("./images/val/photo_003.png\n")
    path = dataset(tmp_path, text.replace("{root}", str(tmp_path)) + "\nnames: {0: cat, 1: dog}\n")
    read = read_dataset(path)
    assert [p.name for p in split_photos(read, "train").paths] == [f"photo_00{i}.png" for i in range(3)]
    assert [p.name for p in split_photos(read, "val").paths] == ["photo_003.png"]
    assert split_photos(read, "test").paths == ()
    assert read.names == ("cat", "dog")


def test_several_folders_and_missing_ones(tmp_path: Path) -> None:
    write_photos(tmp_path / "a", 1)
    write_photos(tmp_path / "b", 1)
    listing = split_photos(read_dataset(dataset(tmp_path, "train: [a, b, c]")), "train")
    assert len(listing.paths) == 2
    assert listing.missing == ("c",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a]", "names no photos"),
        ("[]", "names no photos"),
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
