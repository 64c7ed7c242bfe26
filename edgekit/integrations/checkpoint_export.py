"""A trainer's checkpoint exported to ONNX by Ultralytics, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ConfigError, DataError, EdgekitError, ModelError
from edgekit.files import atomic_path, is_file, read_json, refuse_replacing, sha256_file, write_json, writing
from edgekit.folder_lock import folder_lock
from edgekit.progress import Progress, silent
from edgekit.records import check_envelope, envelope
from edgekit.text import printable, shorten

__all__ = ["ExportedCheckpoint", "as_onnx", "export_checkpoint", "is_checkpoint"]

SUFFIX = ".pt"
PYTHON_VARIABLE = "EDGEKIT_ULTRALYTICS_PYTHON"
KIND = "checkpoint-export"
OPSET = 11  # what the board's toolchain reads; every layer of the YOLO families has a form in it
ENTRY = "from ultralytics.cfg import entrypoint; entrypoint()"  # what their `yolo` command calls
MAX_LOG_BYTES = 1 << 20
COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class ExportedCheckpoint:
    """An ONNX file of a checkpoint.

    Attributes:
        path: Of the ONNX.
        reused: Whether an earlier call had made it from the same checkpoint with the same options.
    """

    path: Path
    reused: bool


def is_checkpoint(model: Path) -> bool:
    """Return whether a path names a trainer's checkpoint (.pt) and no ONNX."""
    return model.suffix.lower() == SUFFIX


def as_onnx(
    model: Path,
    output: Path,
    *,
    python: str | None = None,
    imgsz_hw: tuple[int, int] | None = None,
    progress: Progress = silent,
) -> Path:
    """Return the ONNX of a model: itself, or a checkpoint exported to `OUTPUT_export` beside the output.

    Args:
        model: An ONNX, or a `.pt`.
        output: Of the command.
        python: As `export_checkpoint` takes it; without use for an ONNX.
        imgsz_hw: Input size of the export, height first.
        progress: Called with the stage.

    Returns:
        The ONNX.

    Raises:
        EdgekitError: As `export_checkpoint` does.
    """
    if not is_checkpoint(model):
        if imgsz_hw is not None:
            raise ConfigError(
                f"an input size is there for {model.name}, expected one for a {SUFFIX} alone: an ONNX has its own",
                hint="leave --imgsz away, or set the size with edgekit cut",
            )
        return model
    folder = output.absolute().with_name(f"{output.stem}_export")
    return export_checkpoint(model, folder, python=python, imgsz_hw=imgsz_hw, progress=progress).path


def export_checkpoint(
    checkpoint: Path,
    folder: Path,
    *,
    python: str | None = None,
    imgsz_hw: tuple[int, int] | None = None,
    progress: Progress = silent,
) -> ExportedCheckpoint:
    """Export a checkpoint by the installed Ultralytics, for one image, at a fixed size and opset 11.

    A checkpoint is a program: Ultralytics runs what is pickled in it. Export only your own.

    Args:
        checkpoint: The `.pt`; it is read by Ultralytics' process alone.
        folder: Where the ONNX, a record of the export and Ultralytics' log go.
        python: An interpreter that has Ultralytics; None: EDGEKIT_ULTRALYTICS_PYTHON, this one, or the `yolo` command.
        imgsz_hw: Input size, height first; None for the checkpoint's.
        progress: Called with the stage.

    Returns:
        The ONNX; it is not made again for the same checkpoint and options.

    Raises:
        ModelError: The checkpoint is not there, or Ultralytics cannot export it.
        ConfigError: Ultralytics is not installed.
        OutputError: A file of somebody else is in the way, or cannot be written.
    """
    if not is_file(checkpoint):
        raise ModelError(f"{checkpoint} does not exist, expected a checkpoint", hint="check the path")
    onnx = folder / f"{checkpoint.stem}.onnx"
    options = _options(imgsz_hw)
    source = {"checkpoint": checkpoint.name, "sha256": sha256_file(checkpoint), "options": list(options)}
    if _is_exported(onnx, source):
        return ExportedCheckpoint(onnx, reused=True)
    if not is_file(_record_path(onnx)):
        refuse_replacing([onnx], inputs=[checkpoint])
    command = export_command(python)
    progress("exporting by Ultralytics", 0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, "export"), tempfile.TemporaryDirectory(dir=folder, prefix="export_") as scratch:
        made = _run(command, checkpoint, options, Path(scratch), log=onnx.with_suffix(".export.log"))
        with atomic_path(onnx) as unfinished:
            shutil.copyfile(made, unfinished)
    write_json(_record_path(onnx), {**envelope(KIND), **source, "onnx_sha256": sha256_file(onnx)})
    progress("exporting by Ultralytics", 1, 1)
    return ExportedCheckpoint(onnx, reused=False)


def export_command(python: str | None) -> list[str]:
    """Return the beginning of the command line that is Ultralytics' `yolo`.

    Args:
        python: An interpreter, or None to look for one.

    Returns:
        Arguments, to which `export` and its options are appended.

    Raises:
        ConfigError: There is none.
    """
    chosen = python or os.environ.get(PYTHON_VARIABLE)
    if chosen:
        program = shutil.which(chosen)
        if program is None:
            raise ConfigError(
                f"{shorten(chosen)} is no program here, expected a Python interpreter that has Ultralytics",
                hint=f"check --python, or the variable {PYTHON_VARIABLE}",
            )
        return [program, "-c", ENTRY]
    if importlib.util.find_spec("ultralytics") is not None:
        return [sys.executable, "-c", ENTRY]
    command = shutil.which("yolo")
    if command is not None:
        return [command]
    raise ConfigError(
        "the model is a trainer's checkpoint, and Ultralytics, which exports it to ONNX, is not installed here",
        hint="pip install ultralytics, name an interpreter that has it with --python, or give the ONNX: "
        f"yolo export model=best.pt format=onnx opset={OPSET}",
    )


def _options(imgsz_hw: tuple[int, int] | None) -> tuple[str, ...]:
    size = (f"imgsz={imgsz_hw[0]},{imgsz_hw[1]}",) if imgsz_hw else ()
    return ("format=onnx", f"opset={OPSET}", "batch=1", "dynamic=False", *size)


def _record_path(onnx: Path) -> Path:
    return onnx.with_suffix(".export.json")


def _is_exported(onnx: Path, source: Mapping[str, Any]) -> bool:
    """Return whether the ONNX is there as an earlier export of the same source wrote it."""
    record = _record_path(onnx)
    if not (is_file(onnx) and is_file(record)):
        return False
    try:
        known = check_envelope(read_json(record), KIND, str(record), error=DataError)
    except EdgekitError:
        return False
    return known == {**source, "onnx_sha256": sha256_file(onnx)}


def _run(command: Sequence[str], checkpoint: Path, options: Sequence[str], scratch: Path, *, log: Path) -> Path:
    """Export a copy of the checkpoint, since Ultralytics writes beside what it reads; return the ONNX."""
    copy = scratch / f"checkpoint{SUFFIX}"
    with writing(copy):
        shutil.copyfile(checkpoint, copy)
    environment = {**os.environ, "YOLO_AUTOINSTALL": "false"}  # nothing is installed on the way
    with writing(log), log.open("wb") as stream:
        try:
            done = subprocess.run(
                [*command, "export", f"model={copy.name}", *options],
                cwd=scratch,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise ConfigError(
                f"{command[0]} cannot be started ({error.strerror}), expected a Python interpreter",
                hint=f"check --python, or the variable {PYTHON_VARIABLE}",
            ) from error
    onnx = copy.with_suffix(".onnx")
    if done.returncode or not is_file(onnx):
        raise ModelError(
            f"Ultralytics did not export {checkpoint.name} (exit code {done.returncode}): {_last_line(log)}",
            hint=f"read {log}, or export it yourself: yolo export model={checkpoint.name} format=onnx opset={OPSET}",
        )
    return onnx


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
        text = stream.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    lines = [line.strip() for line in COLORS.sub("", text).splitlines() if line.strip()]
    return printable(lines[-1], 300) if lines else "it printed nothing"
