"""Every command takes the same image lists: folder, list, COCO JSON and dataset yaml."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.cli.source import open_any_source as open_from_command_line
from edgekit.data.frame_source import image_paths, open_any_source
from edgekit.errors import ConfigError, DataError, ImageError
from edgekit.runtime.sources import names_images


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(cv2.imencode(".png", np.zeros((4, 5, 3), np.uint8))[1].tobytes())
    entries = [{"id": i, "file_name": name, "width": 5, "height": 4} for i, name in enumerate(("a.png", "b.png"))]
    (tmp_path / "coco.json").write_text(json.dumps({"images": entries}))
    (tmp_path / "list.txt").write_text("images/a.png\nimages/b.png\n")
    (tmp_path / "data.yaml").write_text("val: images\nnames: [thing]\n")
    return tmp_path


@pytest.mark.parametrize("name", ["images", "images/*.png", "list.txt", "coco.json", "data.yaml"])
def test_a_source_of_any_kind_gives_the_same_images(images: Path, name: str) -> None:
    skipped: list[ImageError] = []
    source = open_from_command_line(str(images / name), on_skip=skipped.append)
    assert [frame.name for frame in source.frames()] == ["a.png", "b.png"] and not skipped
    assert [path.name for path in source.files] == ["a.png", "b.png"]
    assert [path.name for path in image_paths(images / name, 9)] == ["a.png", "b.png"]


def test_names_without_a_file_are_skipped_by_name(images: Path) -> None:
    (images / "list.txt").write_text("images/a.png\nimages/gone.png\n")
    skipped: list[ImageError] = []
    source = open_any_source(str(images / "list.txt"), on_skip=skipped.append)
    assert len(list(source.frames())) == 1
    assert [error.message.split(" ")[0] for error in skipped] == ["images/gone.png"]
    with pytest.raises(ImageError, match="images/gone.png"):
        open_any_source(str(images / "list.txt"))


def test_what_a_list_leaves_out_is_noted(images: Path) -> None:
    assert open_any_source(str(images / "data.yaml")).notes == (
        "the dataset has no train split; its val split was used",
    )
    entries = json.loads((images / "coco.json").read_text())["images"]
    (images / "coco.json").write_text(json.dumps({"images": [*entries, {"id": 9, "file_name": "."}]}))
    source = open_any_source(str(images / "coco.json"))
    assert len(source.files) == 2 and any("file_name" in note for note in source.notes)


def test_the_address_of_a_stream_is_no_list() -> None:
    assert not names_images("rtsp://10.0.0.7/live.txt") and names_images("live.TXT")


def test_a_list_without_images_is_an_error(images: Path) -> None:
    (images / "list.txt").write_text("# none\n")
    with pytest.raises(DataError, match="list.txt"):
        image_paths(images / "list.txt", 3)


def test_on_a_board_a_list_is_refused_by_name(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")

    monkeypatch.setattr("edgekit.cli.source.importlib.import_module", absent)
    with pytest.raises(ConfigError, match="not installed here .yaml"):
        open_from_command_line(str(images / "data.yaml"), on_skip=lambda error: None)
