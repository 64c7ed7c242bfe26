"""What is public: the names in a package's `__all__`, which resolve and say what they take, return and raise."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "edgekit"
PACKAGES = ["edgekit", *sorted(f"edgekit.{p.parent.name}" for p in PACKAGE.glob("*/__init__.py"))]


def public_names() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for name in getattr(importlib.import_module(package), "__all__", ()):
            if not name.startswith("__"):
                yield package, name


def parameters_of(thing: Any) -> list[str]:
    names = list(inspect.signature(thing).parameters)
    return [name for name in names if name not in ("self", "cls")]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_declare_what_is_public(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__, key=str.lower) == sorted(set(module.__all__), key=str.lower)
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize(("package", "name"), list(public_names()))
def test_public_functions_say_what_they_take_and_return(package: str, name: str) -> None:
    member = getattr(importlib.import_module(package), name)
    if not callable(member):
        return
    text = inspect.getdoc(member) or ""
    assert text, f"{package}.{name} has no docstring"
    if not inspect.isfunction(member):
        return
    parameters = parameters_of(member)
    if parameters:
        assert "Args:" in text, f"{package}.{name} has no Args section"
        arguments = text.partition("Args:")[2]
        missing = [parameter for parameter in parameters if f"{parameter}:" not in arguments]
        assert not missing, f"{package}.{name} does not describe {missing}"
    if inspect.signature(member).return_annotation not in (None, "None", "NoReturn"):
        assert "Returns:" in text or "Yields:" in text, f"{package}.{name} has no Returns section"
