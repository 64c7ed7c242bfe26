"""Names that a package exports without importing their modules before they are used (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_exports"]


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names live in modules that load on first use.

    Args:
        package: `__name__` of the package.
        modules: Full name of the module that defines each exported name; "module:name" if it has another name there.

    Returns:
        A function of an attribute's name; it raises AttributeError for a name that is not in `modules`.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = modules[name].partition(":")
        return getattr(importlib.import_module(module), attribute or name)

    return get
