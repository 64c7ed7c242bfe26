from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DataError
from edgekit.host.datasets.listing import listed_photos, photos_below
from tests.photos import write_photos


def test_folders_are_read_to_the_bottom_in_sorted_order(tmp_path: Path) -> None:
    write_photos(tmp_path / "b", 2)
    write_photos(tmp_path / "a", 1, suffix=".JPG")
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "a" / "._photo.jpg").write_text("what macOS leaves behind")
    names = [path.relative_to(tmp_path).as_posix() for path in photos_below(tmp_path)]
    assert names == ["a/photo_000.JPG", "b/photo_000.png", "b/photo_001.png"]


def test_lists_are_relative_to_themselves_keep_their_order_and_name_what_is_missing(tmp_path: Path) -> None:
    first, second = write_photos(tmp_path / "p", 2)
    listing = tmp_path / "list.txt"
    listing.write_text(f"# chosen by hand\n\np/photo_001.png\n{first}\n./p/photo_001.png\np/absent.png\n")
    found = listed_photos(listing)
    assert found.paths == (second, first)
    assert found.missing == ("p/absent.png",)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xff\xfe\x01")
    with pytest.raises(DataError, match="no UTF-8"):
        listed_photos(path)
    with pytest.raises(DataError, match="cannot be read"):
        listed_photos(tmp_path / "absent.txt")


def test_an_empty_list_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n# nothing\n")
    assert listed_photos(path).paths == ()
