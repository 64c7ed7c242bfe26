"""The field's language: words that no identifier of the package may be made of (the glossary is in CONTRIBUTING)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.package_sources import MODULES, PACKAGE, syntax_tree

# What to write instead: fix; again; image; detection, match or measurement; location, layer or tensor; requested or
# declared; the noun itself; int8 and int16; rng; a criterion's own name; unexpected.
REFUSED = frozenset(
    "mend mended anew photo photos picture pictures seen deaf wish wishes wanted told said asked given mine knock dice "
    "worth crowd stranger strangers found place places narrow wide mood things thing".split()
)
# Refused alone: the noun that they stand for is the better name.
REFUSED_ALONE = frozenset({"one", "other"})
# Words of other vocabularies: the vendor's log columns, onnx's and Python's own names.
ALLOWED_NAMES = frozenset({"one_hot", "OneHot"})
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def identifiers(path: Path) -> Iterator[str]:
    """Every name that a file defines or binds: functions, classes, parameters, variables, attributes."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def words_of(name: str) -> set[str]:
    return {word.lower() for word in WORDS.findall(name)}


def refused_names(path: Path) -> list[str]:
    names = set(identifiers(path)) - ALLOWED_NAMES
    return sorted(name for name in names if REFUSED & words_of(name) or name in REFUSED_ALONE)


def test_names_are_the_fields() -> None:
    refused = {path.relative_to(PACKAGE).as_posix(): refused_names(path) for path in MODULES}
    assert {name: names for name, names in refused.items() if names} == {}


def test_a_public_class_name_has_one_meaning() -> None:
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        for node in syntax_tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_old_words_are_refused() -> None:
    assert {"found", "photo", "anew"} <= REFUSED and "image" not in REFUSED
    assert [
        name
        for name in ("photo_paths", "CocoPhoto", "foundation")
        if REFUSED & {w.lower() for w in WORDS.findall(name)}
    ] == [
        "photo_paths",
        "CocoPhoto",
    ]
