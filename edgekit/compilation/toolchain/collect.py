"""What a finished build hands over: its files by part, true sidecars, cosines, notes and the record of its making."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.artifacts import PART_SUFFIXES, part_name
from edgekit.binary.bin_format import read_bin
from edgekit.binary.bin_sidecar import bin_spec
from edgekit.compilation.toolchain.find import Toolchain
from edgekit.compilation.toolchain.resume import Stages
from edgekit.compiler_api import Built, CompileJob
from edgekit.files import writing
from edgekit.logs.lines import read_lines
from edgekit.logs.mapper import parse_mapper
from edgekit.logs.mapper_log import MapperLog
from edgekit.ptq.calibrator import CALIBRATOR_KEY, parse_calibrator
from edgekit.spec import ModelSpec, file_ref, save_spec, sidecar_path

MAPPER_LOG = "hb_mapper_makertbin.log"
CHECKER_LOG = "hb_mapper_checker.log"
CONSOLE = "_console.log"
STRIP_LOGS = {"modifier_log": "hb_model_modifier.log", "info_log": "hb_model_info.log"}


def collect_build(
    job: CompileJob, stages: Stages, build_dir: Path, records: Mapping[str, Mapping[str, Any]], toolchain: Toolchain
) -> Built:
    """Take every file of the finished stages into `build_dir` and says what each is.

    `records`: what each stage left to say, by its name. Raises OutputError where there is no room.
    """
    with writing(build_dir, hint="free some disk space and run the same command again: finished stages are kept"):
        for stage in records:
            _take(stages.result(stage), build_dir)
        for console in sorted(stages.folder.glob(f"*{CONSOLE}")):
            _link(console, build_dir / console.name)
    log = parse_mapper(read_lines(build_dir / MAPPER_LOG))
    calibrator = parse_calibrator(log.calibration.method)
    return Built(
        parts=_parts(job, build_dir),
        output_cosines={row.name: row.cosine for row in log.output_rows if row.cosine is not None},
        node_cosines={row.name: row.cosine for row in log.nodes if row.cosine is not None},
        notes=_notes(log, records, job.batch),
        record={
            "location": f"{toolchain.kind}: {toolchain.location}",
            "versions": dict(toolchain.versions()),
            "commands": [command for record in records.values() for command in record.get("commands", [])],
            "seconds": _seconds(records),
            CALIBRATOR_KEY: calibrator.to_json() if calibrator else None,
            "stripped": list(records["strip"].get("removed", [])),
        },
    )


def _take(source: Path, target: Path) -> None:
    """Everything but the tools' hidden scratch folders."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            _take(path, target / path.name)
        elif path.is_file():
            _link(path, target / path.name)


def _link(source: Path, target: Path) -> None:
    """A second name for the file where the file system can, so that a full disk stops nothing here; else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _parts(job: CompileJob, folder: Path) -> dict[str, str]:
    named: dict[str, str] = {
        **{part: part_name(job.prefix, part) for part in PART_SUFFIXES},
        "log": MAPPER_LOG,
        "checker_log": CHECKER_LOG,
        "console_log": f"makertbin{CONSOLE}",
        "yaml": job.yaml_path.name,
        **STRIP_LOGS,
    }
    parts = {part: name for part, name in named.items() if (folder / name).is_file()}
    for number, page in enumerate(sorted(folder.glob("*_subgraph_*.json"))):
        parts["static_performance" + (f"_{number}" if number else "")] = page.name
    return {**parts, **_write_sidecars(job, folder, parts)}


def _write_sidecars(job: CompileJob, folder: Path, parts: Mapping[str, str]) -> dict[str, str]:
    """A sidecar for the compiled, the stripped and the quantized model; the last speaks like the stripped one."""
    quantized = file_ref(folder / parts["quantized"])
    best = bin_spec(job.spec, read_bin(folder / parts.get("modified_bin", parts["bin"])))
    specs: dict[str, ModelSpec] = {"quantized": replace(best, stage="quantized")}
    for part in ("bin", "modified_bin"):
        if part in parts:
            specs[part] = bin_spec(job.spec, read_bin(folder / parts[part]))
    for part, spec in specs.items():
        files = {"model": file_ref(folder / parts[part]), "quantized": quantized}
        save_spec(sidecar_path(folder / parts[part]), replace(spec, files=files))
    return {f"{part}_sidecar": sidecar_path(folder / parts[part]).name for part in specs}


def _notes(log: MapperLog, records: Mapping[str, Mapping[str, Any]], batch: int) -> tuple[str, ...]:
    on_cpu = [row.name for row in log.nodes if row.on == "CPU"]
    notes = [str(note) for record in records.values() for note in record.get("notes", [])]
    if on_cpu:
        notes.append(f"{len(on_cpu)} nodes run on the board's CPU: {', '.join(on_cpu[:4])}")
    each = "frame" if batch == 1 else f"call of {batch} images"
    notes += [f"static estimate: {e.fps:.1f} FPS, {e.latency_us / 1000:.2f} ms per {each}" for e in log.estimates]
    return tuple(dict.fromkeys(notes))


def _seconds(records: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Wall time of each command, with makertbin's own stages below it."""
    seconds: dict[str, float] = {}
    for stage, record in records.items():
        seconds[stage] = float(record.get("seconds", 0.0))
        seconds.update({f"{stage}.{name}": value for name, value in record.get("stages", {}).items()})
    return seconds
