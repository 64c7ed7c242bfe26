"""Every JSON that edgekit writes or prints begins with the envelope of `edgekit/records.py`; read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.package_sources import MODULES, PACKAGE, syntax_tree

WRITERS = {"write_json": 1, "json_file": 1, "json_lines": 1, "journal_lines": 1, "json_document": 1}  # value's position
VENDOR = {"sim/compiler/compile.py": "quant_info.json is read as the toolchain's own"}
PLACEHOLDERS = {"compilation/build.py": "no record: the folder is ours, and nothing is built in it yet"}
MADE_IN = {  # methods whose name others bear, too, and the board's answer: the file whose functions add the envelope
    "cli/compare.py": "evaluation/compare.py",
    "evaluation/map_run.py": "evaluation/map_run.py",
    "evaluation/run.py": "evaluation/scores.py",
    "cli/perf.py": "cli/perf.py",
    "cli/push.py": "cli/perf.py",
}
PRINTERS = {"cli/console.py"}  # print_json, through which every --json goes

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def called(node: ast.AST) -> set[str]:
    """Names of the functions that an expression calls."""
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
    return {f.attr if isinstance(f, ast.Attribute) else f.id for f in calls if isinstance(f, (ast.Attribute, ast.Name))}


def enveloping() -> set[str]:
    """Names that only functions bear whose result begins with the envelope: they call `envelope`, or such a one."""
    calls: dict[str, list[set[str]]] = {}
    for path in MODULES:
        for function in functions(syntax_tree(path)):
            calls.setdefault(function.name, []).append(called(function))
    known = {"envelope"}
    while more := {name for name, bodies in calls.items() if all(body & known for body in bodies)} - known:
        known |= more
    return known


def values_of(argument: ast.expr, function: Function) -> list[ast.expr]:
    """The expressions that an argument stands for: itself, and what the function assigns to the names in it."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            assigned.setdefault(getattr(target, "id", ""), []).append(node.value)  # type: ignore[attr-defined]
    values, names = [argument], set[str]()
    for value in values:  # grows
        new = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)} - names
        names |= new
        values += [expression for name in sorted(new) for expression in assigned.get(name, [])]
    return values


def bare_documents(path: Path, known: set[str]) -> Iterator[str]:
    """Calls of a writer with a value of which nothing shows that it has the envelope; a parameter is its caller's."""
    for function in functions(syntax_tree(path)):
        parameters = {a.arg for a in [*function.args.args, *function.args.kwonlyargs]}
        for call in ast.walk(function):
            name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
            if not isinstance(call, ast.Call) or name not in WRITERS or len(call.args) <= WRITERS[name]:
                continue
            argument = call.args[WRITERS[name]]
            expressions = values_of(argument, function)
            passed = {n.id for n in ast.walk(argument) if isinstance(n, ast.Name)} & parameters - {"self"}
            if not passed and not any(called(expression) & known for expression in expressions):
                yield f"{path.relative_to(PACKAGE)}:{call.lineno} {ast.unparse(argument)}"


def test_every_written_document_begins_with_the_envelope() -> None:
    known = enveloping()
    assert {"spec_to_dict", "report_json", "build_manifest"} <= known
    bare = [line for path in MODULES for line in bare_documents(path, known)]
    excepted = VENDOR.keys() | PLACEHOLDERS.keys() | MADE_IN.keys()
    assert [line for line in bare if line.split(":")[0] not in excepted] == []
    assert all("envelope" in called(syntax_tree(PACKAGE / home)) for home in MADE_IN.values())


def test_json_is_printed_in_one_function_alone() -> None:
    printed = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for call in ast.walk(syntax_tree(path))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "print" and "dumps" in called(call)
    ]
    assert set(printed) == PRINTERS


def test_a_document_without_it_is_found() -> None:
    found = []
    for value in ("{'a': 1}", "{**envelope('x')}"):
        (function,) = functions(ast.parse(f"def f(path):\n    a = {value}\n    b = {{**a}}\n    write_json(path, b)\n"))
        (call,) = [node for node in ast.walk(function) if isinstance(node, ast.Call) and len(node.args) == 2]
        found.append(any(called(expression) & {"envelope"} for expression in values_of(call.args[1], function)))
    assert found == [False, True]
