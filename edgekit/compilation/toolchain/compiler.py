"""The vendor's compiler behind the compile seam: checker, makertbin, strip, each stage kept until all are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.artifacts import part_name
from edgekit.binary.bin_format import read_bin
from edgekit.compilation.buildinfo import BUILDINFO_NAME, job_fingerprint, read_buildinfo
from edgekit.compilation.strip import modified_path, strip_bin
from edgekit.compilation.strip_plan import plan_strip
from edgekit.compilation.toolchain.collect import CONSOLE, MAPPER_LOG, collect_build
from edgekit.compilation.toolchain.failure import OutputWatch
from edgekit.compilation.toolchain.find import Toolchain, find_toolchain
from edgekit.compilation.toolchain.recipe import DOCKER_IMAGE
from edgekit.compilation.toolchain.resume import Stages
from edgekit.compilation.toolchain.run import Finished, OnLine, run_command
from edgekit.compilation.toolchain.stages import StageWatch
from edgekit.compiler_api import Built, CompileJob
from edgekit.errors import ConfigError, ToolchainError
from edgekit.progress import Progress
from edgekit.ptq import save_config


class HbMapperCompiler:
    """hb_mapper on PATH or in the private environment."""

    simulated = False
    name = "hb_mapper"
    kinds: tuple[str, ...] = ("path", "private")

    def missing(self) -> str | None:
        """Why there is no such toolchain here, as half a sentence; None where there is one."""
        try:
            find_toolchain(self.kinds)
        except ToolchainError as error:
            return error.message
        return None

    def version(self) -> str:
        """The versions of its commands, in one line."""
        return ", ".join(f"{name} {version}" for name, version in find_toolchain(self.kinds).versions().items())

    def build(self, job: CompileJob, build_dir: Path, *, progress: Progress) -> Built:
        """Run the stages that are not done yet and moves their files to `build_dir`.

        Raises ConfigError, ToolchainError or OutputError; finished stages then wait in working_dir/unfinished.
        """
        toolchain = find_toolchain(self.kinds)
        _check_march(job)
        version = self.version()
        _check_recorded_version(job, self.name, version)
        stages = Stages(job.working_dir, job_fingerprint(job, self.name, version))
        with stages.opened():
            records = {}
            for stage, work in STAGES.items():
                if stages.finished(stage) is None:
                    folder = stages.begin(stage)
                    stages.finish(stage, work(job, toolchain, stages, folder, progress))
                records[stage] = stages.finished(stage) or {}
                progress(stage, 1, 1)
            built = collect_build(job, stages, build_dir, records, toolchain)
            stages.clear()
        return built


class DockerCompiler(HbMapperCompiler):
    """hb_mapper in the vendor's docker image."""

    name = "docker"
    kinds = ("docker",)

    def version(self) -> str:
        """The image and the versions of its commands."""
        return f"{DOCKER_IMAGE}: {super().version()}"


def _check_march(job: CompileJob) -> None:
    if job.spec.march not in ("", job.march):
        raise ConfigError(
            f"{job.yaml_path} says march {job.march!r}, the model's sidecar {job.spec.march!r}",
            hint=f"run edgekit calibrate with --march {job.march}, or fix the yaml: .bin files of different "
            "marches never interchange",
        )


def _check_recorded_version(job: CompileJob, name: str, version: str) -> None:
    """A build is not silently replaced by that of another toolchain: its numbers would no longer compare."""
    info = read_buildinfo(job.working_dir)
    recorded = info.inputs.get(name, version) if info is not None else version
    if recorded != version:
        raise ToolchainError(
            f"{job.working_dir} was built with {recorded}, the toolchain here is {version}",
            hint=f"use the recorded one, choose another working_dir, or remove {BUILDINFO_NAME} there to build again",
        )


def _check(job: CompileJob, toolchain: Toolchain, stages: Stages, folder: Path, progress: Progress) -> dict[str, Any]:
    progress("checker", 0, 0)
    arguments = ("checker", "--model-type", "onnx", "--march", job.march, "--model", str(job.onnx_path))
    return _run_mapper(job, toolchain, stages, folder, "checker", arguments, None, "checking the model")


def _makertbin(
    job: CompileJob, toolchain: Toolchain, stages: Stages, folder: Path, progress: Progress
) -> dict[str, Any]:
    yaml_path = folder / job.yaml_path.name
    _write_yaml(job, yaml_path)
    watch = StageWatch(progress)
    arguments = ("makertbin", "--model-type", "onnx", "--config", str(yaml_path))
    record = _run_mapper(job, toolchain, stages, folder, "makertbin", arguments, watch.feed, "compiling the model")
    for name in (part_name(job.prefix, "bin"), part_name(job.prefix, "quantized"), MAPPER_LOG):
        if not (folder / name).is_file():
            raise ToolchainError(
                f"hb_mapper ended well, but wrote no {name}",
                hint=f"the whole output is in {stages.folder / ('makertbin' + CONSOLE)}",
            )
    return {**record, "stages": watch.seconds}


def _write_yaml(job: CompileJob, path: Path) -> None:
    """The yaml as built: absolute inputs, results in the stage's own folder, the level that was asked for."""
    config = job.config
    folders = tuple(
        str((job.yaml_path.parent / name).resolve()) for name in config.calibration_parameters.cal_data_dir or ()
    )
    save_config(
        path,
        replace(
            config,
            model_parameters=replace(config.model_parameters, onnx_model=str(job.onnx_path), working_dir="."),
            calibration_parameters=replace(config.calibration_parameters, cal_data_dir=folders),
            compiler_parameters=replace(config.compiler_parameters, optimize_level=job.optimize_level),
        ),
    )


def _strip(job: CompileJob, toolchain: Toolchain, stages: Stages, folder: Path, progress: Progress) -> dict[str, Any]:
    """The stripped model; without anything to strip (a classifier) an empty stage."""
    progress("strip", 0, 0)
    model = stages.result("makertbin") / f"{job.prefix}.bin"
    if not plan_strip(read_bin(model).nodes, job.spec).removed:
        return {"seconds": 0.0, "commands": [], "notes": ["no Dequantize node to strip: the .bin is used as it is"]}
    started = time.monotonic()
    spec = replace(job.spec, march=job.march)
    done = strip_bin(model, spec, toolchain, output=folder / modified_path(model).name, logs_to=folder)
    seconds = round(time.monotonic() - started, 2)
    return {"seconds": seconds, "commands": [list(command) for command in done.commands], "removed": done.plan.removed}


STAGES: Mapping[str, Callable[[CompileJob, Toolchain, Stages, Path, Progress], dict[str, Any]]] = {
    "checker": _check,
    "makertbin": _makertbin,
    "strip": _strip,
}


def _run_mapper(
    job: CompileJob,
    toolchain: Toolchain,
    stages: Stages,
    folder: Path,
    stage: str,
    arguments: tuple[str, ...],
    on_line: OnLine | None,
    doing: str,
) -> dict[str, Any]:
    """One call of hb_mapper in `folder`; its console output is kept beside the stages, also where it fails."""
    watch = OutputWatch()
    console = stages.folder / f"{stage}{CONSOLE}"
    console.unlink(missing_ok=True)

    def feed(line: str) -> None:
        watch.feed(line)
        if on_line is not None:
            on_line(line)

    calibration = [path.parent for item in job.inputs for path in item.calibration_files[:1]]
    folders = [folder, job.yaml_path.parent, job.onnx_path.parent, *calibration, job.working_dir]
    command = toolchain.command("hb_mapper", *arguments, folders=folders)
    finished: Finished = run_command(command, cwd=folder, log_path=console, on_line=feed)
    if finished.returncode != 0:
        raise watch.error(finished, doing=doing, log=console)
    return {
        "seconds": round(finished.seconds, 2),
        "commands": [["hb_mapper", *arguments]],
        "notes": list(watch.notes),
    }
