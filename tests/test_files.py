from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import DataError, OutputError
from edgekit.files import atomic_path, read_json, sha256_file, write_json, write_text


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
    with pytest.raises(DataError, match="over 4 bytes, expected at most that"):
        read_json(tmp_path / "x.json", max_bytes=4)
