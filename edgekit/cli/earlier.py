"""Folders that hold the results of an earlier call: those may be replaced, files of others only when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import DataError
from edgekit.files import is_file, is_folder, read_json, refuse_replacing
from edgekit.spec import sidecar_path


def refuse_others_files(
    outputs: Iterable[Path],
    *,
    record: Path,
    is_record: Callable[[Mapping[str, Any]], bool],
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> list[Path]:
    """Refuse to replace what no earlier call of the same command wrote, and what this one reads.

    Args:
        outputs: Every file that the command will write.
        record: The JSON file among them by which earlier results are known.
        is_record: Whether an object in it is such a record.
        inputs: Every file that it reads.
        overwrite: Whether the user gave --overwrite.

    Returns:
        The files of others that will be replaced.

    Raises:
        OutputError: as `refuse_replacing` does.
    """
    is_earlier = is_file(record) and _holds(record, is_record)
    existing = refuse_replacing(outputs, inputs=inputs, overwrite=overwrite or is_earlier)
    return [] if is_earlier else existing


def with_sidecars(models: Iterable[Path | None]) -> list[Path]:
    """The models that were given, and the sidecars that are read with them."""
    return [path for model in models if model is not None for path in (model, sidecar_path(model))]


def files_of(source: Path | None) -> list[Path]:
    """A source of images: the file itself, or all files below the folder."""
    if source is None:
        return []
    return [path for path in source.rglob("*") if path.is_file()] if is_folder(source) else [source]


def _holds(path: Path, is_record: Callable[[Mapping[str, Any]], bool]) -> bool:
    try:
        value = read_json(path)
    except DataError:
        return False
    return isinstance(value, dict) and is_record(value)
