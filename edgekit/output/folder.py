"""The folder of one run: nothing that is read or that others made is replaced, and a killed run can start again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from edgekit.errors import OutputError
from edgekit.files import ReadFiles, is_folder, is_temporary, refuse_replacing

MARKER = ".edgekit_run"  # there while a run goes on: the process's number, then what it has written, line by line


class RunFolder:
    """Hands out the paths of a run's outputs; each is checked before it is written."""

    def __init__(
        self,
        folder: Path,
        inputs: Iterable[Path] = (),
        *,
        marker: TextIO | None = None,
        own: Iterable[Path] = (),
        replaced: Iterable[Path] = (),
    ) -> None:
        """Open a run's folder.

        Args:
            folder: The output folder.
            inputs: Every file that the run reads.
            marker: The open marker file, which names what is written.
            own: Files that a killed run left.
            replaced: Files of others that will be replaced, as far as they are known.
        """
        self.folder = folder
        self.replaced = list(replaced)
        self._read = ReadFiles(inputs)
        self._marker = marker
        self._known = {*own, *self.replaced}

    def take(self, name: str) -> Path:
        """Return the path of the output `name`, and note that this run writes it and what it replaces.

        Raises:
            OutputError: where that file is read in this call.
        """
        path = self.folder / name
        self._read.refuse(path)
        if path not in self._known and os.path.lexists(path):
            self.replaced.append(path)
        self._known.add(path)
        if self._marker is not None:
            self._marker.write(f"{name}\n")
            self._marker.flush()
        return path


@contextlib.contextmanager
def run_folder(
    folder: Path, *, inputs: Sequence[Path] = (), planned: Iterable[str] = (), overwrite: bool = False
) -> Iterator[RunFolder]:
    """Hold the folder of a run until the block ends.

    Args:
        folder: The output folder; it is made with the first output.
        inputs: Every file that the run reads.
        planned: The names of the outputs that are known beforehand.
        overwrite: Whether the user gave --overwrite.

    Yields:
        The folder; its `replaced` names the files of others that the run will replace (with `overwrite` alone).

    Raises:
        OutputError: An output is an input, the folder is in use, or it holds what no killed run left there and
            `overwrite`
            is not set.
    """
    if os.path.lexists(folder) and not is_folder(folder):
        raise OutputError(f"{folder} is a file, expected a folder", hint="give -o another name")
    names = list(planned)
    existing = refuse_replacing([folder / name for name in names], inputs=inputs, overwrite=True)
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = (folder / MARKER).open("a+", encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"{folder} cannot be written ({why})", hint="choose another folder with -o") from error
    with marker:
        _hold(marker, folder)
        ended = True
        try:
            left = _left_by_killed_run(marker)
            own = {folder / name for name in left}
            foreign = next(_files_of_others(folder, own), None)
            if foreign is not None and not overwrite:
                raise OutputError(
                    f"{folder} is not empty (it holds {foreign.relative_to(folder)})",
                    hint="choose another folder with -o, or add --overwrite to replace files of the same names",
                )
            if left:
                _remove_temporary(folder)
            _begin(marker, left)
            replaced = [path for path in existing if path not in own]
            yield RunFolder(folder, inputs, marker=marker, own=own, replaced=replaced)
        except KeyboardInterrupt:  # broken off: what is there may be replaced by the next run, as after a kill
            ended = not any(os.path.lexists(folder / name) for name in _left_by_killed_run(marker))
            raise
        finally:
            if ended:
                (folder / MARKER).unlink(missing_ok=True)
            for path in made:  # what was made for nothing goes again
                with contextlib.suppress(OSError):
                    path.rmdir()


def _hold(marker: TextIO, folder: Path) -> None:
    """Lock the marker for this process; raises OutputError naming the process that holds it."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock; there two runs in one folder are not noticed
        return
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        marker.seek(0)
        number = marker.readline().strip()[:20]
        holder = f"process {number}" if number.isdecimal() else "another process"
        raise OutputError(
            f"{folder} is in use by {holder}", hint="wait until it is done, or choose another folder with -o"
        ) from error


def _left_by_killed_run(marker: TextIO) -> list[str]:
    """Return the outputs that the marker lists; a run that ended by itself leaves no marker."""
    marker.seek(0)
    return [line for line in marker.read().split("\n")[1:] if line]


def _begin(marker: TextIO, left: Sequence[str]) -> None:
    marker.seek(0)
    marker.truncate()
    marker.write(f"{os.getpid()}\n" + "".join(f"{name}\n" for name in left))
    marker.flush()


def _files_of_others(folder: Path, own: set[Path]) -> Iterator[Path]:
    """Yield everything below the folder that neither is in `own` nor was half-written by a killed run."""
    for path in folder.rglob("*"):
        is_folder = path.is_dir() and not path.is_symlink()
        if not (is_folder or path in own or path == folder / MARKER or is_temporary(path)):
            yield path


def _remove_temporary(folder: Path) -> None:
    for path in folder.rglob(".*.part*"):
        if is_temporary(path) and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()
