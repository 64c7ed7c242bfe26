from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data.image_list import Listing, images_below, listed_images
from edgekit.errors import DataError
from tests.images import write_images


def test_folders_are_read_to_the_bottom_in_sorted_order(tmp_path: Path) -> None:
    write_images(tmp_path / "b", 2)
    write_images(tmp_path / "a", 1, suffix=".JPG")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "a" / "._image.jpg").write_text("what macOS leaves behind")
    names = [path.relative_to(tmp_path).as_posix() for path in images_below(tmp_path)]
    assert names == ["a/image_000.JPG", "b/image_000.png", "b/image_001.png"]


def test_lists_are_relative_to_themselves_keep_their_order_and_name_what_is_missing(tmp_path: Path) -> None:
    first, second = write_images(tmp_path / "p", 2)
    listing = tmp_path / "list.txt"
    listing.write_text(f"# chosen by hand\n\np/image_001.png\n{first}\n./p/image_001.png\np/absent.png\n")
    found = listed_images(listing)
    assert found.paths == (second, first)
    assert found.missing == ("p/absent.png",)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xff\xfe\x01")
    with pytest.raises(DataError, match="is not UTF-16"):
        listed_images(path)
    with pytest.raises(DataError, match="does not exist"):
        listed_images(tmp_path / "absent.txt")


def test_an_empty_list_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n# nothing\n")
    assert listed_images(path).paths == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_of_another_system_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "größe 1.png"
    image.touch()
    path = tmp_path / "list.txt"
    path.write_bytes("# images\r\n.\\images\\größe 1.png\r\nimages\\none.png\r\n".encode(encoding))
    listing = listed_images(path)
    assert listing.paths == (image,) and listing.missing == ("images\\none.png",)


def test_a_line_that_no_file_system_takes_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("n" * 5000 + "\n~nobody-has-this-name/x.png\n")
    assert len(listed_images(path).missing) == 2


def test_a_image_whose_name_looks_like_a_comment_or_a_home_folder_is_found(tmp_path: Path) -> None:
    names = ("#1.png", "~", "line\u2028end.png")
    for name in names:
        (tmp_path / name).touch()
    path = tmp_path / "list.txt"
    path.write_text("# a comment\n" + "\n".join(names) + "\n", encoding="utf-8")
    assert listed_images(path) == Listing(tuple(tmp_path / name for name in names))


def test_a_path_from_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").touch()
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "list.txt"
    path.write_text("~/a.png\n~\\a.png\n")
    assert listed_images(path) == Listing((tmp_path / "a.png",))
