"""Files and functions stay short; each exception states its reason here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.package_sources import MODULES, PACKAGE, syntax_tree

MAX_FILE_LINES = 320
MAX_FUNCTION_LINES = 40  # without the docstring
OPTIONS = "a flat list of options, read from top to bottom"
SEQUENCE = "the stages of one command in their order, each one call"
FIELDS = "one constructor with many named fields"
REASONS = {
    "logs/mapper.py": "the grammar of one log in one class",
    "cli/bench.py:add_arguments": OPTIONS,
    "cli/eval.py:add_arguments": OPTIONS,
    "cli/run.py:add_arguments": OPTIONS,
    "cli/run_tracking.py:add_tracking": OPTIONS,
    "cli/tune.py:add_arguments": OPTIONS,
    "cli/bench.py:run": SEQUENCE,
    "cli/run.py:run": SEQUENCE,
    "cli/run.py:_run_all": SEQUENCE,
    "cli/run_robot.py:_run_in": SEQUENCE,
    "calibration/pipeline.py:calibrate": SEQUENCE,
    "deploy/pipeline.py:deploy": SEQUENCE,
    "calibration/pipeline.py:_write_all": SEQUENCE,
    "calibration/manifest.py:build_manifest": FIELDS,
    "ptq/presets.py:ptq_config": FIELDS,
    "runtime/board.py:assume_spec": FIELDS,
    "sim/fast/conv_calls.py:_call": FIELDS,
    "sim/compiler/emit/conv.py:emit_conv": "one operator: its operands, its arithmetic and its node",
    "sim/node.py:read_node": "every field of a node is checked before the next is read",
    "output/preview.py:_handler": "a request handler is one nested class",
}


def long_functions(path: Path) -> Iterator[str]:
    name = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
            docstring = ast.get_docstring(node, clean=False)
            lines = node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)
            if lines > MAX_FUNCTION_LINES:
                yield f"{name}:{node.name}"


def test_files_and_functions_are_short() -> None:
    long = [name for path in MODULES for name in long_functions(path)]
    for path in MODULES:
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_FILE_LINES:
            long.append(path.relative_to(PACKAGE).as_posix())
    assert [name for name in long if name not in REASONS] == []


def test_reasons_are_for_what_is_there() -> None:
    assert [name for name in REASONS if not (PACKAGE / name.partition(":")[0]).is_file()] == []
