"""Removing Dequantize nodes from a compiled `.bin`, checked afterwards, with the sidecar that then is true."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.artifacts import MODIFIED, quantized_path
from edgekit.binary.bin_format import BinInfo, read_bin
from edgekit.binary.bin_sidecar import bin_spec
from edgekit.compilation.strip_plan import STRIPPED_ROLES, StripPlan, plan_strip
from edgekit.compilation.toolchain.failure import OutputWatch
from edgekit.compilation.toolchain.find import Toolchain
from edgekit.compilation.toolchain.run import run_command
from edgekit.errors import ModelError, OutputError, ToolchainError
from edgekit.files import atomic_path
from edgekit.logs.lines import parse_line
from edgekit.spec import HEAD_DTYPES, ModelSpec, file_ref, save_spec, sidecar_path

CONSOLE_LOG = "strip_console.log"
TOOL_LOGS = ("hb_model_modifier.log", "hb_model_info.log", CONSOLE_LOG)
DELETED_NODE = re.compile(r"deleted nodes: (\S+)")


@dataclass(frozen=True, slots=True)
class Stripped:
    """A stripped model; `sidecar` is None where the model had none. `logs` are the tools' own, copied."""

    model: Path
    sidecar: Path | None
    plan: StripPlan
    commands: tuple[tuple[str, ...], ...]
    logs: tuple[Path, ...] = ()


def modified_path(model: Path) -> Path:
    """Where the stripped model goes unless something else is asked for."""
    return model.with_name(f"{model.stem}{MODIFIED}{model.suffix}")


def plan_for_bin(model: Path, spec: ModelSpec | None, *, roles: Collection[str] = STRIPPED_ROLES) -> StripPlan:
    """What would be removed from `model`; raises ModelError where nothing is left, or the sidecar is not its own."""
    info = read_bin(model)
    if spec is not None:
        bin_spec(spec, info)  # refuses a sidecar of another model or march
    plan = plan_strip(info.nodes, spec, roles=roles)
    if not plan.removed:
        done = f"; {len(info.deleted_nodes)} were removed before" if info.deleted_nodes else ""
        raise ModelError(
            f"{model} has no Dequantize node behind a head of role {', '.join(sorted(roles))}{done}",
            hint="run it as it is; --also class,proto removes further ones",
        )
    return plan


def strip_bin(
    model: Path,
    spec: ModelSpec | None,
    toolchain: Toolchain,
    *,
    output: Path | None = None,
    roles: Collection[str] = STRIPPED_ROLES,
    any_version: bool = False,
    logs_to: Path | None = None,
) -> Stripped:
    """Remove Dequantize nodes from a compiled `.bin`, and write the result with its sidecar.

    The result is read back and asked with hb_model_info: exactly the planned nodes must be gone, and their outputs be
    integers with scales. If anything fails, `output` is as it was before.

    Args:
        model: The compiled `.bin`.
        spec: Its sidecar; None: roles are taken from the node names.
        toolchain: Whose hb_model_modifier does it.
        output: Where the result goes; None: `*_modified.bin` beside the model.
        roles: Roles of the heads whose nodes go.
        any_version: Whether another version than the build's may do it.
        logs_to: A folder for the tools' own logs; None: they are not kept.

    Returns:
        The stripped model, its sidecar, what was planned and which commands ran.

    Raises:
        ModelError: Nothing is left to remove, or the sidecar is not the model's.
        ToolchainError: The toolchain failed, or did something else than planned.
        OutputError: `output` cannot be written, or is the model itself.
    """
    model, output = model.resolve(), (output or modified_path(model)).resolve()
    if output == model:
        raise OutputError(f"{output} is the model itself", hint="choose another name with -o")
    plan = plan_for_bin(model, spec, roles=roles)
    before = read_bin(model)
    if not any_version:
        check_same_version(before, toolchain)
    with tempfile.TemporaryDirectory(prefix="edgekit-strip-") as work, atomic_path(output) as fresh:
        folder = Path(work)
        commands = _run_tools(model, plan, toolchain, folder, logs_to)
        result = folder / modified_path(model).name
        after = read_bin(result)
        check_stripped(before, after, plan)
        shutil.copyfile(result, fresh)
        logs = _copied_logs(folder, logs_to)
    sidecar = None if spec is None else _write_sidecar(output, model, bin_spec(spec, after))
    return Stripped(output, sidecar, plan, commands, logs)


def check_same_version(info: BinInfo, toolchain: Toolchain) -> None:
    """Raise ToolchainError if `info` was built by another version than `toolchain` is."""
    built, here = info.versions.get("hb_mapper", ""), toolchain.versions().get("hb_mapper", "")
    if built and here and built != here:
        raise ToolchainError(
            f"{info.path} was built by hb_mapper {built}, the toolchain here is {here} ({toolchain.location})",
            hint=f"use the toolchain {built}, compile again with this one, or pass --any-version to strip all the same",
        )


def check_stripped(before: BinInfo, after: BinInfo, plan: StripPlan) -> None:
    """Raise ToolchainError unless `after` is `before` without exactly the planned nodes."""
    gone = [node for node in before.dequantize_nodes if node not in after.dequantize_nodes]
    if sorted(gone) != sorted(plan.removed):
        odd = sorted(set(gone) ^ set(plan.removed))
        raise _unexpected(f"{odd[0]!r} is {'gone' if odd[0] in gone else 'still there'}")
    names = [output.name for output in before.outputs]
    if [output.name for output in after.outputs] != names:
        raise _unexpected("its outputs have other names")
    for output in after.outputs:
        integer = not output.dequantized_by
        if integer and (output.dtype not in HEAD_DTYPES[1:] or not output.scales):
            raise _unexpected(f"output {output.name!r} is {output.dtype} with {len(output.scales)} scales")


def _run_tools(
    model: Path, plan: StripPlan, toolchain: Toolchain, folder: Path, logs_to: Path | None
) -> tuple[tuple[str, ...], ...]:
    """Modify a copy of `model` in `folder` and asks hb_model_info about the result; returns what was called."""
    shutil.copyfile(model, folder / model.name)
    result = modified_path(model).name  # in the tools' logs, too, by which a report knows the model
    name, *arguments = plan.arguments(model.name, result)
    _run(toolchain, folder, name, arguments, f"stripping {model.name}", logs_to)
    deleted = _run(toolchain, folder, "hb_model_info", [result], f"checking the stripped {model.name}", logs_to)
    known = {match[1] for line in deleted if (match := DELETED_NODE.search(line))}
    missing = [node for node in plan.removed if node not in known]
    if missing:
        raise _unexpected(f"hb_model_info does not list {missing[0]!r} among the deleted nodes")
    return (name, *arguments), ("hb_model_info", result)


def _run(
    toolchain: Toolchain, folder: Path, name: str, arguments: list[str], doing: str, logs_to: Path | None
) -> tuple[str, ...]:
    watch = OutputWatch()
    lines: list[str] = []

    def on_line(line: str) -> None:
        watch.feed(line)
        lines.append(parse_line(line).text)

    console = folder / CONSOLE_LOG
    command = toolchain.command(name, *arguments, folders=[folder])
    finished = run_command(command, cwd=folder, log_path=console, on_line=on_line)
    if finished.returncode != 0:
        kept = _copied_logs(folder, logs_to)
        raise watch.error(finished, doing=doing, log=kept[-1] if kept else None)
    return tuple(lines)


def _copied_logs(folder: Path, logs_to: Path | None) -> tuple[Path, ...]:
    if logs_to is None:
        return ()
    present = [name for name in TOOL_LOGS if (folder / name).is_file()]
    return tuple(Path(shutil.copyfile(folder / name, logs_to / name)) for name in present)


def _write_sidecar(output: Path, model: Path, spec: ModelSpec) -> Path:
    files = {**{part: ref for part, ref in spec.files.items() if part != "model"}, "model": file_ref(output)}
    quantized = quantized_path(model)
    if quantized.is_file():
        files["quantized"] = file_ref(quantized)
    save_spec(sidecar_path(output), replace(spec, files=files))
    return sidecar_path(output)


def _unexpected(what: str) -> ToolchainError:
    return ToolchainError(
        f"hb_model_modifier ended well, but {what}, so its result is not used",
        hint="call the command that --print-command shows by hand and look at hb_model_modifier.log",
    )
