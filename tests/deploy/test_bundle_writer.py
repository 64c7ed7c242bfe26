"""A written bundle opens, is the same every time, replaces an older one, and never anything else."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from edgekit.bundle import BUNDLE_NAME, open_bundle
from edgekit.deploy.bundle_writer import write_bundle
from edgekit.errors import ModelError, OutputError
from tests.compilation.toolchain.stand_in import small_spec


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "build"
    folder.mkdir()
    made = {"model": folder / "m.bin", "sidecar": folder / "m.json", "labels": folder / "labels.txt"}
    for path in made.values():
        path.write_text(path.name)
    return made


def test_folder_and_archive_open_to_the_same(tmp_path: Path, parts: dict[str, Path]) -> None:
    written = write_bundle(tmp_path / "out" / "b", parts, small_spec(march="bayes-e"))
    for location in (written.folder, written.archive):
        opened = open_bundle(location, unpack_to=tmp_path / "unpacked")
        assert {part: path.read_text() for part, path in opened.files.items()} == {
            part: path.name for part, path in parts.items()
        }
        assert (opened.name, opened.task, opened.march) == ("b", "segment", "bayes-e")


def test_the_same_parts_give_the_same_bytes(tmp_path: Path, parts: dict[str, Path]) -> None:
    one = write_bundle(tmp_path / "1" / "b", parts, small_spec())
    parts["model"].touch()
    two = write_bundle(tmp_path / "2" / "b", dict(reversed(parts.items())), small_spec())
    assert one.archive.read_bytes() == two.archive.read_bytes()
    with tarfile.open(one.archive) as tar:
        assert tar.getnames() == sorted(tar.getnames()) and {info.mtime for info in tar} == {0}


def test_an_older_bundle_is_replaced_whole(tmp_path: Path, parts: dict[str, Path]) -> None:
    write_bundle(tmp_path / "b", parts, small_spec())
    del parts["labels"]
    parts["model"].write_text("newer")
    written = write_bundle(tmp_path / "b", parts, small_spec())
    assert {path.name for path in written.folder.iterdir()} == {BUNDLE_NAME, "m.bin", "m.json"}
    assert open_bundle(written.folder).model_path.read_text() == "newer"
    assert {path.name for path in tmp_path.iterdir()} == {"b", "b.tar.gz", "build"}


def test_other_things_are_never_overwritten(tmp_path: Path, parts: dict[str, Path]) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not empty and holds no bundle"):
        write_bundle(tmp_path / "b", parts, small_spec())
    assert (tmp_path / "b" / "thesis.txt").read_text() == "precious"
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        write_bundle(tmp_path / "file", parts, small_spec())


def test_what_others_put_beside_an_older_bundle_is_never_lost(tmp_path: Path, parts: dict[str, Path]) -> None:
    written = write_bundle(tmp_path / "b", parts, small_spec())
    (written.folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds .*notes.txt besides an older bundle"):
        write_bundle(tmp_path / "b", parts, small_spec())
    assert (written.folder / "notes.txt").read_text() == "mine"
    (tmp_path / "c.tar.gz").write_text("mine")
    with pytest.raises(OutputError, match="c.tar.gz exists already and holds no bundle"):
        write_bundle(tmp_path / "c", parts, small_spec())
    assert (tmp_path / "c.tar.gz").read_text() == "mine"
    shutil.copy(written.archive, tmp_path / "d.tar.gz")  # as a call that was killed before its folder leaves it
    write_bundle(tmp_path / "d", parts, small_spec())


@pytest.mark.parametrize("name", ["b.tar.gz", ".b", "a:b"])
def test_a_name_that_is_no_folder_name(tmp_path: Path, parts: dict[str, Path], name: str) -> None:
    with pytest.raises(OutputError, match="plain folder name"):
        write_bundle(tmp_path / name, parts, small_spec())


def test_parts_that_cannot_be_in_a_bundle(tmp_path: Path, parts: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="is missing"):
        write_bundle(tmp_path / "b", {**parts, "quantized": tmp_path / "no"}, small_spec())
    with pytest.raises(ModelError, match="no other part has"):
        write_bundle(tmp_path / "b", {**parts, "quantized": parts["model"]}, small_spec())
    with pytest.raises(ModelError, match="lists no sidecar"):
        write_bundle(tmp_path / "b", {"model": parts["model"]}, small_spec())
    assert not (tmp_path / "b").exists() and not (tmp_path / "b.tar.gz").exists()


def test_a_full_disk_keeps_the_older_bundle(
    tmp_path: Path, parts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = write_bundle(tmp_path / "b", parts, small_spec())
    kept = older.archive.read_bytes()
    parts["model"].write_text("newer")

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        write_bundle(tmp_path / "b", parts, small_spec())
    assert older.archive.read_bytes() == kept and open_bundle(older.folder).model_path.read_text() == "m.bin"
    assert {path.name for path in tmp_path.iterdir()} == {"b", "b.tar.gz", "build"}
