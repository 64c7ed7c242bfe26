"""A bundle opens only whole and unchanged, and an archive never writes outside its own folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit import bundle as module
from edgekit.bundle import BUNDLE_NAME, cache_folder, is_bundle, is_plain_name, open_bundle
from edgekit.errors import EdgekitError, ModelError, OutputError
from edgekit.records import envelope

FILES = {"model": ("m.bin", b"model" * 100), "sidecar": ("m.json", b"{}"), "quantized": ("q.onnx", b"graph")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def record(**changes: Any) -> dict[str, Any]:
    members = [
        {"part": part, "name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for part, (name, data) in FILES.items()
    ]
    return {**envelope("bundle"), "name": "m", "task": "detect", "members": members, **changes}


def make_folder(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    for name, data in FILES.values():
        (folder / name).write_bytes(data)
    (folder / BUNDLE_NAME).write_text(json.dumps(record(**changes)))
    return folder


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def make_archive(path: Path, *extra: tuple[tarfile.TarInfo, bytes], top: str = "m/", whole: bool = True) -> Path:
    files = [*FILES.values(), (BUNDLE_NAME, json.dumps(record()).encode())] if whole else []
    with tarfile.open(path, "w:gz") as tar:
        for info, data in [*(entry(top + name, data) for name, data in files), *extra]:
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_folder_opens(tmp_path: Path) -> None:
    opened = open_bundle(make_folder(tmp_path / "m"))
    assert opened.model_path.read_bytes() == FILES["model"][1] and opened.quantized_path is not None
    assert (opened.name, opened.task, opened.simulated) == ("m", "detect", False)


@pytest.mark.parametrize("top", ["m/", "", "./", "./m/"])
def test_an_archive_opens_and_is_unpacked_once(tmp_path: Path, top: str) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", top=top)
    opened = open_bundle(archive)
    assert opened.folder.parent == cache_folder() and opened.files["quantized"].read_bytes() == b"graph"
    inode = opened.folder.stat().st_ino
    assert open_bundle(archive).folder.stat().st_ino == inode


def test_a_damaged_copy_in_the_cache_is_unpacked_again(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "m.tar.gz")
    open_bundle(archive).model_path.write_bytes(b"changed")
    assert open_bundle(archive).model_path.read_bytes() == FILES["model"][1]


def test_where_it_is_unpacked_can_be_said(tmp_path: Path) -> None:
    opened = open_bundle(make_archive(tmp_path / "m.tar.gz"), unpack_to=tmp_path / "here")
    assert opened.folder.parent == tmp_path / "here" and opened.folder.name.startswith("m-")


def test_what_looks_like_a_bundle(tmp_path: Path) -> None:
    assert is_bundle(make_folder(tmp_path / "m")) and is_bundle(make_archive(tmp_path / "m.tar.gz"))
    assert not is_bundle(tmp_path) and not is_bundle(tmp_path / "no.tar.gz")


def test_other_files_in_a_folder_are_no_harm(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "results.json").write_text("{}")
    assert "model" in open_bundle(folder).files


def test_a_changed_member(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "m.bin").write_bytes(FILES["model"][1].upper())
    with pytest.raises(ModelError, match=r"'m\.bin' was changed"):
        open_bundle(folder)


def test_a_member_of_another_size(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "m.bin").write_bytes(b"short")
    with pytest.raises(ModelError, match=r"has 5 bytes, expected 500"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["m.bin", "m.json", "q.onnx", BUNDLE_NAME])
def test_a_missing_member(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["m.bin", BUNDLE_NAME])
def test_a_link_in_a_folder(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="is a link"):
        open_bundle(folder)


def with_member(**changes: Any) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = record()["members"]
    return [{**members[0], **changes}, *members[1:]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "edgekit.model/1"}, "is of schema 'edgekit.model/1', expected edgekit.bundle/1"),
        ({"schema": "edgekit.bundle/2"}, "schema 'edgekit.bundle/2', expected edgekit.bundle/1"),
        ({"schema": None}, "is no document of this edgekit"),
        ({"members": []}, "no members"),
        ({"members": "all"}, "no members"),
        ({"members": [7]}, "plain file name"),
        ({"members": record()["members"][1:]}, "lists no model"),
        ({"members": record()["members"][:1] * 2}, "twice"),
        ({"members": record()["members"] * 40}, "more than 64"),
        ({"members": with_member(name="../m.bin")}, "plain file name"),
        ({"members": with_member(name="/etc/passwd")}, "plain file name"),
        ({"members": with_member(name="a\\b")}, "plain file name"),
        ({"members": with_member(name=BUNDLE_NAME)}, "plain file name"),
        ({"members": with_member(name="")}, "plain file name"),
        ({"members": with_member(name=["m.bin"])}, "plain file name"),
        ({"members": with_member(bytes=-1)}, "size"),
        ({"members": with_member(bytes=1 << 40)}, "size"),
        ({"members": with_member(bytes=True)}, "size"),
        ({"members": with_member(bytes="500")}, "size"),
        ({"members": with_member(sha256="x" * 64)}, "SHA-256"),
        ({"members": with_member(sha256=None)}, "SHA-256"),
        ({"members": with_member(part=None)}, "part"),
    ],
)
def test_a_record_that_is_wrong(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        open_bundle(make_folder(tmp_path / "m", **changes))


def test_a_record_that_is_no_json(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    for text in ("", "{", "[" * 100_000, "7"):
        (folder / BUNDLE_NAME).write_text(text)
        with pytest.raises(ModelError):
            open_bundle(folder)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (entry("../evil", b"x"), "leave the bundle's folder"),
        (entry("m/../../evil", b"x"), "leave the bundle's folder"),
        (entry("/evil", b"x"), "leave the bundle's folder"),
        (entry("m/deep/evil", b"x"), "leave the bundle's folder"),
        (entry("m/a\\evil", b"x"), "leave the bundle's folder"),
        (entry("m/.hidden", b"x"), "leave the bundle's folder"),
        (entry("m/link", kind=tarfile.SYMTYPE, link="/etc/passwd"), "is a link"),
        (entry("m/hard", kind=tarfile.LNKTYPE, link="m/m.bin"), "is a link"),
        (entry("m/device", kind=tarfile.CHRTYPE), "no plain file"),
        (entry("m/pipe", kind=tarfile.FIFOTYPE), "no plain file"),
        (entry("m/m.bin", b"x"), "twice"),
    ],
    ids=["up", "inside up", "root", "deep", "backslash", "hidden", "symlink", "hard link", "device", "pipe", "twice"],
)
def test_an_archive_that_would_escape(tmp_path: Path, extra: tuple[tarfile.TarInfo, bytes], words: str) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", extra)
    with pytest.raises(ModelError, match=words) as caught:
        open_bundle(archive, unpack_to=tmp_path / "to")
    assert str(archive) in caught.value.message
    assert list((tmp_path / "to").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"m.tar.gz", "to"}


def test_folders_in_an_archive_are_no_harm(tmp_path: Path) -> None:
    assert open_bundle(make_archive(tmp_path / "m.tar.gz", entry("m", kind=tarfile.DIRTYPE))).files


def bomb(path: Path, name: str, size: int, kind: bytes = tarfile.REGTYPE) -> Path:
    """An archive whose one member claims `size` bytes; nearly nothing of it is there."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)))
    return path


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_member_or_header_that_claims_gigabytes(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(ModelError):
        open_bundle(bomb(tmp_path / "m.tar.gz", "m/big", 6 << 30, kind))


def test_zeros_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small archive of a large member: refused by the size that it names, before a byte is written."""
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 1 << 20)
    archive = make_archive(tmp_path / "m.tar.gz", entry("m/zeros", bytes(5 << 20)))
    assert archive.stat().st_size < 100_000
    with pytest.raises(ModelError, match="larger than any bundle"):
        open_bundle(archive, unpack_to=tmp_path / "to")


def test_many_members(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", *(entry(f"m/{i}") for i in range(100)))
    with pytest.raises(ModelError, match="larger than any bundle"):
        open_bundle(archive)


def test_an_archive_without_record(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", entry("m/x", b"x"), whole=False)
    with pytest.raises(ModelError, match=r"bundle\.json"):
        open_bundle(archive)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), byte=st.integers(0, 255), flip=st.booleans())
def test_a_damaged_archive_is_refused_or_whole(tmp_path: Path, cut: float, byte: int, flip: bool) -> None:
    whole = make_archive(tmp_path / "m.tar.gz").read_bytes()
    at = int(cut * (len(whole) - 1))
    damaged = whole[:at] + bytes([byte]) + whole[at + 1 :] if flip else whole[:at]
    path = tmp_path / "d.tar.gz"
    path.write_bytes(damaged)
    try:
        opened = open_bundle(path)
    except EdgekitError:
        return
    assert all(path.read_bytes() == data for (_, data), path in zip(FILES.values(), opened.files.values(), strict=True))


@pytest.mark.parametrize("make", [lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"text"), lambda p: None])
def test_what_is_no_archive(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "m.tar.gz"
    make(path)
    with pytest.raises(ModelError):
        open_bundle(path)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_copy", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        open_bundle(make_archive(tmp_path / "m.tar.gz"), unpack_to=tmp_path / "to")
    assert "XDG_CACHE_HOME" in caught.value.hint and list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "plain"),
    [("m.bin", True), ("ü 1.json", True), ("..", False), (".x", False), ("-x", False), ("a/b", False), ("a:b", False),
     ("a\n", False), ("", False), ("x" * 201, False), (7, False)],
)  # fmt: skip
def test_plain_names(name: object, plain: bool) -> None:
    assert is_plain_name(name) is plain
