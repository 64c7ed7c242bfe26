"""Samples for models that take more than one image, or none: archives by input name, or a folder per input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.array_files import read_array, read_arrays
from edgekit.errors import DataError
from edgekit.files import is_file, is_folder
from edgekit.ops.image import IMAGE_SUFFIXES, read_image
from edgekit.runtime.model_inputs import image_of
from edgekit.runtime.sources import Frame, Source
from edgekit.spec import InputSpec

__all__ = ["ArraySample", "array_frames", "folder_name", "open_samples"]

HINT = (
    "see docs/plain-cnns.md: a folder of .npz with an array per input, .npy for a single featuremap, or a folder each"
)
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ArraySample:
    """One array per input.

    Attributes:
        name: A plain file name without its suffix.
        files: Where the arrays lie.
        read: Reads them, by input name; raises DataError or ImageError.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[], Arrays]


def open_samples(source: Path, inputs: Sequence[InputSpec]) -> tuple[ArraySample, ...]:
    """Find the samples for a model.

    Args:
        source: A `.npz` or a folder of them, with an array per input; for a model with one input a `.npy` or a folder
            of them; or a folder with a folder per input, named as `folder_name` says, with images for images and
            `.npy` for featuremaps. There, files of one name make a sample.
        inputs: Of the model.

    Returns:
        The samples in the order of their names.

    Raises:
        DataError: There are none, or a sample lacks a file.
    """
    source = Path(source)
    if is_file(source):
        samples = [_sample(source, inputs)] if source.suffix.lower() in _suffixes(inputs) else []
    elif is_folder(source):
        files = sorted(path for path in source.iterdir() if path.suffix.lower() in _suffixes(inputs))
        visible = [path for path in files if is_file(path) and not path.name.startswith(".")]
        samples = [_sample(path, inputs) for path in visible] or _of_folders(source, inputs)
    else:
        raise DataError(f"{source} does not exist, expected samples for {_names(inputs)}", hint=HINT)
    if not samples:
        raise DataError(f"{source} holds no samples for {_names(inputs)}, expected arrays", hint=HINT)
    return tuple(samples)


def array_frames(source: str, inputs: Sequence[InputSpec]) -> Source:
    """Open samples as the frames of a source; a frame's image is that of the first image input, or one black pixel.

    Raises:
        DataError: As `open_samples`; reading a sample raises that or ImageError.
    """
    samples = open_samples(Path(source), inputs)
    first = next((item for item in inputs if item.is_image), None)

    def frames() -> Iterator[Frame]:
        for sample in samples:
            arrays = sample.read()
            shown = first is not None and first.name in arrays
            bgr = image_of(arrays[first.name], first) if first is not None and shown else np.zeros((1, 1, 3), np.uint8)
            yield Frame(bgr, sample.name, arrays)

    files = tuple(path for sample in samples for path in sample.files)
    return Source("images", len(samples), 0.0, frames, names=tuple(s.name for s in samples), files=files)


def folder_name(name: str) -> str:
    """Return the name of an input's folder: the input's, with "_" for what is no letter, digit, "." or "-" in it."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII).lstrip(".") or "_"


def _suffixes(inputs: Sequence[InputSpec]) -> tuple[str, ...]:
    return (".npz", ".npy") if len(inputs) == 1 else (".npz",)


def _sample(path: Path, inputs: Sequence[InputSpec]) -> ArraySample:
    if path.suffix.lower() == ".npy":
        name = inputs[0].name
        return ArraySample(path.stem, (path,), lambda: {name: read_array(path, hint=HINT)})
    return ArraySample(path.stem, (path,), lambda: _of_archive(path, inputs))


def _of_archive(path: Path, inputs: Sequence[InputSpec]) -> Arrays:
    arrays = read_arrays(path, hint=HINT)
    if missing := [item.name for item in inputs if item.name not in arrays]:
        raise DataError(
            f"{path} has no array {missing[0]!r}, expected {_names(inputs)}, got {', '.join(arrays) or 'none'}",
            hint="save it with numpy.savez(path, **{input name: array})",
        )
    return {item.name: arrays[item.name] for item in inputs}


def _of_folders(source: Path, inputs: Sequence[InputSpec]) -> list[ArraySample]:
    """A folder per input: files of one stem make a sample."""
    files: dict[str, dict[str, Path]] = {}
    for item in inputs:
        folder = source / folder_name(item.name)
        suffixes = IMAGE_SUFFIXES if item.is_image else (".npy",)
        there = sorted(folder.iterdir()) if is_folder(folder) else []
        files[item.name] = {path.stem: path for path in there if path.suffix.lower() in suffixes and is_file(path)}
        if not files[item.name]:
            raise DataError(
                f"{source} has no samples for input {item.name!r}, expected {folder.name}/ with "
                f"{'images' if item.is_image else '.npy'}, or .npz with an array per input",
                hint=HINT,
            )
    stems = sorted(set().union(*files.values()))
    for name, of_input in files.items():
        if missing := [stem for stem in stems if stem not in of_input]:
            raise DataError(
                f"{source / folder_name(name)} has no file {missing[0]!r}, which another input has, expected one each",
                hint="files of one name make a sample: add it, or take the others out",
            )
    return [_folder_sample(stem, [(item, files[item.name][stem]) for item in inputs]) for stem in stems]


def _folder_sample(stem: str, parts: Sequence[tuple[InputSpec, Path]]) -> ArraySample:
    def read() -> Arrays:
        return {item.name: read_image(path) if item.is_image else read_array(path, hint=HINT) for item, path in parts}

    return ArraySample(stem, tuple(path for _, path in parts), read)


def _names(inputs: Sequence[InputSpec]) -> str:
    return ", ".join(item.name for item in inputs)
