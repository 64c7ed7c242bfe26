"""Files that are written whole or not at all, and their fingerprints."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgekit.errors import OutputError
from edgekit.text import read_json_file

CHUNK_BYTES = 1 << 20
WRITE_HINT = "free some disk space or choose another place with -o"
UNENCODABLE = "backslashreplace"  # for streams of JSON, too: names of files need not be UTF-8
SHOWN_STEM = 32  # characters of a file's stem in the name of its temporary file
TEMPORARY = re.compile(r"\..{0,32}\.[a-z0-9_]{8}\.part(\.[^.]*)?", re.DOTALL)  # as `atomic_path` names them
UMASK = os.umask(0)  # it can only be read by setting it; once at import, before any thread runs
os.umask(UMASK)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it on success, remove it on any failure.

    The temporary name keeps the suffix, since image and video writers choose their format by it.

    Args:
        path: The file; its folder is made if it is missing.

    Yields:
        Where to write.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # the stem cut short: together with what is added it must not pass the 255 bytes of a name
        prefix = f".{path.stem[:SHOWN_STEM]}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=f".part{path.suffix}", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o666 & ~UMASK)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path, *, hint: str = WRITE_HINT) -> Iterator[None]:
    """Turn what the system refuses inside the block into an OutputError that names `path`.

    A broken pipe passes: it is no file's doing, the reader of standard output has gone.

    Args:
        path: The file or folder that is written.
        hint: The way out.

    Raises:
        OutputError: The system refused to write.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error})", hint=hint) from error


def is_temporary(path: Path) -> bool:
    """Return whether the name is that of a file which `atomic_path` began and a killed process left."""
    return TEMPORARY.fullmatch(path.name) is not None


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with plain line ends, whole or not at all.

    What UTF-8 has no bytes for (half of a surrogate pair: a byte of a name that is no UTF-8) becomes \\udcXX, which
    JSON reads back.
    """
    write_bytes(path, text.encode(errors=UNENCODABLE))


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with a final newline, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def json_line(value: object, *, finite: bool = False) -> bytes:
    """Encode one row of JSON lines.

    Args:
        value: Plain JSON values.
        finite: Whether NaN and infinity are refused, which JSON has no words for.

    Returns:
        The row as UTF-8 with its line end.

    Raises:
        ValueError, TypeError: The value is no JSON value.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=not finite)
    return text.encode(errors=UNENCODABLE) + b"\n"


def whole_lines(path: Path) -> list[bytes]:
    """Read JSON lines that a killed process may have left.

    Args:
        path: The file.

    Returns:
        The lines that are whole, without their line ends; none where there is no file.

    Raises:
        OSError: The file cannot be read.
    """
    return Path(path).read_bytes().split(b"\n")[:-1] if is_file(path) else []


def read_json(path: Path, *, max_bytes: int = 64 << 20) -> object:
    """Read a JSON file; raises DataError if it is missing, too large or no JSON."""
    return read_json_file(Path(path), max_bytes=max_bytes, finite=False)  # fields are named by their readers


def is_file(path: Path) -> bool:
    """Return whether `path` is a file; False, where `Path.is_file` raises, for names that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether `path` is a folder; False for names that no folder can have."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def resolved(path: Path) -> Path:
    """Return `path` made absolute, links followed as far as they lead somewhere."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError):  # RuntimeError: links that go in circles
        return Path(path).absolute()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits, read in pieces."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class ReadFiles:
    """The files that a call reads, and the check that none of them is written.

    Files are the same where their resolved paths are, or their inodes (hard links, file systems without case).
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known: dict[object, Path] = {}
        for path in paths:
            for identity in _identities(path):
                self._known.setdefault(identity, path)

    def refuse(self, output: Path) -> None:
        """Raise OutputError where `output` is one of the files."""
        source = next((self._known[identity] for identity in _identities(output) if identity in self._known), None)
        if source is not None:
            raise OutputError(
                f"{output} would replace {source}, which is read in this call",
                hint="choose another place with -o; --overwrite never replaces what is read",
            )


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what is read: raise OutputError where one of `outputs` is one of `inputs`."""
    read = ReadFiles(inputs)
    for path in outputs:
        read.refuse(path)


def refuse_replacing(outputs: Iterable[Path], *, inputs: Iterable[Path] = (), overwrite: bool = False) -> list[Path]:
    """Refuse to replace what exists unasked, and what is read at all; both before any work is done.

    Args:
        outputs: Every file that the command will write, sidecars included.
        inputs: Every file that it reads.
        overwrite: Whether the user gave --overwrite.

    Returns:
        The outputs that exist and will be replaced.

    Raises:
        OutputError: where an output is an input, is named twice, is a folder, or exists and `overwrite` is not given.
    """
    outputs = list(map(Path, outputs))
    twice = next((path for path, count in Counter(outputs).items() if count > 1), None)
    if twice is not None:
        raise OutputError(f"{twice} is named for two outputs, expected a file each", hint="choose another name for one")
    refuse_inputs(outputs, inputs)
    existing = [path for path in outputs if os.path.lexists(path)]
    folder = next((path for path in existing if is_folder(path)), None)
    if folder is not None:
        raise OutputError(f"{folder} is a folder, expected the name of a file", hint="choose another name with -o")
    if existing and not overwrite:
        raise OutputError(
            f"{listed(existing)} exist{'s' * (len(existing) == 1)} already",
            hint="choose another name with -o, or add --overwrite to replace "
            + ("it" if len(existing) == 1 else "them"),
        )
    return existing


def listed(paths: Sequence[Path], shown: int = 3) -> str:
    """Join the first few of some paths in one phrase: "a.json, b.json and 4 more"."""
    names = [str(path) for path in paths]
    if len(names) > shown:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "nothing"


def _identities(path: Path) -> list[object]:
    """Return what a file is known by: its resolved path and, if it exists, its device and inode."""
    identities: list[object] = []
    with contextlib.suppress(OSError, ValueError):  # names that no file can have
        identities.append(os.path.realpath(path))
        status = os.stat(path)  # noqa: PTH116
        identities.append((status.st_dev, status.st_ino))
    return identities
