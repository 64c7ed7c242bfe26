"""Raw frames and the heads that a device gave for them: written during a run, decoded again anywhere, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.array_files import read_arrays
from edgekit.decode.plan import DecodeOptions
from edgekit.errors import DataError, EdgekitError
from edgekit.files import atomic_path, is_folder, read_json, write_json
from edgekit.records import check_envelope, envelope, from_json
from edgekit.runtime.device import TensorInfo, Tensors, closed_error
from edgekit.runtime.pipeline import Done
from edgekit.runtime.session import Session
from edgekit.spec import ModelSpec, spec_from_dict, spec_to_dict
from edgekit.text import shorten

__all__ = ["RecordedFrame", "Recorder", "Recording", "open_recording", "recorded_session"]

KIND = "record"
HEADER_NAME = "record.json"
HEAD = "head:"  # before the names of heads in a frame's file
DEFAULT_MAX_BYTES = 4 << 30  # a frame of 640x480 with its heads has 1 to 6 MB
MAX_FRAME_BYTES = 1 << 30
MAX_ARRAYS = 70  # outputs of a model, and the frame's own
MAX_NAME = 4096
HINT = "record again; a file that was cut off can be removed"


class Recorder:
    """Writes a file per frame; stops, and says so, where the recording has grown to `max_bytes`."""

    def __init__(
        self,
        take: Callable[[str], Path],
        session: Session,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> None:
        """Write what all frames share.

        Args:
            take: Name of a file -> its path.
            session: The model that runs, whose heads and thresholds are recorded.
            max_bytes: How large the recording may grow.
            on_note: Takes what the user should know.
        """
        self._take, self._max_bytes, self._on_note = take, max_bytes, on_note
        self.bytes = self.frames = 0
        header = {
            **envelope(KIND),
            "device": session.device.kind,
            "options": asdict(session.options),
            "spec": spec_to_dict(session.spec),
        }
        write_json(take(HEADER_NAME), header)

    def add(self, done: Done) -> None:
        """Write a frame that `run_pipeline` gave with its heads."""
        if done.heads is None or self.bytes >= self._max_bytes:
            return
        path = self._take(f"{done.number:08d}.npz")
        arrays: dict[str, npt.NDArray[Any]] = {
            "bgr": done.frame.bgr,
            "name": np.array(done.frame.name),
            "input_sha256": np.array(done.input_sha256),
            **{HEAD + name: array for name, array in done.heads.items()},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
        self.bytes += path.stat().st_size
        self.frames += 1
        if self.bytes >= self._max_bytes:
            self._on_note(f"the recording has {self.bytes >> 20} MB after {self.frames} frames and ends here")


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFrame:
    """One frame as it was.

    Attributes:
        name: Its name in its source.
        number: Its number in its source.
        bgr: (h, w, 3) uint8.
        heads: What the device gave.
        input_sha256: The SHA-256 of what the device got.
    """

    name: str
    number: int
    bgr: npt.NDArray[np.uint8]
    heads: Tensors
    input_sha256: str

    def same_input(self, inputs: npt.NDArray[Any]) -> bool:
        """Return whether the frame prepared here is, to the bit, what the device got."""
        return hashlib.sha256(np.ascontiguousarray(inputs).data).hexdigest() == self.input_sha256


@dataclass(frozen=True, slots=True)
class Recording:
    """An opened recording: the model that ran, on what, with which thresholds, and its frames' files in order."""

    spec: ModelSpec
    options: DecodeOptions
    device: str
    paths: tuple[Path, ...]

    def frames(self) -> Iterator[RecordedFrame]:
        """Read every frame in order.

        Raises:
            DataError: Where a file is not such a frame.
        """
        return (_read_frame(path) for path in self.paths)


class _RecordedDevice:
    """Stands where the device was, so that sessions can decode; it computes nothing."""

    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def infer(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        raise closed_error()

    def close(self) -> None:
        """Nothing to give back."""


def open_recording(folder: Path) -> Recording:
    """Open a folder that `Recorder` filled.

    Raises:
        DataError: Where it is none.
    """
    location = f"{Path(folder) / HEADER_NAME}"
    header = check_envelope(read_json(Path(folder) / HEADER_NAME), KIND, location, error=DataError, hint=HINT)
    try:
        spec = spec_from_dict(header.get("spec"), location=f"{location}: spec")
        options = from_json(DecodeOptions, header.get("options"), f"{location}: options")
    except EdgekitError as error:
        raise DataError(error.message, hint=HINT) from error
    device = header.get("device")
    if not isinstance(device, str) or not device.isprintable() or len(device) > 40:
        raise DataError(f"{location}: device is {shorten(device)}, expected a device's kind", hint=HINT)
    paths = sorted(Path(folder).glob("*.npz")) if is_folder(folder) else []
    if not paths:
        raise DataError(f"{folder} holds no recorded frame, expected files ending in .npz", hint="record again")
    return Recording(spec, options, device, tuple(path for path in paths if path.stem.isdigit()))


def recorded_session(recording: Recording) -> Session:
    """Return a session that prepares and decodes as the recorded one did; it cannot infer."""
    return Session(recording.spec, _RecordedDevice(recording.device), recording.options)


def _read_frame(path: Path) -> RecordedFrame:
    arrays = read_arrays(path, hint=HINT, max_bytes=MAX_FRAME_BYTES, max_arrays=MAX_ARRAYS)
    bgr, name, digest = (arrays.pop(key, np.zeros(0)) for key in ("bgr", "name", "input_sha256"))
    if bgr.ndim != 3 or bgr.shape[2:] != (3,) or bgr.dtype != np.uint8 or not _is_text(name) or not _is_text(digest):
        raise DataError(f"{path} has no frame (bgr {bgr.shape} {bgr.dtype}) or no name", hint=HINT)
    heads = {key.removeprefix(HEAD): array for key, array in arrays.items() if key.startswith(HEAD)}
    return RecordedFrame(str(name), int(path.stem), bgr, heads, str(digest))


def _is_text(array: npt.NDArray[Any]) -> bool:
    return array.ndim == 0 and array.dtype.kind == "U" and len(str(array)) <= MAX_NAME
