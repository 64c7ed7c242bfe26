"""NumPy's files: what is stored comes back, everything else is one error."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.array_files import read_array, read_arrays
from edgekit.errors import DataError

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def npy(values: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=pickled)
    return stream.getvalue()


def npz(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def larger_header(data: bytes) -> bytes:
    """The header promises 10^15 rows more than the file holds."""
    return data.replace(b"(2, 3, 4), }" + b" " * 15, b"(2000000000000000, 3, 4), }")


DAMAGED = {
    "empty": b"",
    "cut off": npy(VALUES)[:-5],
    "header cut off": npy(VALUES)[:40],
    "no magic": b"hello" * 40,
    "no tuple": npy(VALUES).replace(b"(2, 3, 4)", b"(2, 3, 4 "),
    "unclosed string": npy(VALUES).replace(b"'shape': ", b"'shape: "),
    "pickled": npy(np.array([{}, []], object), pickled=True),
    "larger": larger_header(npy(VALUES)),
}


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(VALUES))
    np.savez(tmp_path / "a.npz", first=VALUES, second=np.array("name"))
    values = read_array(tmp_path / "a.npy", hint="h")
    np.testing.assert_array_equal(values, VALUES)
    values += 1  # in memory: the file stays as it is
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy", hint="h"), VALUES)
    arrays = read_arrays(tmp_path / "a.npz", hint="h")
    assert list(arrays) == ["first", "second"]
    np.testing.assert_array_equal(arrays["first"], VALUES)
    assert str(arrays["second"]) == "name"


def test_the_larger_header_is_one() -> None:
    assert larger_header(npy(VALUES)) != npy(VALUES)


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_two_lines(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match="a.npy cannot be read as arrays") as caught:
        read_array(tmp_path / "a.npy", hint="save it again")
    assert caught.value.hint == "save it again"
    assert "unsafely" not in caught.value.message  # what numpy advises
    with pytest.raises(DataError, match="a.npz cannot be read as arrays") as caught:
        read_arrays(npz(tmp_path / "a.npz", [("a.npy", data)]), hint="h")
    assert "unsafely" not in caught.value.message


def test_an_archive_that_is_none_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npy(VALUES))
    with pytest.raises(DataError, match="cannot be read as arrays"):
        read_arrays(tmp_path / "a.npz", hint="h")


def test_files_that_are_too_large_are_refused_before_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(np.zeros(1000, np.uint8)))
    with pytest.raises(DataError, match="has 1128 bytes, expected at most 1000"):
        read_array(tmp_path / "a.npy", hint="h", max_bytes=1000)
    bomb = npz(tmp_path / "a.npz", [("a.npy", npy(np.zeros(1 << 20, np.uint8)))])
    assert bomb.stat().st_size < 5000
    with pytest.raises(DataError, match="1 arrays of 1048704 bytes unpacked, expected at most 16384 of 5000"):
        read_arrays(bomb, hint="h", max_bytes=5000)
    many = npz(tmp_path / "b.npz", [(f"{i}.npy", npy(0)) for i in range(5)])
    with pytest.raises(DataError, match="holds 5 arrays"):
        read_arrays(many, hint="h", max_arrays=4)


def test_an_archive_behind_other_bytes_is_read_as_zip_readers_do(tmp_path: Path) -> None:
    whole = npz(tmp_path / "a.npz", [("a.npy", npy(VALUES))])
    whole.write_bytes(b"\xef\xbb\xbf" + whole.read_bytes())
    np.testing.assert_array_equal(read_arrays(whole, hint="h")["a"], VALUES)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a.npy", "a"])
def test_a_name_twice_is_refused(tmp_path: Path, second: str) -> None:
    twice = npz(tmp_path / "a.npz", [("a.npy", npy(1)), (second, npy(2))])
    with pytest.raises(DataError, match="each name once"):
        read_arrays(twice, hint="h")


def test_members_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as arrays"):
        read_arrays(npz(tmp_path / "a.npz", [("a.npy", b"text")]), hint="h")
