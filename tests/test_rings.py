"""Who may import whom: the rings of the design, read from the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.board_ring import COMMAND_MODULES, PARTS
from tests.package_sources import MODULES, PACKAGE, syntax_tree

STDLIB = sys.stdlib_module_names

# Each part may import itself, the parts named here, and the outside packages named behind them.
BASE = {
    "array_files",
    "cores",
    "errors",
    "text",
    "datapath",
    "records",
    "requirements",
    "files",
    "preprocess",
    "progress",
    "version",
    "spec",
    "labels",
    "lazy",
    "board_ring",
    "install_hints",
    "artifacts",
    "device_kinds",
}
OPS = BASE | {"kernels", "ops"}
DECODE = OPS | {"results", "decode"}
RUNTIME = DECODE | {"runtime", "bundle"}
TRACKING = OPS | {"results", "tracking"}
OUTPUT = RUNTIME | {"tracking", "output"}
BOARD = OUTPUT | {"robot"}
STAGES = {
    "data", "graph", "export", "next_command", "folder_lock", "binary", "logs", "ptq", "calibration", "compilation",
    "deploy", "sim", "latency", "report", "evaluation", "tuning", "demo", "packaging", "learn", "folding", "explore",
    "bpu", "manifest", "compiler_api", "plugins", "workers", "integrations",
}  # fmt: skip
HOST = BOARD | STAGES | {"edgekit"}
ARRAYS = {"numpy", "cv2"}
# google: protobuf, which onnx brings
HOST_LIBRARIES = ARRAYS | {
    "onnx", "google", "onnxruntime", "yaml", "pycocotools", "jinja2", "markupsafe", "matplotlib", "rich", "supervision",
    "setuptools",
}  # fmt: skip
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "version": (set(), set()),
    "progress": (set(), set()),
    "labels": (set(), set()),
    "cores": (set(), set()),
    "lazy": (set(), set()),
    "install_hints": (set(), set()),
    "board_ring": (set(), set()),
    "array_files": ({"errors"}, {"numpy"}),
    "artifacts": (set(), set()),
    "device_kinds": (set(), set()),
    "text": ({"errors"}, set()),
    "datapath": (set(), set()),
    "files": ({"errors", "text"}, set()),
    "records": ({"errors", "text", "version"}, set()),
    "requirements": (set(), set()),
    "preprocess": ({"errors", "text", "records"}, set()),
    "spec": ({"errors", "text", "records", "files", "preprocess"}, set()),
    "bundle": (BASE, set()),
    "kernels": (BASE | {"kernels"}, {"numpy"}),
    "ops": (OPS, ARRAYS),
    "results": (OPS, ARRAYS),
    "decode": (DECODE, ARRAYS),
    "tracking": (TRACKING, ARRAYS),
    "runtime": (RUNTIME, ARRAYS | {"onnxruntime"}),  # onnxruntime inside the one device that needs it
    "output": (OUTPUT, ARRAYS),
    "robot": (BOARD, ARRAYS),
}

LATE_LIBRARIES = {"psutil", "dask", "distributed", "setuptools", "setuptools_scm", "argparse_manpage", "shtab"}
OPTIONAL = {"learn": {"torch"}, "integrations": {"torch", "ultralytics"}}  # beside the rules: packages of an extra


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """(outside package, "") or ("edgekit", part) for every import statement of a file."""
    for node in ast.walk(syntax_tree(path)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "edgekit" else [str(node.module)]
        for name in names:
            parts = name.split(".")
            yield parts[0], parts[1] if parts[0] == "edgekit" and len(parts) > 1 else ""


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def test_imports_stay_in_the_ring() -> None:
    assert [foreign for path in MODULES for foreign in foreign_imports(path)] == []


def foreign_imports(path: Path) -> Iterator[str]:
    """What a file imports and may not, as sentences."""
    part = part_of(path)
    parts, packages = ALLOWED.get(part, (HOST | {"cli"}, HOST_LIBRARIES | LATE_LIBRARIES))
    packages = packages | OPTIONAL.get(part, set())
    if part in ("__init__", "__main__"):
        return
    for package, inner in imports_of(path):
        if package == "edgekit":
            if inner not in parts | {part, ""}:
                yield f"{path} imports edgekit.{inner}"
        elif package not in STDLIB | packages:
            yield f"{path} imports {package}"


def test_every_part_has_a_rule() -> None:
    known = set(ALLOWED) | STAGES | {"cli", "__init__", "__main__"}
    assert {part_of(p) for p in PACKAGE.rglob("*.py")} <= known


def test_the_rules_of_the_board_ring_are_those_of_its_own_list() -> None:
    assert set(ALLOWED) == set(PARTS) - {"__init__", "__main__"}


@pytest.mark.parametrize("name", [name for name in COMMAND_MODULES if name != "cli/main"])
def test_commands_of_the_board_import_no_other_command(name: str) -> None:
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    imports = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    commands = {module.removeprefix("edgekit.").replace(".", "/") for module in imports if ".cli." in module}
    assert commands <= set(COMMAND_MODULES)
