"""Writing a bundle: a folder with bundle.json and the same as a .tar.gz, byte for byte repeatable."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.bundle import (
    ARCHIVE_SUFFIX,
    BUNDLE_KIND,
    BUNDLE_NAME,
    MAX_MEMBER_BYTES,
    Member,
    hashed_member,
    is_plain_name,
    open_bundle,
)
from edgekit.errors import DataError, EdgekitError, ModelError, OutputError
from edgekit.files import atomic_path, is_file, listed, read_json, write_json, writing
from edgekit.records import envelope
from edgekit.spec import ModelSpec
from edgekit.version import __version__

COMPRESSION = 6  # weights hardly shrink: more costs time for nothing


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """Where a bundle lies: as a folder and as an archive."""

    folder: Path
    archive: Path
    members: tuple[Member, ...]


def write_bundle(folder: Path, parts: Mapping[str, Path], spec: ModelSpec) -> WrittenBundle:
    """Copy the parts of a bundle to a folder and pack it as .tar.gz beside it.

    Args:
        folder: The bundle; an older bundle there is replaced when the new one is whole.
        parts: File of each part, by the part's name.
        spec: The sidecar of the model.

    Returns:
        Folder, archive and hashes.

    Raises:
        OutputError: Something else lies there, or it cannot be written.
        ModelError: A part is missing.
    """
    folder = Path(folder)
    check_output(folder)
    _check_parts(parts)
    archive = folder.with_name(folder.name + ARCHIVE_SUFFIX)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            fresh = Path(temporary) / "bundle"
            fresh.mkdir()
            members = tuple(_copied(part, path, fresh) for part, path in sorted(parts.items()))
            write_json(fresh / BUNDLE_NAME, _record(folder.name, members, spec))
            open_bundle(fresh)  # what cannot be opened is not handed over
            _pack(fresh, folder.name, archive)
            _swap(fresh, folder)
    return WrittenBundle(folder, archive, members)


def check_output(folder: Path) -> None:
    """Raise OutputError where `folder` holds anything that is no bundle: it would be lost."""
    if not is_plain_name(folder.name) or folder.name.endswith(ARCHIVE_SUFFIX):
        raise OutputError(
            f"the bundle's name is {folder.name!r}, expected a plain folder name",
            hint="the archive gets the same name with .tar.gz",
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, expected a folder to make", hint="choose another name with -o")
    is_old = is_file(folder / BUNDLE_NAME)
    if folder.is_dir() and any(folder.iterdir()) and not is_old:
        raise OutputError(
            f"{folder} is not empty and holds no bundle, expected a new or empty folder",
            hint="choose another place with -o, or empty it",
        )
    others = sorted(path for path in folder.iterdir() if path.name not in _member_names(folder)) if is_old else []
    if others:
        raise OutputError(
            f"{folder} holds {listed(others)} besides an older bundle, which would be lost with it",
            hint="move them elsewhere, or choose another place with -o",
        )
    archive = folder.with_name(folder.name + ARCHIVE_SUFFIX)
    if os.path.lexists(archive) and not is_old and not _is_bundle(archive):
        raise OutputError(
            f"{archive} exists already and holds no bundle", hint="move it elsewhere, or choose another place with -o"
        )


def _member_names(folder: Path) -> set[str]:
    """The files that the record of a bundle names, and the record's own."""
    try:
        record = read_json(folder / BUNDLE_NAME)
    except DataError:
        return {BUNDLE_NAME}
    members = record.get("members") if isinstance(record, dict) else None
    named = members if isinstance(members, list) else []
    return {BUNDLE_NAME, *(str(entry.get("name")) for entry in named if isinstance(entry, dict))}


def _is_bundle(archive: Path) -> bool:
    try:
        open_bundle(archive)
    except EdgekitError:
        return False
    return True


def _check_parts(parts: Mapping[str, Path]) -> None:
    names = [path.name for path in parts.values()]
    for part, path in parts.items():
        if not path.is_file():
            raise ModelError(f"the bundle's {part} {path} is missing", hint="run edgekit compile again")
        if not is_plain_name(path.name) or path.name == BUNDLE_NAME or names.count(path.name) > 1:
            raise ModelError(
                f"the bundle's {part} has the name {path.name!r}, expected a plain one that no other part has",
                hint="give the model another output_model_file_prefix",
            )
        if path.stat().st_size > MAX_MEMBER_BYTES:
            raise ModelError(
                f"the bundle's {part} {path} has more than {MAX_MEMBER_BYTES} bytes",
                hint="a YOLO model has 2 to 100 MB: check that this is the file you mean",
            )


def _copied(part: str, path: Path, folder: Path) -> Member:
    copy = folder / path.name
    shutil.copyfile(path, copy)
    return hashed_member(part, copy)


def _record(name: str, members: tuple[Member, ...], spec: ModelSpec) -> dict[str, object]:
    return {
        **envelope(BUNDLE_KIND),
        "name": name,
        "task": spec.task,
        "march": spec.march,
        "simulated": spec.simulated,
        "tools": {"edgekit": __version__, **spec.tools},
        "members": [asdict(member) for member in members],
    }


def _pack(folder: Path, name: str, archive: Path) -> None:
    """The same files give the same archive: sorted, without times, owners and the archive's own name."""
    with (
        atomic_path(archive) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(folder.iterdir()):
            info = tarfile.TarInfo(f"{name}/{path.name}")
            info.size = path.stat().st_size
            info.mode = 0o644
            with path.open("rb") as stream:
                tar.addfile(info, stream)


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` where `folder` is; the older one goes with the temporary folder."""
    if folder.is_dir():
        folder.replace(fresh.with_name("older"))
    fresh.replace(folder)
