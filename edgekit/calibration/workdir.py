"""A work folder's memory: whose it is, how far it came, and when it is done.

While work goes on, `.edgekit-calibrate.json` holds the request, the selection and the files written so far;
the last step writes `manifest.json` and removes it. Neither holds a time or the folder's own path, so that
the same call gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgekit.artifacts import MANIFEST_NAME
from edgekit.calibration.checks import Warned
from edgekit.calibration.features import ImageStats
from edgekit.calibration.select import Chosen, Dropped, Selection
from edgekit.data.image_source import Image
from edgekit.errors import DataError, ModelError, OutputError
from edgekit.files import read_json, write_json
from edgekit.folder_lock import LOCK_NAMES, has_only_locks
from edgekit.records import envelope, from_json
from edgekit.text import check_integer, check_number, shorten

STATE_NAME, STATE_KIND = ".edgekit-calibrate.json", "calibration-state"
SAVE_EVERY = 8  # files between two savings of the state; a killed run writes at most these again


@dataclass(slots=True)
class Work:
    """The unfinished work in one folder. Changes are kept in memory until `save`."""

    folder: Path
    request: Mapping[str, Any]
    selection: Selection | None = None
    written: dict[str, str] = field(default_factory=dict)

    def note_written(self, name: str, sha256: str) -> None:
        """Record a written calibration file and its hash; saves every `SAVE_EVERY` files."""
        self.written[name] = sha256
        if len(self.written) % SAVE_EVERY == 0:
            self.save()

    def save(self) -> None:
        """Write the state file, from which an interrupted run resumes."""
        selection = selection_to_dict(self.selection) if self.selection else None
        state = {**envelope(STATE_KIND), "request": self.request, "selection": selection, "written": self.written}
        write_json(self.folder / STATE_NAME, state)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest and forgets the state."""
        write_json(self.folder / MANIFEST_NAME, manifest)
        (self.folder / STATE_NAME).unlink(missing_ok=True)


def open_work(folder: Path, request: Mapping[str, Any]) -> Work:
    """The work of `request` in `folder`: new in an empty one, else where it was left.

    Raises OutputError where the folder holds something else.
    """
    state, manifest = folder / STATE_NAME, folder / MANIFEST_NAME
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, expected a folder", hint="choose another place with -o")
    for path in (state, manifest):
        if path.is_file():
            return _resumed(folder, request, path)
    if folder.is_dir() and not has_only_locks(folder):
        first = min(path.name for path in folder.iterdir() if not path.match(LOCK_NAMES))
        raise OutputError(
            f"{folder} is not empty (it holds {first}), expected an empty or a new folder",
            hint="choose another place with -o, or empty it yourself",
        )
    return Work(folder, request)


def selection_to_dict(selection: Selection) -> dict[str, Any]:
    """`selection` as plain JSON values."""
    return {
        "offered": selection.offered,
        "looked_at": selection.looked_at,
        "chosen": [
            {
                "path": str(item.image.path),
                "name": item.image.name,
                "frame": item.image.frame,
                "nearest_rms": item.nearest_rms,
                "stats": asdict(item.stats),
            }
            for item in selection.chosen
        ],
        "dropped": [asdict(item) for item in selection.dropped],
    }


def warned_to_dict(warnings: tuple[Warned, ...]) -> list[dict[str, str]]:
    """Return warnings as plain JSON values."""
    return [asdict(item) for item in warnings]


def _resumed(folder: Path, request: Mapping[str, Any], path: Path) -> Work:
    """What `path` (the state or the manifest) remembers, if it is of the same request."""
    try:
        data: Any = read_json(path)
        known = data["request"]
        same = known == dict(request)
        selection = _selection_of(data["selection"]) if same and data["selection"] else None
        written = _written_of(data) if same else {}
    except (DataError, ModelError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{path} cannot be read as what edgekit calibrate wrote there",
            hint="choose another place with -o, or empty the folder yourself",
        ) from error
    if not same:
        raise OutputError(
            f"{folder} holds the set of another call ({_difference(known, request)})",
            hint="choose another place with -o, or empty the folder yourself",
        )
    return Work(folder, request, selection, written)


def _difference(known: object, request: Mapping[str, Any]) -> str:
    """The first argument that differs, for the error."""
    if not isinstance(known, dict):
        return "no request in it"
    for name, value in request.items():
        if known.get(name) != value:
            return f"{name} was {_short(known.get(name))}, now {_short(value)}"
    return "other arguments"


def _short(value: object) -> str:
    text = shorten(value, 1000)
    return text if len(text) <= 60 else text[:28] + "..." + text[-28:]


def _selection_of(data: Mapping[str, Any]) -> Selection:
    chosen = tuple(
        Chosen(
            Image(Path(item["path"]), str(item["name"]), check_integer(item["frame"], "frame", low=-1)),
            from_json(ImageStats, item["stats"], "stats"),
            check_number(item["nearest_rms"], "nearest_rms"),
        )
        for item in data["chosen"]
    )
    dropped = tuple(from_json(Dropped, item, "dropped") for item in data["dropped"])
    offered, looked_at = (check_integer(data[name], name, low=0) for name in ("offered", "looked_at"))
    return Selection(chosen, dropped, offered, looked_at)


def _written_of(data: Mapping[str, Any]) -> dict[str, str]:
    if "written" in data:
        return {str(name): str(sha) for name, sha in data["written"].items()}
    return {str(entry["name"]).rpartition("/")[2]: str(entry["sha256"]) for entry in data["files"]}
