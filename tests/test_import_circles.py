"""No module imports, directly or by others, one that imports it; nor does a package, inside functions included."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / "edgekit"
EXCEPTIONS = {("packaging", "cli")}  # a manual is generated from the parsers when a wheel is built


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """Modules imported when the file is; in a package's `__init__` those for type checkers are its lazy exports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[ast.stmt] = []
    for node in tree.body:
        nodes += node.body if is_type_checking(node) and path.name != "__init__.py" else [node]  # type: ignore[attr-defined]
    named: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {name if name in modules else node.module for name in names}
    return named & modules


def circles(graph: dict[str, set[str]]) -> list[str]:
    """The names that import each other, directly or by others, and those that import them."""
    while leaves := {name for name, imported in graph.items() if not imported & graph.keys()}:
        graph = {name: imported for name, imported in graph.items() if name not in leaves}
    return sorted(graph)


def package_of(module: str) -> str:
    """`sim` for edgekit.sim.fast.build; the lazy exports of edgekit itself belong to no package."""
    return module.split(".")[1] if "." in module else ""


def packages_imported(path: Path) -> set[str]:
    """Packages of edgekit that a file names in an import, wherever that stands."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "edgekit":
            modules |= {f"edgekit.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return {package_of(name) for name in modules if name.startswith("edgekit.")}


def test_modules_import_in_no_circle() -> None:
    paths = {module_name(path): path for path in PACKAGE.rglob("*.py")}
    graph = {name: imports_of(path, set(paths)) - {name} for name, path in paths.items()}
    assert len(graph) > 300
    assert circles(graph) == []


def test_packages_import_in_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        package = package_of(module_name(path))
        if package:
            imported = {name for name in packages_imported(path) if (package, name) not in EXCEPTIONS}
            graph[package] = graph.get(package, set()) | imported - {package}
    assert len(graph) > 40 and "sim" in graph["tuning"]
    assert circles(graph) == []


def test_a_circle_is_named() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
