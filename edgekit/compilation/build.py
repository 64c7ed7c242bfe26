"""The compile seam: one yaml in, an integer graph, a .bin and a log out, whichever compiler does it.

A compiler writes into an empty build folder; its files move to the yaml's working_dir when all are whole, and
buildinfo.json last. So an interrupted build leaves the old one or none, and an unchanged one is reused.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekit.artifacts import BUILT_SUFFIXES
from edgekit.calibration.data_check import RECORD_KEY, DataCheck, check_data, check_to_dict
from edgekit.compilation.buildinfo import (
    BUILDINFO_NAME,
    BuildInfo,
    job_fingerprint,
    read_buildinfo,
    still_valid,
    write_buildinfo,
)
from edgekit.compilation.job import load_job
from edgekit.compilation.registry import choose_compiler, is_simulated
from edgekit.compiler_api import Built, CompileJob, Compiler
from edgekit.errors import OutputError, ToolchainError
from edgekit.files import is_file, refuse_replacing, sha256_file, write_json
from edgekit.folder_lock import folder_lock
from edgekit.progress import Progress, silent
from edgekit.ptq.calibrator import CALIBRATOR_KEY, Calibrator, calibrator_from_json
from edgekit.spec import sidecar_path

REQUIRED_PARTS = ("bin", "quantized", "log")
BUILD_FOLDER = ".edgekit-build"


@dataclass(frozen=True, slots=True)
class CompileResult:
    """Where the files of a build lie and how near the integer graph is to the float model.

    `files` maps parts (see `Built`) to absolute paths; cosines are those of the compiler's own log.
    """

    toolchain: str
    simulated: bool
    reused: bool
    files: Mapping[str, Path]
    output_cosines: Mapping[str, float]
    node_cosines: Mapping[str, float]
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def calibrator(self) -> Calibrator:
        """How the thresholds were chosen; raises ConfigError if the build does not record it."""
        return calibrator_from_json(self.record.get(CALIBRATOR_KEY))

    @property
    def bin_path(self) -> Path:
        """The compiled model."""
        return self.files["bin"]

    @property
    def modified_bin_path(self) -> Path | None:
        """The model without Dequantize nodes, if one was made."""
        return self.files.get("modified_bin")

    @property
    def quantized_path(self) -> Path:
        """The integer graph."""
        return self.files["quantized"]

    @property
    def log_path(self) -> Path:
        """The compiler's log."""
        return self.files["log"]

    @property
    def sidecar_paths(self) -> tuple[Path, ...]:
        """The sidecars of all models of the build."""
        return tuple(path for part, path in self.files.items() if part.endswith("_sidecar"))


def compile_model(
    yaml_path: Path,
    *,
    toolchain: str = "auto",
    optimize: str | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> CompileResult:
    """Compile the model that a PTQ yaml describes, or reuse the build that lies there.

    Args:
        yaml_path: The yaml, as `calibrate` writes it.
        toolchain: "auto" (the vendor's if it is installed, else the simulated compiler) or a compiler's name.
        optimize: "O0" to "O3"; None is the yaml's `optimize_level`.
        overwrite: Whether to replace files in working_dir that no build of edgekit left there.
        progress: Called with each stage.

    Returns:
        The files of the build, which compiler made it, and notes.

    Raises:
        ConfigError: The yaml or an option is wrong.
        ModelError: The model cannot be compiled.
        ToolchainError: The compiler failed, with its reason.
        OutputError: Something else lies in the working_dir, or it cannot be written.
    """
    job = load_job(yaml_path, optimize=optimize)
    name, compiler = choose_compiler(toolchain)
    inputs = job_fingerprint(job, name, compiler.version())
    reused = _reusable(job, compiler, inputs)  # reading needs no lock
    if reused is not None:
        return reused
    with folder_lock(job.working_dir, "compile"):
        reused = _reusable(job, compiler, inputs)  # somebody may have made it until now
        return reused or _build(job, name, compiler, inputs, overwrite=overwrite, progress=progress)


def _reusable(job: CompileJob, compiler: Compiler, inputs: Mapping[str, str]) -> CompileResult | None:
    """The build that lies in the working_dir, where it was made from these inputs."""
    info = read_buildinfo(job.working_dir)
    if info is None or not still_valid(job.working_dir, info, inputs):
        return None
    return _result(info, job.working_dir, compiler, reused=True)


def _build(
    job: CompileJob,
    name: str,
    compiler: Compiler,
    inputs: Mapping[str, str],
    *,
    overwrite: bool,
    progress: Progress,
) -> CompileResult:
    """A new build, while nobody else works in its folder."""
    info = read_buildinfo(job.working_dir)
    _refuse_replacing_real(info, job.working_dir, compiler)
    _refuse_foreign(job, [f"{job.prefix}{suffix}" for suffix in BUILT_SUFFIXES], overwrite=overwrite)
    checked = check_data(job, progress=progress)
    with _build_folder(job.working_dir) as build_dir:
        built = _with_check(compiler.build(job, build_dir, progress=progress), checked, job.notes)
        new = _record(built, build_dir, name, inputs)
        _refuse_foreign(job, [path.name for path in build_dir.iterdir()], overwrite=overwrite)
        _publish(new, info, build_dir, job.working_dir)
    return _result(new, job.working_dir, compiler, reused=False)


def _refuse_replacing_real(info: BuildInfo | None, working_dir: Path, compiler: Compiler) -> None:
    """Refuse to put a simulated build, seconds of work, over a real one, minutes to an hour of work."""
    if info is not None and compiler.simulated and is_simulated(info.toolchain) is False:
        raise OutputError(
            f"{working_dir} holds a build by {info.toolchain}, which a simulated one would replace",
            hint="give the yaml another working_dir, or delete that folder",
        )


def _refuse_foreign(job: CompileJob, names: Iterable[str], *, overwrite: bool) -> None:
    """Refuse to replace what the build reads, and, where no build lies in working_dir yet, files of others there."""
    outputs = [path for name in names if is_file(path := job.working_dir / name)]
    read = (job.yaml_path, job.onnx_path, sidecar_path(job.onnx_path))
    samples = [path for item in job.inputs for path in item.calibration_files]
    has_build = is_file(job.working_dir / BUILDINFO_NAME)
    try:
        refuse_replacing(outputs, inputs=(*read, *samples), overwrite=overwrite or has_build)
    except OutputError as error:
        raise OutputError(
            error.message, hint="give the yaml another working_dir, or compile with --overwrite; what is read stays"
        ) from error


@contextmanager
def _build_folder(working_dir: Path) -> Iterator[Path]:
    """An empty folder inside `working_dir`, removed at the end; leftovers of a killed run go first."""
    build_dir = working_dir / BUILD_FOLDER
    try:
        shutil.rmtree(build_dir, ignore_errors=True)
        build_dir.mkdir(parents=True)
    except OSError as error:
        raise OutputError(
            f"{build_dir} cannot be made ({error.strerror or error})",
            hint="check working_dir in the yaml, its rights and the disk",
        ) from error
    try:
        yield build_dir
    finally:
        shutil.rmtree(build_dir, ignore_errors=True)
        with suppress(OSError):  # not empty: there is a build, or something of the user's
            working_dir.rmdir()


def _with_check(built: Built, checked: DataCheck, notes: tuple[str, ...]) -> Built:
    """The build with what its yaml and calibration data look like: first in the notes, and in its record."""
    record = {**built.record, RECORD_KEY: check_to_dict(checked)}
    return replace(built, notes=(*notes, *checked.notes, *built.notes), record=record)


def _record(built: Built, build_dir: Path, name: str, inputs: Mapping[str, str]) -> BuildInfo:
    absent = [part for part in REQUIRED_PARTS if not (build_dir / built.parts.get(part, "?")).is_file()]
    if absent:
        raise ToolchainError(
            f"toolchain {name!r} ended without writing its {absent[0]}",
            hint="look at its messages above, or compile with --toolchain sim",
        )
    outputs = {file: sha256_file(build_dir / file) for file in sorted(set(built.parts.values()))}
    return BuildInfo(
        toolchain=name,
        inputs=dict(inputs),
        parts=dict(built.parts),
        outputs=outputs,
        output_cosines=dict(built.output_cosines),
        node_cosines=dict(built.node_cosines),
        notes=tuple(built.notes),
        record=dict(built.record),
    )


def _publish(info: BuildInfo, old: BuildInfo | None, build_dir: Path, working_dir: Path) -> None:
    """Move every file the compiler left (not only the named parts) up; the record goes last.

    Files of the build before that have no successor go, unless somebody has edited them.
    """
    write_json(working_dir / BUILDINFO_NAME, {})  # no record, but the folder is ours, should this be killed halfway
    fresh = {path.name for path in build_dir.iterdir()}
    for name, digest in (old.outputs if old else {}).items():
        path = working_dir / Path(name).name
        if path.name not in fresh and path.is_file() and sha256_file(path) == digest:
            path.unlink()
    for path in sorted(build_dir.iterdir()):
        target = working_dir / path.name
        if path.is_dir() and target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    write_buildinfo(working_dir, info)


def _result(info: BuildInfo, folder: Path, compiler: Compiler, *, reused: bool) -> CompileResult:
    return CompileResult(
        toolchain=info.toolchain,
        simulated=compiler.simulated,
        reused=reused,
        files={part: folder / name for part, name in info.parts.items()},
        output_cosines=info.output_cosines,
        node_cosines=info.node_cosines,
        notes=info.notes,
        record=info.record,
    )
