"""The command line is one hand: a shared option is declared in `cli/options.py` alone, and `-o` is `--output`."""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from edgekit.cli.main import COMMANDS, build_parser
from tests.package_sources import PACKAGE, syntax_tree

CLI = PACKAGE / "cli"
OWN = {  # of the same name and another meaning, by module
    "bench.py": {"--device", "--imgsz", "--threads", "--frames"},  # several of each, in a grid
    "cut.py": {"--imgsz"},  # of the ONNX, too, not of a .pt alone
    "run.py": {"--frames"},  # where to stop, not how many are measured
    "toolchain.py": {"--python"},  # what the toolchain is built on
}


def declared(path: Path) -> set[str]:
    """The options that a module declares itself."""
    calls = [node for node in ast.walk(syntax_tree(path)) if isinstance(node, ast.Call)]
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value.startswith("-")
    }


def commands(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that runs, with its parser."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for group in groups:
        for command, inner in group.choices.items():
            yield from commands(inner, f"{name} {command}")


def test_shared_options_are_declared_once() -> None:
    shared = declared(CLI / "options.py")
    assert {"--json", "--overwrite", "--device", "--conf", "--march", "--seed"} <= shared
    again = {path.name: declared(path) & shared for path in CLI.glob("*.py") if path.name != "options.py"}
    assert {name: options for name, options in again.items() if options} == OWN


def test_every_output_is_o_and_output() -> None:
    modules = {name: importlib.import_module(module) for name, (module, _) in COMMANDS.items()}
    found = 0
    for name, parser in commands(build_parser(modules), "edgekit"):
        for action in parser._actions:
            if action.dest == "output" or "-o" in action.option_strings or "--out" in action.option_strings:
                assert action.option_strings == ["-o", "--output"], name
                found += 1
    assert found > 10
