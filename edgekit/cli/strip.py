"""`edgekit strip`: remove the Dequantize nodes that we decode more cheaply than the board's CPU converts them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.options import add_json, add_output, add_overwrite

if TYPE_CHECKING:
    from edgekit.compilation.strip_plan import StripPlan
    from edgekit.spec import ModelSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("model", nargs="?", type=Path, help="a compiled .bin; its sidecar lies beside it")
    add_output(parser, "where the result goes (default: MODEL_modified.bin)", metavar="FILE")
    add_overwrite(parser, "the result and its sidecar if they exist")
    parser.add_argument("--log", type=Path, help="read the nodes from a log of hb_model_modifier; only plans")
    parser.add_argument("--sidecar", type=Path, help="the sidecar of the model or of the ONNX that was compiled")
    parser.add_argument(
        "--also", default="", metavar="ROLES", help="further roles to strip, such as class,proto (they stay float else)"
    )
    parser.add_argument(
        "--print-command", action="store_true", help="print the hb_model_modifier call, for people who run it elsewhere"
    )
    parser.add_argument(
        "--any-version", action="store_true", help="allow a toolchain of another version than the build's"
    )
    add_json(parser, "the plan")


def run(args: argparse.Namespace) -> int:
    """Plans, and does it unless only the plan or the command was asked for."""
    from edgekit.compilation.strip_plan import STRIPPED_ROLES
    from edgekit.errors import ConfigError

    if (args.model is None) == (args.log is None):
        raise ConfigError("one of MODEL.bin and --log FILE is needed", hint="edgekit strip model_output/NAME.bin")
    roles = tuple(dict.fromkeys([*STRIPPED_ROLES, *filter(None, args.also.split(","))]))
    if args.log is not None:
        return _plan_from_log(args, roles)
    spec = _sidecar(args)
    if args.print_command:
        from edgekit.compilation.strip import modified_path, plan_for_bin

        _refuse_simulated(args.model)
        plan = plan_for_bin(args.model, spec, roles=roles)
        return _show(args, plan, str(args.model), str(args.output or modified_path(args.model)), None)
    return _strip(args, spec, roles)


def _plan_from_log(args: argparse.Namespace, roles: tuple[str, ...]) -> int:
    from edgekit.compilation.modifier_log import read_removable_nodes
    from edgekit.compilation.strip import modified_path
    from edgekit.compilation.strip_plan import plan_strip

    name, nodes = read_removable_nodes(args.log)
    plan = plan_strip(nodes, _sidecar(args), roles=roles)
    model = Path(name or "MODEL.bin")
    return _show(args, plan, str(model), str(args.output or modified_path(model)), None)


def _strip(args: argparse.Namespace, spec: ModelSpec | None, roles: tuple[str, ...]) -> int:
    from edgekit.cli.console import say_replaced
    from edgekit.compilation.strip import modified_path, strip_bin
    from edgekit.compilation.toolchain.find import find_toolchain
    from edgekit.files import refuse_replacing
    from edgekit.sim.container import is_sim_bin
    from edgekit.spec import sidecar_path

    output = args.output or modified_path(args.model)
    written = (output, *([sidecar_path(output)] if spec is not None else []))
    read = (args.model, sidecar_path(args.model), *filter(None, [args.sidecar]))
    say_replaced(refuse_replacing(written, inputs=read, overwrite=args.overwrite))
    if is_sim_bin(args.model):
        from edgekit.sim.strip import strip_sim_bin

        plan, sidecar = strip_sim_bin(args.model, spec, output, roles=roles)
        return _show(args, plan, str(args.model), str(output), sidecar)
    done = strip_bin(args.model, spec, find_toolchain(), output=output, roles=roles, any_version=args.any_version)
    return _show(args, done.plan, str(args.model), str(done.model), done.sidecar)


def _refuse_simulated(model: Path) -> None:
    from edgekit.errors import ModelError
    from edgekit.sim.container import is_sim_bin

    if is_sim_bin(model):
        raise ModelError(
            f"{model} is a simulated .bin, which hb_model_modifier cannot read",
            hint="leave --print-command away: edgekit strip does it itself",
        )


def _sidecar(args: argparse.Namespace) -> ModelSpec | None:
    from edgekit.spec import load_spec, sidecar_path

    beside = sidecar_path(args.model) if args.model is not None else None
    path = args.sidecar or (beside if beside is not None and beside.is_file() else None)
    return None if path is None else load_spec(path)


def _show(args: argparse.Namespace, plan: StripPlan, model: str, output: str, sidecar: Path | None) -> int:
    import shlex

    from edgekit.cli.console import print_json, print_table

    command = shlex.join(plan.arguments(model, output))
    done = not (args.print_command or args.log)
    if args.json:
        print_json("strip", _as_json(plan, command, output if done else None, sidecar))
        return 0
    if args.print_command:
        print(command)
        return 0
    rows = [(c.output, c.role, "removed" if c.remove else "kept", c.reason) for c in plan.decisions]
    print_table("Dequantize nodes", ("output", "role", "node", "why"), rows)
    for note in plan.notes:
        print(f"note: {note}")
    if plan.values_saved:
        print(f"{len(plan.removed)} nodes, {plan.values_saved:,} values per frame that the CPU no longer converts")
    print(f"wrote {output}" + (f" and {sidecar.name}" if sidecar else "") if done else command)
    if done and sidecar is None:
        print("no sidecar was written, since the model has none: give the cut model's with --sidecar")
    return 0


def _as_json(plan: StripPlan, command: str, output: str | None, sidecar: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "decisions": [asdict(decision) for decision in plan.decisions],
        "removed": list(plan.removed),
        "notes": list(plan.notes),
        "command": command,
        "output": output,
        "sidecar": str(sidecar) if sidecar else None,
    }
