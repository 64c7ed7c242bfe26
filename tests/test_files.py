from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DataError, OutputError
from edgekit.files import (
    atomic_path,
    listed,
    read_json,
    refuse_inputs,
    refuse_replacing,
    sha256_file,
    write_json,
    write_text,
)


def test_round_trip_and_hash(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"ä": [1, 2.5, None]})
    assert read_json(tmp_path / "a" / "b.json") == {"ä": [1, 2.5, None]}
    write_text(tmp_path / "abc.txt", "abc")
    assert sha256_file(tmp_path / "abc.txt").startswith("ba7816bf8f01cfea")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left") as caught, atomic_path(tmp_path / "x") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert "disk space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "file" / "y.txt", "z")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_no_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="x.json"):
        read_json(path)


def test_json_too_large_or_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_json(tmp_path / "none.json")
    (tmp_path / "x.json").write_text("[1, 2, 3]")
    with pytest.raises(DataError, match="expected at most 4"):
        read_json(tmp_path / "x.json", max_bytes=4)


def test_a_name_of_full_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".json")  # 255 bytes, the most that a name may have
    write_text(path, "x")
    assert path.read_text() == "x"


def test_what_is_read_is_never_an_output_by_whatever_name(tmp_path: Path) -> None:
    image = tmp_path / "a" / "image.png"
    write_text(image, "image")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "hard.png").hardlink_to(image)
    (tmp_path / "soft.png").symlink_to(image)
    for name in ("a/image.png", "a/../a/image.png", "link/image.png", "hard.png", "soft.png"):
        with pytest.raises(OutputError, match="image.png, which is read in this call"):
            refuse_inputs([tmp_path / "new.png", tmp_path / name], [tmp_path / "other.png", image])
    refuse_inputs([tmp_path / "new.png"], [image, tmp_path / "none.png"])
    with pytest.raises(OutputError):
        refuse_inputs([tmp_path / "none.png"], [tmp_path / "a" / ".." / "none.png"])


def test_what_exists_is_replaced_only_when_asked_and_then_named(tmp_path: Path) -> None:
    old, new, broken_link = tmp_path / "old.json", tmp_path / "new.json", tmp_path / "link.json"
    write_text(old, "old")
    broken_link.symlink_to(tmp_path / "none")
    assert refuse_replacing([new], inputs=[old]) == []
    with pytest.raises(OutputError, match=r"old.json exists already") as caught:
        refuse_replacing([new, old])
    assert "--overwrite to replace it" in caught.value.hint
    with pytest.raises(OutputError, match=r"old.json and .*link.json exist already"):
        refuse_replacing([new, old, broken_link])
    with pytest.raises(OutputError, match="new.json is named for two outputs"):
        refuse_replacing([new, new])
    assert refuse_replacing([new, old, broken_link], overwrite=True) == [old, broken_link]
    with pytest.raises(OutputError, match="read in this call"):
        refuse_replacing([old], inputs=[old], overwrite=True)
    with pytest.raises(OutputError, match="is a folder"):
        refuse_replacing([tmp_path], overwrite=True)


def test_a_list_of_paths_names_the_first_few() -> None:
    paths = [Path(name) for name in "abcdef"]
    assert [listed(paths[:n]) for n in (0, 1, 2, 3, 6)] == [
        "nothing",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 3 more",
    ]
