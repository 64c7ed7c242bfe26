"""A bundle: a model with all that running it needs, in a folder or a .tar.gz, checked by hash when opened."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgekit.errors import DataError, ModelError, OutputError
from edgekit.files import CHUNK_BYTES, read_json, sha256_file
from edgekit.records import check_envelope

BUNDLE_NAME = "bundle.json"
BUNDLE_KIND = "bundle"  # of its schema
ARCHIVE_SUFFIX = ".tar.gz"
ARCHIVE_SUFFIXES = (ARCHIVE_SUFFIX, ".tgz")
REQUIRED_PARTS = ("model", "sidecar")
MAX_MEMBERS = 64
MAX_MEMBER_BYTES = 1 << 30
MAX_TOTAL_BYTES = 2 << 30  # unpacked; a bundle of a YOLO model has 10 to 100 MB
MAX_JSON_BYTES = 1 << 20
NEW_COPY_HINT = "copy the bundle here again, or make it again with edgekit deploy"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle: what it is ("model", "quantized", ...), its plain name, size and SHA-256."""

    part: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: every member was there, of its size and hash; `files` maps parts to paths in `folder`."""

    folder: Path
    name: str
    task: str
    march: str
    simulated: bool
    files: Mapping[str, Path]

    @property
    def model_path(self) -> Path:
        """The `.bin` for the board; its sidecar lies beside it and names the quantized graph."""
        return self.files["model"]

    @property
    def quantized_path(self) -> Path | None:
        """The integer graph, for runs without a board."""
        return self.files.get("quantized")


def is_bundle(path: Path) -> bool:
    """Return whether `path` looks like a bundle: a folder with bundle.json, or a .tar.gz."""
    path = Path(path)
    return (path / BUNDLE_NAME).is_file() or (path.is_file() and path.name.endswith(ARCHIVE_SUFFIXES))


def open_bundle(path: Path, *, unpack_to: Path | None = None) -> Bundle:
    """Open a bundle and check every member.

    Args:
        path: A folder or a .tar.gz, which is unpacked once, under its own hash.
        unpack_to: Where; None for the user's cache folder.

    Returns:
        The opened bundle.

    Raises:
        ModelError: A member is missing, changed or may not be in a bundle.
        OutputError: The archive cannot be unpacked for lack of room or rights.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise ModelError(f"{path} does not exist, expected a bundle folder or {ARCHIVE_SUFFIX}", hint="check the path")
    target = (unpack_to or cache_folder()) / f"{path.name.removesuffix(ARCHIVE_SUFFIX)}-{sha256_file(path)[:16]}"
    if target.is_dir():
        try:
            return _open_folder(target)
        except ModelError:
            shutil.rmtree(target, ignore_errors=True)  # our own copy was damaged: unpack again
    _unpack(path, target)
    return _open_folder(target)


def cache_folder() -> Path:
    """Return where archives are unpacked: $XDG_CACHE_HOME or ~/.cache, then edgekit/bundles."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "edgekit" / "bundles"


def is_plain_name(name: object) -> bool:
    """Return whether `name` is a file name that stays in its folder on every system."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 200
        and not name.startswith((".", "-"))
        and name.isprintable()
        and not any(c in name for c in "/\\:\0")
    )


def _open_folder(folder: Path) -> Bundle:
    record, members = _read_record(folder)
    for member in members:
        _check_member(folder, member)
    return Bundle(
        folder=folder,
        name=str(record.get("name", folder.name)),
        task=str(record.get("task", "")),
        march=str(record.get("march", "")),
        simulated=record.get("simulated") is True,
        files=MappingProxyType({member.part: folder / member.name for member in members}),
    )


def _read_record(folder: Path) -> tuple[Mapping[str, Any], list[Member]]:
    path = folder / BUNDLE_NAME
    if path.is_symlink():
        raise _refused(folder, f"{BUNDLE_NAME} is a link, expected a file")
    try:
        record = read_json(path, max_bytes=MAX_JSON_BYTES)
    except DataError as error:
        raise ModelError(error.message, hint=NEW_COPY_HINT) from error
    hint = "make the bundle again with edgekit deploy, or update edgekit"
    record = check_envelope(record, BUNDLE_KIND, f"{BUNDLE_NAME} of {folder}", hint=hint)
    return record, _members(folder, record.get("members"))


def _members(folder: Path, value: object) -> list[Member]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_MEMBERS:
        raise _refused(folder, f"{BUNDLE_NAME} lists no members, or more than {MAX_MEMBERS}")
    members = [_member(folder, item) for item in value]
    names, parts = [m.name for m in members], [m.part for m in members]
    if len(set(names)) != len(names) or len(set(parts)) != len(parts):
        raise _refused(folder, f"{BUNDLE_NAME} lists a member twice")
    missing = [part for part in REQUIRED_PARTS if part not in parts]
    if missing:
        raise _refused(folder, f"{BUNDLE_NAME} lists no {missing[0]}, without which nothing runs")
    if sum(member.bytes for member in members) > MAX_TOTAL_BYTES:
        raise _refused(folder, f"its members have more than {MAX_TOTAL_BYTES} bytes together")
    return members


def _member(folder: Path, item: object) -> Member:
    fields = dict(item) if isinstance(item, Mapping) else {}
    part, name, size, digest = (fields.get(key) for key in ("part", "name", "bytes", "sha256"))
    if not is_plain_name(name) or name == BUNDLE_NAME:
        raise _refused(folder, f"{BUNDLE_NAME} lists {str(name)[:80]!r}, expected a plain file name in the bundle")
    whole = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_MEMBER_BYTES
    is_hex = isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    if not isinstance(part, str) or not whole or not is_hex:
        raise _refused(folder, f"{BUNDLE_NAME} gives {name!r} no proper part, size and SHA-256")
    return Member(part, str(name), int(str(size)), str(digest))


def _check_member(folder: Path, member: Member) -> None:
    path = folder / member.name
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _refused(folder, f"its {member.part} {member.name!r} is a link or no plain file")
    if not path.exists():
        raise _refused(folder, f"its {member.part} {member.name!r} is missing")
    size = path.stat().st_size
    if size != member.bytes:
        raise _refused(folder, f"its {member.part} {member.name!r} has {size} bytes, expected {member.bytes}")
    if sha256_file(path) != member.sha256:
        raise _refused(folder, f"its {member.part} {member.name!r} was changed since the bundle was made")


def _unpack(archive: Path, target: Path) -> None:
    """Write the archive's files into a fresh folder, then rename it to `target`: whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=target.parent) as temporary:
            fresh = Path(temporary) / "bundle"
            fresh.mkdir()
            for name, stream in _archive_files(archive):
                _copy(stream, fresh / name)
            _open_folder(fresh)
            fresh.replace(target)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ModelError(f"{archive} is no whole {ARCHIVE_SUFFIX} ({error})", hint=NEW_COPY_HINT) from error
    except ModelError as error:
        raise ModelError(error.message.replace(str(fresh), str(archive)), hint=error.hint) from error
    except OSError as error:
        raise OutputError(
            f"{archive} cannot be unpacked to {target} ({error.strerror or error})",
            hint="free some disk space, set XDG_CACHE_HOME to another disk, or unpack it yourself and name the folder",
        ) from error


def _archive_files(archive: Path) -> Iterator[tuple[str, io.BufferedIOBase | Any]]:
    """Yield (name, stream) of every file; links, devices, sparse files, paths and excess are refused unread."""
    total = 0
    names: set[str] = set()
    with gzip.open(archive, "rb") as plain, tarfile.open(fileobj=_Bounded(plain), mode="r:") as tar:  # type: ignore[call-overload]
        for member in tar:
            if member.isdir():
                continue
            name = _inner_name(archive, member.name)
            total += member.size
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                raise _refused(archive, f"its member {name!r} is a link or no plain file")
            if member.size > MAX_MEMBER_BYTES or total > MAX_TOTAL_BYTES or len(names) >= MAX_MEMBERS + 1:
                raise _refused(archive, f"its member {name!r} makes it larger than any bundle")
            if name in names:
                raise _refused(archive, f"its member {name!r} is there twice")
            names.add(name)
            yield name, tar.extractfile(member)


def _inner_name(archive: Path, name: str) -> str:
    """Return the plain name of a member that lies at the top or in one folder; anything else is refused."""
    parts = [part for part in name.split("/") if part != "."]
    if not 1 <= len(parts) <= 2 or not all(map(is_plain_name, parts)):
        raise _refused(archive, f"its member {name[:80]!r} would leave the bundle's folder")
    return parts[-1]


def _copy(source: Any, target: Path) -> None:
    with target.open("xb") as stream:
        while block := source.read(CHUNK_BYTES):
            stream.write(block)


class _Bounded:
    """A stream that gives no more than a bundle may hold, in small pieces: tar headers can ask for gigabytes."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK_BYTES or self._stream.tell() > MAX_TOTAL_BYTES + (MAX_MEMBERS << 12):
            raise tarfile.ReadError("a header asks for more than any bundle has")
        return self._stream.read(size)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if position > MAX_TOTAL_BYTES + (MAX_MEMBERS << 12):
            raise tarfile.ReadError("a header points behind the end of any bundle")
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _refused(path: Path, why: str) -> ModelError:
    return ModelError(f"the bundle {path} is refused: {why}", hint=NEW_COPY_HINT)


def hashed_member(part: str, path: Path) -> Member:
    """Return the member that describes the file at `path`."""
    return Member(part, path.name, path.stat().st_size, sha256_file(path))
