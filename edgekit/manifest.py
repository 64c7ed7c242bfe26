"""manifest.json of a work folder: the SHA-256 of each of its files, and whether they are still the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.artifacts import MANIFEST_NAME
from edgekit.errors import DataError
from edgekit.files import is_file, read_json, sha256_file
from edgekit.text import shorten


def check_manifest(folder: Path) -> None:
    """Check the files of a work folder against its `manifest.json`; without one nothing is checked.

    The yaml may differ: editing it is how a build is tuned.

    Args:
        folder: The folder of the yaml.

    Raises:
        DataError: If a file is missing or not the recorded one.
    """
    path = folder / MANIFEST_NAME
    if not is_file(path):
        return
    for name, digest in recorded_hashes(read_json(path), path).items():
        if name.endswith((".yaml", ".yml")):
            continue
        file = folder / name
        if not is_unchanged(file, digest):
            state = "has changed since" if is_file(file) else "is missing, though"
            raise DataError(
                f"{file} {state} edgekit calibrate wrote it, expected the file recorded in {MANIFEST_NAME}",
                hint="run edgekit calibrate again, or remove manifest.json to compile the folder as it is",
            )


def is_unchanged(path: Path, digest: str) -> bool:
    """Return whether a file has a recorded SHA-256.

    Args:
        path: The file; names that no file can have are allowed.
        digest: The SHA-256 in hex digits.

    Returns:
        False if there is no such file, or it cannot be read.
    """
    try:
        return is_file(path) and sha256_file(path) == digest
    except OSError:
        return False


def recorded_hashes(manifest: object, path: Path) -> dict[str, str]:
    """Read the names and SHA-256 of a manifest's files.

    Args:
        manifest: The parsed JSON; its "files" are a mapping or a list of objects with "name" and "sha256".
        path: Where the manifest lies, for messages.

    Returns:
        File name, relative to the folder of the manifest -> SHA-256.

    Raises:
        DataError: If an entry is no file inside the folder with its SHA-256.
    """
    files: Any = manifest.get("files") if isinstance(manifest, Mapping) else None
    pairs: list[tuple[Any, Any]] = list(files.items()) if isinstance(files, Mapping) else []
    if isinstance(files, list):
        pairs = [(f.get("name"), f.get("sha256")) if isinstance(f, Mapping) else (f, None) for f in files]
    for name, digest in pairs:
        inside = isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts
        if not inside or not isinstance(digest, str):
            raise DataError(
                f"{path} records {shorten(name)}, expected a file inside the folder with its SHA-256",
                hint="run edgekit calibrate again",
            )
    return dict(pairs)
