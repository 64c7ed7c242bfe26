"""The builds in a file or folder: which logs, JSON files and models belong together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.artifacts import MODIFIED, QUANT_INFO_SUFFIX, QUANTIZED_SUFFIX
from edgekit.binary.bin_format import BinInfo
from edgekit.errors import DataError, EdgekitError
from edgekit.files import is_file
from edgekit.logs.detect_kind import ForeignFileError
from edgekit.logs.hrt_model_exec import BoardLog
from edgekit.logs.mapper_log import MapperLog
from edgekit.logs.model_info import ModelInfo
from edgekit.logs.modifier import ModifierLog
from edgekit.logs.read_log import Content, ReadFile, read_file
from edgekit.logs.sensitivity import SENSITIVITY, Sensitivity
from edgekit.logs.sidecar import Sidecar
from edgekit.progress import Progress, silent
from edgekit.report.build import Build, make_build
from edgekit.report.data_record import data_check_of

SUFFIXES = {".log", ".txt", ".json", ".bin"}
MAX_DEPTH = 4
MAX_FILES = 2000
MANY_FILES = 30  # fewer are read before a progress bar could be seen
# What lies beside builds and is no part of a report.
SKIPPED_NAMES = {"buildinfo.json", "requirements.txt", "CMakeLists.txt", "package.json", "labels.txt"}


@dataclass(frozen=True, slots=True)
class Collection:
    """The builds found and what was left aside: (path, why)."""

    builds: tuple[Build, ...]
    left_aside: tuple[tuple[Path, str], ...]


@dataclass(slots=True)
class _Group:
    prefix: str
    folder: Path
    started_at: str
    files: list[ReadFile[Content]] = field(default_factory=list)


def collect(path: Path, *, progress: Progress = silent) -> Collection:
    """Gather the files of one build or of several.

    Args:
        path: A file (what lies beside it and names the same model is read, too) or a folder.
        progress: Called with each file.

    Returns:
        The builds, and the files left out with the reason.

    Raises:
        DataError: Nothing of a build is there.
    """
    path = Path(path)
    if path.is_dir():
        return _collect_folder(path, progress)
    file = read_file(path)
    name = model_name(file) or path.stem
    neighbours = _neighbours(file, name)
    onnx = _quantized(path.parent, name)
    left: list[tuple[Path, str]] = []
    if not isinstance(file.content, Sensitivity):
        neighbours += _tuning([path.parent, *_work_folder(path.parent)], left)
    files = (file, *neighbours)
    return Collection((make_build(name, files, onnx=onnx, data_check=data_check_of(files)),), tuple(left))


def model_name(file: ReadFile[Content]) -> str:
    """The model prefix that a file names in its content or, for JSON, in its own name; "" where it names none."""
    content = file.content
    if isinstance(content, MapperLog):
        return content.prefix
    if isinstance(content, Sidecar):
        return content.name
    if isinstance(content, (BinInfo, ModelInfo)):
        return content.name.removesuffix(MODIFIED)
    if isinstance(content, BoardLog):
        return content.model.removesuffix(MODIFIED)
    if isinstance(content, ModifierLog):
        return (content.model or content.saved_as).rpartition("/")[2].removesuffix(".bin").removesuffix(MODIFIED)
    return file.path.name.removesuffix(QUANT_INFO_SUFFIX) if file.path.name.endswith(QUANT_INFO_SUFFIX) else ""


def _neighbours(file: ReadFile[Content], name: str) -> list[ReadFile[Content]]:
    """What helps to read one log: its quantization record and static performance, if they name the same build."""
    if not isinstance(file.content, MapperLog) or file.content.tool == "checker":
        return []
    indices = []
    for folder in (file.path.parent, file.path.parent / "model_output"):
        if (candidate := _declared(folder, name, QUANT_INFO_SUFFIX)) is not None:
            indices.append(candidate)
    return [read for path in indices[:1] if (read := _try(path)) is not None]


def _work_folder(working_dir: Path) -> list[Path]:
    """The folder above, if a yaml lies there: a working_dir lies beside its yaml."""
    above = working_dir.resolve().parent
    return [above] if next(above.glob("*.yaml"), None) else []


def _tuning(tune_folders: Sequence[Path], left: list[tuple[Path, str]]) -> list[ReadFile[Content]]:
    """What edgekit tune measured, from the first of the places that holds it."""
    path = next((location / SENSITIVITY for location in tune_folders if (location / SENSITIVITY).is_file()), None)
    if path is None:
        return []
    try:
        return [file for file in (read_file(path),) if file.kind == "sensitivity"]
    except EdgekitError as error:
        left.append((path, error.message))
        return []


def _try(path: Path) -> ReadFile[Content] | None:
    try:
        return read_file(path)
    except EdgekitError:
        return None


def _collect_folder(folder: Path, progress: Progress) -> Collection:
    paths, onnx_paths = _files(folder)
    files, left = [], []
    for done, path in enumerate(paths, start=1):
        try:
            file = read_file(path)
            if not (file.kind == "sidecar" and path.suffix == ".bin"):  # told by the .json beside it
                files.append(file)
        except ForeignFileError:
            if path.suffix == ".log":  # other texts and JSON files are nobody's business here
                left.append((path, "it is no log of this toolchain"))
            elif path.name == SENSITIVITY:
                left.append((path, "it is not as edgekit tune writes it"))
        except EdgekitError as error:
            left.append((path, error.message))
        if len(paths) > MANY_FILES:
            progress("reading", done, len(paths))
    if not any(path.name == SENSITIVITY for path in paths):
        files += _tuning(_work_folder(folder), left)
    groups = _seed(files)
    _attach(groups, files, left)
    if not groups:
        raise DataError(
            f"{folder} holds no log, static-performance JSON or .bin of a build",
            hint="give the folder with hb_mapper_makertbin.log, or its working_dir",
        )
    named = zip(_names(groups, folder), groups, strict=True)
    builds = [
        make_build(
            name,
            tuple(group.files),
            onnx=_nearest_onnx(onnx_paths, group),
            data_check=data_check_of(group.files),
        )
        for name, group in named
    ]
    return Collection(tuple(sorted(builds, key=lambda build: build.name)), tuple(left))


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    indices: list[Path] = []
    onnx: list[Path] = []
    root_depth = len(folder.parts)
    for current, folders, names in os.walk(folder):
        location = Path(current)
        folders[:] = sorted(d for d in folders if not d.startswith(".")) if _depth(location, root_depth) else []
        for name in sorted(names):
            if name.endswith(QUANTIZED_SUFFIX):
                onnx.append(location / name)
            elif Path(name).suffix in SUFFIXES and name not in SKIPPED_NAMES and not name.startswith("."):
                indices.append(location / name)
        if len(indices) > MAX_FILES:
            raise DataError(
                f"{folder} holds more than {MAX_FILES} logs and JSON files",
                hint="give the folder of one build, or of a few",
            )
    return indices, onnx


def _depth(location: Path, root_depth: int) -> bool:
    return len(location.parts) - root_depth < MAX_DEPTH


def _seed(files: Sequence[ReadFile[Content]]) -> list[_Group]:
    """One group per compile run: logs of the same prefix and start, in one file or two forms, are one run."""
    groups: list[_Group] = []
    for file in files:
        log = file.content
        if not isinstance(log, MapperLog) or log.tool == "checker":
            continue
        group = next((g for g in groups if _same_run(g, log)), None)
        if group is not None:
            group.prefix = group.prefix or log.prefix
        else:
            group = _Group(log.prefix, file.path.parent, log.started_at)
            groups.append(group)
        group.files.append(file)
    return groups


def _same_run(group: _Group, log: MapperLog) -> bool:
    """One start to the millisecond, and no two names: a failed run's console may not have come to its name."""
    return group.started_at == log.started_at and (group.prefix == log.prefix or not group.prefix or not log.prefix)


def _attach(groups: list[_Group], files: Sequence[ReadFile[Content]], left: list[tuple[Path, str]]) -> None:
    """Give every other file to the run of its model, or of its folder where it names no model."""
    seeded = {file.path for group in groups for file in group.files}
    rest = [file for file in files if file.path not in seeded]
    for file in sorted(rest, key=lambda file: not model_name(file)):  # named files may found groups of their own
        name = model_name(file)
        named = [group for group in groups if name and group.prefix == name]
        candidates = named if name else [g for g in groups if _shared(g.folder, file.path.parent) is not None]
        if candidates:
            best = max(candidates, key=lambda group: _closeness(group.folder, file.path.parent))
            rivals = [
                g
                for g in candidates
                if _closeness(g.folder, file.path.parent) == _closeness(best.folder, file.path.parent)
            ]
            if len(rivals) == 1:
                best.files.append(file)
            else:
                left.append((file.path, "it belongs to one of several builds, which it does not name"))
        else:
            groups.append(_Group(name or file.path.stem, file.path.parent, "", [file]))


def _shared(first: Path, second: Path) -> Path | None:
    """The folder of the two that holds the other; None where they lie apart."""
    if first == second or first in second.parents:
        return first
    return second if second in first.parents else None


def _closeness(first: Path, second: Path) -> tuple[int, int]:
    common = len(Path(os.path.commonpath([first.resolve(), second.resolve()])).parts)
    return common, -abs(len(first.resolve().parts) - len(second.resolve().parts))


def _names(groups: Sequence[_Group], root: Path) -> list[str]:
    """Each build's name: its prefix, with its folder where two have the same."""
    plain = [group.prefix or group.files[0].path.stem for group in groups]
    names = []
    for name, group in zip(plain, groups, strict=True):
        if plain.count(name) > 1:
            location = os.path.relpath(group.folder, root)
            name = f"{location}/{group.files[0].path.name}" if location == "." else f"{location}/{name}"
        names.append(name)
    return names


def _nearest_onnx(paths: Sequence[Path], group: _Group) -> Path | None:
    name = f"{group.prefix}{QUANTIZED_SUFFIX}"
    matching = [path for path in paths if path.name == name and _shared(group.folder, path.parent) is not None]
    return max(matching, key=lambda path: _closeness(group.folder, path.parent)) if matching else None


def _quantized(folder: Path, name: str) -> Path | None:
    for location in (folder, folder / "model_output"):
        if (path := _declared(location, name, QUANTIZED_SUFFIX)) is not None:
            return path
    return None


def _declared(folder: Path, name: str, suffix: str) -> Path | None:
    """The file beside a build whose name another file declares; a declared name leads to no other folder."""
    path = folder / f"{name}{suffix}"
    return path if name and "/" not in name and is_file(path) else None
