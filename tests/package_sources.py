"""The package's own source files, each parsed once for all tests that read them."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / "edgekit"
MODULES = tuple(sorted(PACKAGE.rglob("*.py")))


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    """The parsed source; it is shared, so nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))
